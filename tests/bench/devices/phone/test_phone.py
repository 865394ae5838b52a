"""The whole way: genuine adb, a phone that emulates, our runner on it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from mobiledeploy.base.errors import DeviceError, InputError
from mobiledeploy.base.files import file_sha256
from mobiledeploy.bench.devices.phone.adb import Adb
from mobiledeploy.bench.devices.phone.folder import FOLDER
from mobiledeploy.bench.devices.phone.own_runner import OwnRunner
from mobiledeploy.bench.devices.phone.phone import Phone
from mobiledeploy.bench.latency.protocol import TimedDevice, largest_core
from mobiledeploy.bench.runner.records import LaunchPlan, Model

if TYPE_CHECKING:
    from tests.bench.virtual_phone.faults import When
    from tests.bench.virtual_phone.phone import VirtualPhone
    from tests.bench.virtual_phone.phones import Phones

QUICK = LaunchPlan(core=7, rounds=2, burst=2, warm_up_s=0.0)
LONG = LaunchPlan(rounds=1_000_000, warm_up_s=0.0)
Clean = Callable[["VirtualPhone"], None]


def measured(
    phone: VirtualPhone, runner: OwnRunner, models: tuple[Model, ...], plan: LaunchPlan = QUICK
) -> None:
    with Phone(phone.serial, runner).session(models) as launch:
        launch(models, plan)


def test_two_models_in_turns_on_the_largest_core(
    phones: Phones, own_runner: OwnRunner, linear_models: tuple[Model, Model], assert_clean: Clean
) -> None:
    phone = phones.start("4+4")
    device: TimedDevice = Phone(phone.serial, own_runner)
    core = largest_core(device.cores()).number
    with device.session(linear_models) as launch:
        launched = launch(linear_models, replace(QUICK, core=core, outputs=True))
    assert core == 7
    assert [len(model.rounds_ms) for model in launched.models] == [2, 2]
    assert all(len(turn) == 2 and min(turn) > 0 for model in launched.models for turn in model.rounds_ms)
    assert launched.runtime == "LiteRT 2.3.0"
    assert launched.clock_khz == (phone.model.clusters[1].max_khz,) * 2
    assert (phone.pinned(), launched.complete) == ([("runner", (7,))], True)
    for model, width in zip(launched.models, (4, 1), strict=True):
        assert [len(output) for output in model.outputs] == [5 * width]  # five classes
        assert not any(model.outputs[0])  # of an image that is all zeros
    assert_clean(phone)


@pytest.mark.parametrize(
    ("model", "offline", "forbidden", "core"),
    [
        ("4+4", {7}, set(), 6),
        ("1+3+4", set(), set(), 7),
        ("1+3+4", set(), {7}, 6),
        ("2+6", set(), {6, 7}, 5),
        ("large first", set(), set(), 3),
        ("all equal", set(), {6, 7}, 5),
    ],
)
def test_the_runner_goes_where_the_largest_usable_core_is(
    phones: Phones,
    own_runner: OwnRunner,
    linear_models: tuple[Model, Model],
    model: str,
    offline: set[int],
    forbidden: set[int],
    core: int,
) -> None:
    phone = phones.start(model, offline=frozenset(offline), forbidden=frozenset(forbidden))
    found = largest_core(Phone(phone.serial, own_runner).cores()).number
    assert found == core
    measured(phone, own_runner, linear_models[:1], LaunchPlan(core=found, rounds=1, burst=1, warm_up_s=0.0))
    assert phone.pinned() == [("runner", (core,))]


def test_a_core_that_the_shell_may_not_use_is_refused(
    phones: Phones, own_runner: OwnRunner, linear_models: tuple[Model, Model], assert_clean: Clean
) -> None:
    phone = phones.start("4+4", forbidden=frozenset({7}))
    with pytest.raises(DeviceError, match=rf"^the runner on {phone.serial} stopped .*core 7"):
        measured(phone, own_runner, linear_models)
    assert_clean(phone)


def test_throttling_and_heat_are_seen(phones: Phones, own_runner: OwnRunner) -> None:
    phone = phones.start("1+3+4")
    device = Phone(phone.serial, own_runner)
    before = device.state()
    phone.limit_clocks(1_000_000)
    phone.change(thermal_status=3, cpu_c=88.5, battery_percent=41, battery_c=39.5)
    after = device.state()
    assert (before.thermal_status, after.thermal_status) == (0, 3)
    assert before.limits_khz[7] == before.clocks_khz[7] == phone.system.max_khz(7)
    assert after.limits_khz[7] == after.clocks_khz[7] == 1_000_000
    assert (after.temperatures_c["CPU"], after.battery_c, after.battery_percent) == (88.5, 39.5, 41)


def test_files_that_are_there_are_not_sent_again(
    phones: Phones, own_runner: OwnRunner, linear_models: tuple[Model, Model], assert_clean: Clean
) -> None:
    phone = phones.start()
    with Phone(phone.serial, own_runner, keep=True).session(linear_models):
        there = {path: phone.host_path(path).stat().st_ino for path in phone.left_behind()}
    kept = phone.left_behind()
    assert f"{FOLDER}/libLiteRt.so" in kept
    assert not [path for path in kept if Path(path).name.startswith(".")]
    phone.host_path(f"{FOLDER}/runner").write_bytes(b"damaged meanwhile")
    phone.host_path(f"{FOLDER}/libm.so.6").unlink()
    before = {path: phone.host_path(path).stat().st_mtime_ns for path in phone.left_behind()}
    with Phone(phone.serial, own_runner).session(linear_models) as launch:
        sent = [
            Path(path).name
            for path in there
            if before.get(path) != phone.host_path(path).stat().st_mtime_ns and not path.endswith(".owner")
        ]
        launch(linear_models[:1], QUICK)
    assert sorted(sent) == ["libm.so.6", "mobiledeploy", "runner"]
    assert_clean(phone)


def test_one_run_at_a_time(
    phones: Phones, own_runner: OwnRunner, linear_models: tuple[Model, Model], assert_clean: Clean
) -> None:
    phone = phones.start()
    device = Phone(phone.serial, own_runner)
    with device.session(linear_models) as launch:
        with (
            pytest.raises(
                InputError, match=rf"^{phone.serial} is in use by another run \(.*, process {os.getpid()}\)"
            ),
            device.session(linear_models),
        ):
            pass
        launch(linear_models[:1], QUICK)  # the other one has left it alone
    assert_clean(phone)


def test_what_a_dead_run_left_is_taken_over(
    phones: Phones, own_runner: OwnRunner, linear_models: tuple[Model, Model], assert_clean: Clean
) -> None:
    phone = phones.start()
    folder = phone.host_path(FOLDER)
    folder.mkdir()
    (folder / ".owner").write_text("someone@elsewhere, process 1\n")
    (folder / ".group").write_text(f"{os.getpgid(0)}\n")  # of a process that is none of the run's by now
    (folder / "libLiteRt.so").write_bytes(b"half of it")
    measured(phone, own_runner, linear_models[:1])
    assert_clean(phone)


def test_unplugged_while_files_are_sent(
    phones: Phones, own_runner: OwnRunner, linear_models: tuple[Model, Model], assert_clean: Clean
) -> None:
    phone = phones.start()
    phone.faults.bytes_to_unplug = 3_000_000
    with pytest.raises(
        DeviceError,
        match=rf"^{phone.serial} went away while being sent lib\S+ \(\d\.\d MB\), expected it to stay connect"
        "ed; check cable and port, and run again$",
    ) as raised:
        measured(phone, own_runner, linear_models)
    assert raised.value.exit_code == 4
    assert_clean(phone)
    phone.plug_in()
    measured(phone, own_runner, linear_models)


def test_unplugged_while_the_models_run(
    phones: Phones, own_runner: OwnRunner, linear_models: tuple[Model, Model], assert_clean: Clean
) -> None:
    phone = phones.start()
    phone.when_program().unplug(after_s=0.3)
    began = time.monotonic()
    with pytest.raises(DeviceError, match=rf"^{phone.serial} went away while running the models, "):
        measured(phone, own_runner, linear_models, LONG)
    assert time.monotonic() - began < 10
    assert_clean(phone)


def test_unplugged_before_anything_is_sent(
    phones: Phones, own_runner: OwnRunner, linear_models: tuple[Model, Model]
) -> None:
    phone = phones.start()
    phone.unplug()
    with pytest.raises(DeviceError, match=rf"^{phone.serial} went away while being asked what it is, "):
        measured(phone, own_runner, linear_models)


@pytest.mark.parametrize(
    ("command", "purpose"),
    [
        ("getprop", "being asked what it is"),
        ("flock", "having our folder made"),
        ("sha256sum", "having its files hashed"),
        ("df -k", "being asked for its free room"),
    ],
)
def test_unplugged_at_any_other_moment(
    phones: Phones,
    own_runner: OwnRunner,
    linear_models: tuple[Model, Model],
    assert_clean: Clean,
    command: str,
    purpose: str,
) -> None:
    phone = phones.start()
    phone.when_command(command).unplug()
    with pytest.raises(DeviceError, match=f"^{phone.serial} went away while {purpose}, "):
        measured(phone, own_runner, linear_models)
    assert_clean(phone)


def test_a_loose_contact_between_two_launches(
    phones: Phones, own_runner: OwnRunner, linear_models: tuple[Model, Model], assert_clean: Clean
) -> None:
    phone = phones.start()
    with Phone(phone.serial, own_runner).session(linear_models) as launch:
        phone.unplug()
        assert_clean(phone)
        phone.plug_in()
        with pytest.raises(DeviceError, match=f"^{phone.serial} was gone for a moment, and our files with"):
            launch(linear_models, QUICK)
    assert_clean(phone)


def test_too_little_room_is_seen_before_anything_is_sent(
    phones: Phones, own_runner: OwnRunner, linear_models: tuple[Model, Model], assert_clean: Clean
) -> None:
    phone = phones.start("4+4", free_kb=2000)
    with pytest.raises(
        DeviceError,
        match=rf"^{phone.serial} has 2\.0 MB left in /data/local/tmp, expected \d\d\.\d MB for 11 files; ",
    ):
        measured(phone, own_runner, linear_models)
    assert_clean(phone)


def test_room_that_runs_out_while_files_are_sent(
    phones: Phones, own_runner: OwnRunner, linear_models: tuple[Model, Model], assert_clean: Clean
) -> None:
    phone = phones.start()
    phone.faults.free_bytes = 1_000_000
    with pytest.raises(
        DeviceError,
        match=rf"^{phone.serial} has no room left for libLiteRt\.so \(\d\.\d MB\), expected space in /data/"
        "local/tmp/mobiledeploy; free some, and run again$",
    ):
        measured(phone, own_runner, linear_models)
    assert_clean(phone)


def test_a_file_that_arrives_damaged(
    phones: Phones, own_runner: OwnRunner, linear_models: tuple[Model, Model], assert_clean: Clean
) -> None:
    phone = phones.start()
    phone.faults.corrupt = ".tflite"
    with pytest.raises(
        DeviceError,
        match=rf"^linear_fp32\.tflite arrived damaged on {phone.serial} \(SHA-256 [0-9a-f]{{12}}\), expected "
        rf"{linear_models[0].sha256[:12]}; try another cable or port$",
    ):
        measured(phone, own_runner, linear_models)
    assert_clean(phone)
    assert not phone.launches


FAILURES: tuple[tuple[Callable[[When], None], str], ...] = (
    (lambda when: when.crash(), "the runner on {} was ended by SIGSEGV .*, expected a result; "),
    (
        lambda when: when.print("<html>\n"),
        "the runner on {} printed '<html>' .*, expected its JSON document; ",
    ),
    (
        lambda when: when.print('{"runner": 1}'),
        "the runner on {} printed '{{.*' .*, expected its JSON document; ",
    ),
    (lambda when: when.print(), "the runner on {} printed '' .*, expected its JSON document; "),
    (
        lambda when: when.print(stderr="runner: no memory\n", exit_code=3),
        r"the runner on {} stopped \(no memory\), expected it to measure; ",
    ),
)


def test_a_runner_that_fails(
    phones: Phones, own_runner: OwnRunner, linear_models: tuple[Model, Model], assert_clean: Clean
) -> None:
    phone = phones.start()
    with Phone(phone.serial, own_runner).session(linear_models) as launch:
        for fails, message in FAILURES:
            fails(phone.when_program(nth=1))
            with pytest.raises(DeviceError, match="^" + message.format(phone.serial)):
                launch(linear_models, QUICK)
        launch(linear_models, QUICK)
    assert_clean(phone)


def test_a_runner_that_hangs_is_killed(
    phones: Phones,
    own_runner: OwnRunner,
    linear_models: tuple[Model, Model],
    assert_clean: Clean,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("mobiledeploy.bench.devices.phone.folder.GRACE_S", 0.5)
    phone = phones.start()
    phone.when_program(nth=1).hang()
    with Phone(phone.serial, own_runner).session(linear_models) as launch:
        with pytest.raises(
            DeviceError,
            match=rf"^the runner on {phone.serial} had not ended after 1 s and was killed, expected a res",
        ):
            launch(linear_models, replace(QUICK, limit_s=0.5))
        assert [process for process in phone.processes() if "runner" in command(process)] == []
    assert_clean(phone)


def test_a_model_that_litert_does_not_load(
    phones: Phones, own_runner: OwnRunner, tmp_path: Path, assert_clean: Clean
) -> None:
    phone, path = phones.start(), tmp_path / "broken.tflite"
    path.write_bytes(b"\x1c\0\0\0TFL3" + bytes(64))
    with pytest.raises(InputError, match=f"{path}.*, expected a TFLite model that LiteRT can run"):
        measured(phone, own_runner, (Model("m", path, file_sha256(path), ()),))
    assert_clean(phone)


def test_a_model_that_changes_meanwhile(
    phones: Phones, own_runner: OwnRunner, linear_models: tuple[Model, Model], tmp_path: Path
) -> None:
    path = tmp_path / "m.tflite"
    path.write_bytes(b"new")
    with pytest.raises(
        InputError, match=f"^{path} has changed, expected the file of a moment ago; measure again$"
    ):
        measured(phones.start(), own_runner, (replace(linear_models[0], path=path),))


def test_a_phone_that_is_too_old(
    phones: Phones, own_runner: OwnRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    phone = phones.start()
    monkeypatch.setattr(Adb, "features", lambda self: frozenset({"cmd", "stat_v2"}))
    with pytest.raises(
        InputError, match=f"^{phone.serial} has an adbd without shell_v2, expected Android 8 or newer"
    ):
        Phone(phone.serial, own_runner).identity()


def test_a_phone_that_is_not_64_bit_arm(
    phones: Phones, own_runner: OwnRunner, linear_models: tuple[Model, Model]
) -> None:
    phone = phones.start("32 bit")
    with pytest.raises(
        InputError, match=rf"^{phone.serial} runs programs for armeabi-v7a, armeabi, expected arm64-v8a"
    ):
        measured(phone, own_runner, linear_models)
    assert phone.left_behind() == []


PROGRAM = """
import json, signal, sys
from pathlib import Path
from mobiledeploy.bench.devices.phone.own_runner import OwnRunner
from mobiledeploy.bench.devices.phone.phone import Phone
from mobiledeploy.bench.runner.records import Model, LaunchPlan

serial, path, sha256 = sys.argv[1:]
model = Model("m", Path(path), sha256, (bytes(192),))
with Phone(serial, OwnRunner()).session([model]) as launch:
    launch([model], LaunchPlan(rounds=1_000_000, warm_up_s=0.0))
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_a_run_that_is_killed_leaves_nothing(
    phones: Phones,
    own_runner: OwnRunner,
    linear_models: tuple[Model, Model],
    assert_clean: Clean,
    number: signal.Signals,
) -> None:
    phone, model = phones.start(), linear_models[0]
    program = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, phone.serial, str(model.path), model.sha256],
        stderr=subprocess.DEVNULL,
    )
    wait_until(lambda: bool(phone.launches))
    time.sleep(0.2)
    program.send_signal(number)
    assert program.wait(60) != 0
    assert_clean(phone)


def command(process: int) -> str:
    try:
        return Path(f"/proc/{process}/cmdline").read_text()
    except OSError:
        return ""


def wait_until(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + 60  # on a busy machine; it takes a second
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.02)
