from __future__ import annotations

import os
import platform
import signal
import stat
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pytest

from mobiledeploy.base.errors import DeviceError, InputError
from mobiledeploy.bench.devices import host
from mobiledeploy.bench.devices.host import Host
from mobiledeploy.bench.runner.records import LaunchPlan, Model
from mobiledeploy.bench.runner.tensors import interface, noise_inputs, to_array
from mobiledeploy.runtime.runtimes import TfliteSession

pytestmark = pytest.mark.skipif(platform.system() != "Linux", reason="the runner runs on Linux")

BRIEF = LaunchPlan(rounds=2, burst=3, warm_up_s=0.05)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(autouse=True)
def _own_cache(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache))


@pytest.fixture
def models(linear_files: dict[str, Path]) -> list[Model]:
    return [
        Model(kind, path, "", noise_inputs(interface(path), seed=3)) for kind, path in linear_files.items()
    ]


def stand_in(monkeypatch: pytest.MonkeyPatch, folder: Path, script: str) -> None:
    """A shell script in place of the runner."""
    path = folder / "runner"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setattr(host, "runner_for", lambda _: path)


def test_models_are_measured_and_nothing_is_left(models: list[Model], temporary: Path) -> None:
    with Host().session(models) as launch:
        both = launch(models, LaunchPlan(core=0, rounds=2, burst=3, warm_up_s=0.05))
        one = launch(models[1:], BRIEF)
    assert [np.shape(samples.rounds_ms) for samples in both.models] == [(2, 3), (2, 3)]
    assert (both.core, both.runtime, both.complete) == (0, "LiteRT 2.3.0", True)
    assert len(one.models) == 1
    assert one.models[0].outputs == ()
    assert not list(temporary.iterdir())


def test_outputs_come_back(models: list[Model], temporary: Path) -> None:
    with Host().session(models) as launch:
        launched = launch(models, LaunchPlan(rounds=1, burst=1, warm_up_s=0.0, outputs=True))
    for model, samples in zip(models, launched.models, strict=True):
        found = interface(model.path)
        interpreter = TfliteSession(model.path).interpreter
        interpreter.set_tensor(
            interpreter.get_input_details()[0]["index"], to_array(found.inputs[0], model.inputs[0])
        )
        interpreter.invoke()
        expected = interpreter.get_tensor(interpreter.get_output_details()[0]["index"])
        (output,) = samples.outputs
        np.testing.assert_array_equal(to_array(found.outputs[0], output), expected)


def test_it_describes_itself() -> None:
    device = Host()
    identity = device.identity()
    assert (identity.kind, identity.key, identity.abi) == ("host", "host", platform.machine())
    assert identity.name
    assert f"Linux {platform.release()}" in identity.system
    assert {core.number for core in device.cores()} >= os.sched_getaffinity(0)
    assert set(device.state().busy_ticks) >= os.sched_getaffinity(0)
    assert "not a phone" in device.note


def test_a_bad_model_is_named_by_its_own_path(models: list[Model], temporary: Path, tmp_path: Path) -> None:
    path = tmp_path / "broken.tflite"
    path.write_text("no model")
    broken = Model("broken", path, "", ())
    with (
        pytest.raises(InputError, match=rf"^{path}: LiteRT cannot read it"),
        Host().session([broken]) as launch,
    ):
        launch([broken], BRIEF)
    assert not list(temporary.iterdir())


def test_a_runner_that_hangs_is_ended(
    models: list[Model], temporary: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_in(monkeypatch, tmp_path, f"echo $$ > {tmp_path}/pid; exec sleep 60")
    monkeypatch.setattr(host, "patience_s", lambda _: 0.5)
    with (
        pytest.raises(DeviceError, match=r"gave no result for .* s and was ended"),
        Host().session(models) as launch,
    ):
        launch(models, BRIEF)
    assert not Path(f"/proc/{int((tmp_path / 'pid').read_text())}").exists()
    assert not list(temporary.iterdir())


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("kill -SEGV $$", "the runner on this host was ended by SIGSEGV"),
        ("echo hello", "the runner on this host printed 'hello'"),
        ("echo 'runner: no memory' >&2; exit 3", r"the runner on this host stopped \(no memory\)"),
    ],
)
def test_a_runner_that_fails_leaves_nothing(
    script: str,
    message: str,
    models: list[Model],
    temporary: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stand_in(monkeypatch, tmp_path, script)
    with pytest.raises(DeviceError, match=message), Host().session(models) as launch:
        launch(models, BRIEF)
    assert not list(temporary.iterdir())


def test_a_program_that_may_not_run_is_named(
    models: list[Model], temporary: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_in(monkeypatch, tmp_path, "true")
    (tmp_path / "runner").chmod(0o600)
    expected = r"runner cannot be started \(Permission denied\).*set XDG_CACHE_HOME"
    with pytest.raises(InputError, match=expected), Host().session(models) as launch:
        launch(models, BRIEF)


def test_an_interruption_ends_the_runner_and_leaves_nothing(
    models: list[Model], temporary: Path, tmp_path: Path
) -> None:
    script = tmp_path / "runner"
    script.write_text(
        f"#!/bin/sh\necho $$ > {tmp_path}/pid.new; mv {tmp_path}/pid.new {tmp_path}/pid; exec sleep 60\n"
    )
    script.chmod(0o755)
    program = f"""
import signal, tempfile
from pathlib import Path
signal.signal(signal.SIGINT, signal.default_int_handler)
from mobiledeploy.bench.devices import host
from mobiledeploy.bench.runner.records import Model, LaunchPlan
tempfile.tempdir = {str(temporary)!r}
host.runner_for = lambda _: Path({str(script)!r})
models = [Model("a", Path({str(models[0].path)!r}), "", ())]
with host.Host().session(models) as launch:
    launch(models, LaunchPlan())
"""
    process = subprocess.Popen([sys.executable, "-c", program], stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while not (tmp_path / "pid").exists() and time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=60)
    assert "KeyboardInterrupt" in stderr
    assert not Path(f"/proc/{int((tmp_path / 'pid').read_text())}").exists()
    assert not list(temporary.iterdir())


def test_no_room_for_inputs_is_said(
    models: list[Model], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "none"))
    with (
        pytest.raises(InputError, match=r"none.* gives .*set TMPDIR to another folder"),
        Host().session(models),
    ):
        pass


def test_another_system_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "system", lambda: "Darwin")
    with pytest.raises(InputError, match=r"this machine runs Darwin, expected Linux.*connect a phone"):
        Host()
