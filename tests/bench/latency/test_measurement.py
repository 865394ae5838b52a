"""What a user sees of a measurement on a terminal of 80 columns, and what limits make of it."""

from __future__ import annotations

import io
from dataclasses import replace
from typing import Any

from rich.console import Console

from mobiledeploy.base.terminal import drawn
from mobiledeploy.bench.latency.measurement import Measurement
from mobiledeploy.bench.latency.protocol import measure
from mobiledeploy.bench.latency.settings import Limits, Settings
from mobiledeploy.bench.runner.records import Model, State

QUICK = Settings(cool_down_s=0.0, cool_down_limit_s=0.0)


def shown(measured: Measurement, width: int = 80) -> str:
    text = io.StringIO()
    console = Console(file=text, width=width)
    for section in measured.sections():
        console.print(drawn(section))
    return text.getvalue()


def test_the_tables_say_what_where_and_how_sure(fake_device: Any, models: list[Model]) -> None:
    before = State(clocks_khz={7: 2_800_000}, governors={7: "schedutil"}, temperatures_c={"cpu": 31.0})
    after = State(clocks_khz={7: 2_800_000}, governors={7: "schedutil"}, temperatures_c={"cpu": 40.4})
    level = {"fp32": 2.0, "int8": 1.0}
    device = fake_device(lambda name, launch, rng: level[name], states=[before, before, after])
    text = shown(measure(device, models, QUICK))
    assert max(map(len, text.splitlines())) <= 80
    assert "Fake One (FK1), Android 14" in text
    count = QUICK.min_launches * QUICK.rounds * QUICK.burst
    assert "one thread on core 7 of 8, up to 2.80 GHz" in text and f"{count} inferences of each" in text
    lines = [line.split() for line in text.splitlines()]
    assert ["int8", "1.000", "±", "0.0%", "1.000", "1.000", "1.000", "1.000", "0.000"] in lines
    assert ["int8", "/", "fp32", "0.500", "0.500", "-", "0.500", "100%"] in lines
    assert "\nstable" in text and "not stable" not in text
    assert "2.80 GHz (schedutil), 31 °C -> 40 °C" in text
    assert "a fake" in text


def test_a_doubtful_measurement_says_so(fake_device: Any, models: list[Model]) -> None:
    text = shown(measure(fake_device(warm=False), models[:1], QUICK))
    assert "not stable: the warm-up did not settle in 12 of 12 launches" in text
    assert "pair by pair" not in text  # there is nothing to compare one model with


def test_what_is_over_a_limit_is_told(fake_device: Any, models: list[Model]) -> None:
    measured = measure(fake_device(), models[:1], replace(QUICK, time_limit_s=0.0))
    assert list(measured.exceeded(Limits(ms=3.0, instructions=1.0))) == []
    slow, unstable = measured.exceeded(Limits(ms=0.5, stable=True))
    assert slow.startswith("fp32 takes 2.0") and "expected at most 0.5 ms" in slow
    assert "is not stable, expected it to be: only 1 of 12 launches" in unstable
