"""The protocol on a device that takes no time: what it launches, when it stops, and what comes of it."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from mobiledeploy.base.errors import DeviceError, InputError
from mobiledeploy.base.json_text import as_json
from mobiledeploy.bench.latency.protocol import measure
from mobiledeploy.bench.latency.settings import Settings
from mobiledeploy.bench.runner.records import Model, State

QUICK = Settings(cool_down_s=0.0, cool_down_limit_s=0.0)


def test_models_are_loaded_alone_and_then_measured_in_turns(fake_device: Any, models: list[Model]) -> None:
    device = fake_device()
    found = measure(device, models, QUICK)
    names = [names for names, _ in device.launched]
    assert names == [["fp32"], ["int8"]] + [["fp32", "int8"]] * QUICK.min_launches
    plans = [plan for _, plan in device.launched]
    assert {plan.core for plan in plans} == {7}
    assert len({plan.seed for plan in plans[2:]}) == QUICK.min_launches
    assert found.core == 7 and found.reasons == [] and not device.is_open
    assert found.models[0].init_ms == 5.0 and found.models[0].peak_memory_mb == 10.0
    assert found.summaries[0].count == QUICK.min_launches * QUICK.rounds * QUICK.burst
    assert found.summaries[0].median_ms.value == pytest.approx(2.0, rel=0.01)


def test_launches_go_on_until_the_interval_is_narrow(fake_device: Any, models: list[Model]) -> None:
    noisy = fake_device(lambda name, launch, rng: 2 * (1 + 0.02 * np.sin(launch)) + rng.normal(0, 0.01))
    found = measure(noisy, models[:1], replace(QUICK, precision=0.006))
    assert QUICK.min_launches < len(found.observed)
    assert found.summaries[0].median_ms.half_width <= 0.006 and found.reasons == []


def test_the_time_limit_ends_a_measurement_that_stays_noisy(fake_device: Any, models: list[Model]) -> None:
    wild = fake_device(lambda name, launch, rng: rng.uniform(1, 9), involuntary_switches=50)
    found = measure(wild, models[:1], replace(QUICK, time_limit_s=0.5, rounds=3, min_launches=2))
    told = "; ".join(found.reasons)
    assert "is known to" in told and "asked for 1.0%" in told and "IQR" in told
    assert "other processes took the core 50 times a second" in told


def test_too_few_launches_are_no_basis(fake_device: Any, models: list[Model]) -> None:
    found = measure(fake_device(), models[:1], replace(QUICK, time_limit_s=0.0))
    assert len(found.observed) == 1
    assert "only 1 of 12 launches fit into 0 s" in found.reasons


def test_slow_models_get_fewer_rounds(fake_device: Any, models: list[Model]) -> None:
    """First inferences of 3 ms each, so a round of two models takes 36 ms."""
    device = fake_device()
    measure(device, models, replace(QUICK, time_limit_s=QUICK.min_launches * 2 * 0.036 * 3.5))
    assert [plan.rounds for _, plan in device.launched[2:]] == [3] * QUICK.min_launches


def test_ratios_hold_where_the_device_slows_down_for_all(fake_device: Any, models: list[Model]) -> None:
    def latency(name: str, launch: int, rng: np.random.Generator) -> float:
        return (2.0 if name == "fp32" else 1.0) * (1 + launch / 10) * rng.normal(1, 0.001)

    found = measure(fake_device(latency), models, replace(QUICK, time_limit_s=0.3))
    assert found.ratios[0].value == 1.0
    assert found.ratios[1].value == pytest.approx(0.5, rel=0.002)
    assert any("inferences got slower by" in reason for reason in found.reasons)


@pytest.mark.parametrize(
    ("states", "clocks", "expected"),
    [
        pytest.param(
            [State(temperatures_c={"cpu": 40.0}), State(temperatures_c={"cpu": 70.0}, thermal_status=2)],
            (),
            r"throttling: Android reports thermal status 2 \(moderate\); cpu rose from 40 to 70 degrees",
            id="thermal status",
        ),
        pytest.param(
            [State(limits_khz={7: 2_800_000}), State(limits_khz={7: 2_100_000})],
            (),
            "throttling: the highest clock that core 7 may run at fell from 2.80 to 2.10 GHz",
            id="limit of the clock",
        ),
        pytest.param(
            [State()], (2_800_000, 2_000_000), "clock moved: .* 2.00 GHz or less, .* 2.80 GHz", id="clock"
        ),
    ],
)
def test_throttling_is_told(
    fake_device: Any, models: list[Model], states: list[State], clocks: tuple[int, ...], expected: str
) -> None:
    # One state before anything, one before the first launch.
    device = fake_device(
        states=[states[0], states[0], *states[1:]] if states[1:] else states, clock_khz=clocks
    )
    found = measure(device, models[:1], QUICK)
    assert len(found.reasons) == 1
    with pytest.raises(AssertionError, match=expected):
        raise AssertionError(found.reasons[0])


def test_a_warm_up_that_does_not_settle_is_told(fake_device: Any, models: list[Model]) -> None:
    found = measure(fake_device(warm=False), models[:1], QUICK)
    assert found.reasons == ["the warm-up did not settle in 12 of 12 launches"]


def test_a_throttled_device_gets_a_rest(
    fake_device: Any, models: list[Model], monkeypatch: pytest.MonkeyPatch
) -> None:
    slept: list[float] = []
    monkeypatch.setattr("mobiledeploy.bench.latency.protocol.time.sleep", slept.append)
    hot, cool = State(thermal_status=3), State(thermal_status=0)
    device = fake_device(states=[cool, cool, hot, hot, hot, cool])
    measure(device, models[:1], replace(QUICK, cool_down_s=0.1, cool_down_limit_s=60.0))
    assert slept == [0.1, 0.1, 2.0, 2.0] + [0.1] * (QUICK.min_launches - 2)


def test_a_core_can_be_chosen_if_it_is_there(fake_device: Any, models: list[Model]) -> None:
    device = fake_device()
    assert measure(device, models[:1], replace(QUICK, core=2)).core == 2
    with pytest.raises(InputError, match="core 9 is offline, forbidden or absent, expected one of 0, 1, 2"):
        measure(device, models[:1], replace(QUICK, core=9))


def test_a_device_that_fails_is_left_in_order(
    fake_device: Any, models: list[Model], monkeypatch: pytest.MonkeyPatch
) -> None:
    device = fake_device()

    def fail(*arguments: object) -> None:
        raise DeviceError("gone")

    monkeypatch.setattr(device, "launch", fail)
    with pytest.raises(DeviceError, match="gone"):
        measure(device, models, QUICK)
    assert not device.is_open


def test_the_record_holds_every_sample(fake_device: Any, models: list[Model]) -> None:
    found = measure(fake_device(), models, QUICK)
    plain = json.loads(as_json(found.to_json()))
    assert plain["stable"] is True and plain["core"] == 7 and plain["device"]["name"] == "Fake One"
    assert np.shape(plain["models"][1]["samples_ms"]) == (QUICK.min_launches, QUICK.rounds, QUICK.burst)
    assert len(plain["launches"]) == QUICK.min_launches
    assert plain["models"][0]["sha256"] == models[0].sha256


def test_only_the_launch_of_a_model_alone_asks_for_details(fake_device: Any, models: list[Model]) -> None:
    """They cost some runners a start of their own."""
    device = fake_device()
    measure(device, models[:1], QUICK)
    assert [plan.details for _, plan in device.launched] == [True] + [False] * QUICK.min_launches


def test_a_ratio_that_is_not_known_well_is_told(fake_device: Any, models: list[Model]) -> None:
    noisy = fake_device(lambda name, launch, rng: rng.normal(2.0, 0.3))
    found = measure(noisy, models, replace(QUICK, time_limit_s=0.3, precision=0.001))
    assert any(reason.startswith("a ratio is known to") for reason in found.reasons)
