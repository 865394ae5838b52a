"""A run: names and inputs of models, who is measured meanwhile, and what becomes of a device that fails."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mobiledeploy.base.errors import DeviceError, InputError
from mobiledeploy.base.progress import Progress
from mobiledeploy.bench.devices.open_devices import OPENED_BY
from mobiledeploy.bench.latency.measurement import Measurement
from mobiledeploy.bench.latency.protocol import measure
from mobiledeploy.bench.latency.settings import Limits, Settings
from mobiledeploy.bench.run import bench, models_of
from mobiledeploy.bench.runner.records import Model

QUICK = Settings(cool_down_s=0.0, cool_down_limit_s=0.0, time_limit_s=0.0)


class NewDevice:
    """One of a kind that nothing but its opener knows."""

    is_host = False

    def __init__(self, timed: Any, concurrent: bool, meanwhile: Callable[[], None]) -> None:
        self._timed, self._meanwhile = timed, meanwhile
        self.concurrent = concurrent

    def measure(self, models: Sequence[Model], settings: Settings, progress: Progress) -> Measurement:
        self._meanwhile()
        return measure(self._timed, models, settings, progress)


@pytest.fixture
def opened(fake_device: Any, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Make --device NAME open such a device."""

    def add(name: str, concurrent: bool = True, meanwhile: Callable[[], None] = lambda: None) -> None:
        device = NewDevice(fake_device(), concurrent, meanwhile)
        monkeypatch.setitem(OPENED_BY, name, lambda rest, tools: device)

    return add


def test_a_new_kind_of_device_is_one_entry(
    opened: Callable[..., None], linear_files: dict[str, Path]
) -> None:
    opened("new:")
    found = bench([linear_files["fp32"]], ["new:one"], settings=QUICK)
    (result,) = found.results
    assert [model.name for model in result.models] == ["linear_fp32"]
    assert found.failures(Limits(ms=100.0)) == [] and len(found.failures(Limits(ms=0.1))) == 1
    assert list(result.sections(per_op=False))


def test_devices_are_measured_at_the_same_time_and_what_keeps_this_host_busy_afterwards(
    opened: Callable[..., None], linear_files: dict[str, Path]
) -> None:
    both, order = threading.Barrier(2, timeout=30), list[str]()

    def together(name: str) -> None:
        both.wait()  # would time out if one had to end before the other begins
        order.append(name)

    opened("busy", concurrent=False, meanwhile=lambda: order.append("busy"))
    opened("one", meanwhile=lambda: together("one"))
    opened("two", meanwhile=lambda: together("two"))
    found = bench([linear_files["fp32"]], ["busy", "one", "two"], settings=QUICK)
    assert len(found.results) == 3 and not found.errors
    assert sorted(order[:2]) == ["one", "two"] and order[2] == "busy"


def test_a_device_that_fails_leaves_the_others_results(
    opened: Callable[..., None], linear_files: dict[str, Path]
) -> None:
    def fail() -> None:
        raise DeviceError("gone")

    opened("bad", meanwhile=fail)
    opened("good")
    found = bench([linear_files["fp32"]], ["bad", "good"], settings=QUICK)
    assert len(found.results) == 1 and [str(error) for error in found.errors] == ["gone"]
    with pytest.raises(DeviceError, match="gone"):
        bench([linear_files["fp32"]], ["bad"], settings=QUICK)


def test_outputs_in_half_precision_are_not_compared(linear_files: dict[str, Path]) -> None:
    with pytest.raises(InputError, match="leave out --fp16"):
        bench([linear_files["fp32"]], ["host"], settings=Settings(fp16=True), check=True)


def test_names_are_as_short_as_they_can_be(linear_files: dict[str, Path], tmp_path: Path) -> None:
    ours, theirs, other = (
        tmp_path / name for name in ("a/ours/net.tflite", "a/theirs/net.tflite", "b/net_2.tflite")
    )
    for path in (ours, theirs, other):
        path.parent.mkdir(parents=True)
        shutil.copy(linear_files["fp32"], path)
    assert [model.name for model in models_of([ours, theirs, other, ours])] == [
        "ours/net",
        "theirs/net",
        "net_2",
        "ours/net (2)",
    ]


def test_files_get_noise_of_the_seed_or_what_is_given(linear_files: dict[str, Path], tmp_path: Path) -> None:
    (first,), (again,), (other) = (models_of([linear_files["int8"]], seed=seed) for seed in (0, 0, 1))
    assert first.inputs == again.inputs != other[0].inputs
    assert [len(content) for content in first.inputs] == [4 * 4 * 3]
    image = np.zeros((1, 4, 4, 3), np.float32)
    np.save(tmp_path / "image.npy", image)
    (given,) = models_of([linear_files["fp32"]], tmp_path / "image.npy")
    assert given.inputs == (image.tobytes(),)


def test_a_file_that_is_no_model_is_named(tmp_path: Path) -> None:
    (tmp_path / "bad.tflite").write_text("no model")
    for name in ("bad.tflite", "absent.tflite"):
        with pytest.raises(InputError, match=name):
            models_of([tmp_path / name])
