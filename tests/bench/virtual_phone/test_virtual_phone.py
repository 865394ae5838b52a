"""The virtual phone answers the genuine adb as a phone does, and fails as one does."""

from __future__ import annotations

import hashlib
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from mobiledeploy.bench.latency.protocol import largest_core
from mobiledeploy.bench.latency.sysfs import cores, dump_command, parse_dump
from tests.bench.virtual_phone.emulation import Emulation
from tests.bench.virtual_phone.phone import VirtualPhone
from tests.bench.virtual_phone.phones import Phones

TMP = "/data/local/tmp"
SIX_MB = np.random.default_rng(0).bytes(6_000_000)


@pytest.fixture
def six_mb(tmp_path: Path) -> Path:
    path = tmp_path / "six_mb"
    path.write_bytes(SIX_MB)
    return path


@pytest.fixture
def probe(phones: Phones, emulation: Emulation | str) -> Callable[[VirtualPhone], str]:
    """Puts the program of probe.c on a phone."""
    phones.need_programs()
    assert not isinstance(emulation, str)
    program = emulation.probe

    def push(phone: VirtualPhone) -> str:
        phones.server.run("-s", phone.serial, "push", str(program), f"{TMP}/probe")
        return f"{TMP}/probe"

    return push


def shell(
    phones: Phones, phone: VirtualPhone, command: str, stdin: bytes = b""
) -> subprocess.CompletedProcess[bytes]:
    return phones.server.run("-s", phone.serial, "shell", command, stdin=stdin)


def exit_code(phones: Phones, phone: VirtualPhone, command: str) -> int:
    """Of a command whose stdin stays open."""
    with phones.server.start("-s", phone.serial, "shell", command) as client:
        return client.wait(60)


def wait_for(condition: Callable[[], object]) -> None:
    until = time.monotonic() + 60  # on a busy machine; it takes a second
    while not condition():
        assert time.monotonic() < until, "it does not happen"
        time.sleep(0.01)


def test_shell_keeps_streams_and_exit_code_apart(phones: Phones) -> None:
    phone = phones.start()
    done = shell(phones, phone, "echo out; echo err >&2; cat; exit 7", stdin=b"in\n")
    assert (done.returncode, done.stdout, done.stderr) == (7, b"out\nin\n", b"err\n")
    assert phone.commands == ["echo out; echo err >&2; cat; exit 7"]
    assert shell(phones, phone, "kill -SEGV $$").returncode == 139


def test_a_command_sees_the_phone_and_not_this_computer(phones: Phones) -> None:
    phone = phones.start()
    said = shell(phones, phone, f"cd {TMP}; pwd; echo /sys/class/thermal/*/type; which sh; ls {TMP}").stdout
    zones = " ".join(f"/sys/class/thermal/thermal_zone{i}/type" for i in range(4))
    assert said.decode() == f"{TMP}\n{zones}\n/system/bin/sh\n"
    missing = shell(phones, phone, "python3 --version")
    assert (missing.returncode, b"not found" in missing.stderr) == (127, True)
    assert shell(phones, phone, "rm -rf /etc /data/../home").returncode == 1


def test_push_stat_list_and_pull(phones: Phones, six_mb: Path, tmp_path: Path) -> None:
    phone = phones.start()
    six_mb.chmod(0o755)
    adb = phones.server.run
    pushed = adb("-s", phone.serial, "push", str(six_mb), f"{TMP}/new/folder/file")
    assert pushed.returncode == 0, pushed.stderr
    stored = phone.host_path(f"{TMP}/new/folder/file")
    assert stored.stat().st_mode & 0o777 == 0o777  # adbd gives everybody what the owner has
    assert round(stored.stat().st_mtime) == int(six_mb.stat().st_mtime)
    listed = shell(phones, phone, f"sha256sum {TMP}/new/folder/file").stdout.decode()
    assert listed == f"{hashlib.sha256(SIX_MB).hexdigest()}  {TMP}/new/folder/file\n"
    assert b"005b8d80" in adb("-s", phone.serial, "ls", f"{TMP}/new/folder").stdout  # the size
    assert adb("-s", phone.serial, "pull", f"{TMP}/new", str(tmp_path / "back")).returncode == 0
    assert (tmp_path / "back/folder/file").read_bytes() == SIX_MB
    assert phone.left_behind() == [f"{TMP}/new", f"{TMP}/new/folder", f"{TMP}/new/folder/file"]


def test_files_that_are_not_there_or_not_ours(phones: Phones, six_mb: Path, tmp_path: Path) -> None:
    phone = phones.start()
    absent = phones.server.run("-s", phone.serial, "pull", f"{TMP}/absent", str(tmp_path / "absent"))
    assert (absent.returncode, b"No such file" in absent.stderr) == (1, True)
    refused = phones.server.run("-s", phone.serial, "push", str(six_mb), "/system/bin/new")
    assert (refused.returncode, b"Permission denied" in refused.stderr) == (1, True)


@pytest.mark.parametrize(
    ("model", "largest"), [("4+4", 7), ("1+3+4", 7), ("2+6", 7), ("large first", 3), ("all equal", 7)]
)
def test_topologies(phones: Phones, model: str, largest: int) -> None:
    phone = phones.start(model)
    found = cores(parse_dump(shell(phones, phone, dump_command()).stdout.decode()))
    assert len(found) == 8
    assert largest_core(found).number == largest
    phone.change(online={0, 1, 4, 5}, allowed={0, 1, 2, 3, 4})
    found = cores(parse_dump(shell(phones, phone, dump_command()).stdout.decode()))
    assert [core.number for core in found if core.online] == [0, 1, 4, 5]
    assert [core.number for core in found if core.allowed] == [0, 1, 2, 3, 4]


def test_what_android_says(phones: Phones) -> None:
    phone = phones.start("2+6", name="Some Phone", battery_c=31.5)
    assert shell(phones, phone, "getprop ro.product.model; getprop no.such; getprop no.such x").stdout == (
        b"Some Phone\n\nx\n"
    )
    assert b"[ro.product.cpu.abi]: [arm64-v8a]\n" in shell(phones, phone, "getprop").stdout
    assert b"\n  temperature: 315\n" in shell(phones, phone, "dumpsys battery").stdout
    assert b"\nThermal Status: 0\n" in shell(phones, phone, "dumpsys thermalservice").stdout
    phone.change(thermal_status=3, skin_c=44.0)
    hot = shell(phones, phone, "dumpsys thermalservice; cat /sys/class/thermal/thermal_zone3/temp").stdout
    assert b"\nThermal Status: 3\n" in hot
    assert b"\tTemperature{mValue=44.0, mType=3, mName=skin, mStatus=3}\n" in hot
    assert hot.endswith(b"\n44000\n")
    phone.limit_clocks(1_000_000, cores=[6])
    clocks = shell(phones, phone, "cat /sys/devices/system/cpu/cpu[57]/cpufreq/scaling_cur_freq").stdout
    assert clocks == b"1804800\n1000000\n"
    old = phones.start("all equal")
    assert b"Can't find service" in shell(phones, old, "dumpsys thermalservice").stderr


@pytest.mark.parametrize("state", ["unauthorized", "offline"])
def test_phones_that_take_no_commands(phones: Phones, state: str) -> None:
    phone = phones.start(access=state)
    wait_for(lambda: phones.server.devices() == {phone.serial: state})
    refused = shell(phones, phone, "echo no")
    assert (refused.returncode, refused.stdout) == (1, b"")
    assert f"device {state}".encode() in refused.stderr


def test_two_phones(phones: Phones) -> None:
    one, other = phones.start("4+4"), phones.start("2+6")
    assert phones.server.devices() == {one.serial: "device", other.serial: "device"}
    shell(phones, one, f"echo mine >{TMP}/file")
    assert shell(phones, other, f"cat {TMP}/file").returncode == 1


def test_unplugged_in_mid_push(phones: Phones, six_mb: Path) -> None:
    phone = phones.start()
    phone.faults.bytes_to_unplug = 2_000_000
    assert phones.server.run("-s", phone.serial, "push", str(six_mb), f"{TMP}/file").returncode != 0
    wait_for(lambda: not phones.server.devices())
    wait_for(lambda: not phone.left_behind())  # adbd removes what did not arrive whole
    phone.plug_in()
    assert phones.server.devices() == {phone.serial: "device"}
    assert phones.server.run("-s", phone.serial, "push", str(six_mb), f"{TMP}/file").returncode == 0


def test_full_disk(phones: Phones, six_mb: Path) -> None:
    phone = phones.start()
    phone.faults.free_bytes = 3_000_000
    failed = phones.server.run("-s", phone.serial, "push", str(six_mb), f"{TMP}/file")
    assert (failed.returncode, b"write failed: No space left on device" in failed.stderr) == (1, True)
    assert phone.left_behind() == []


def test_corrupted_push(phones: Phones, six_mb: Path) -> None:
    phone = phones.start()
    phone.faults.corrupt = "bad"
    for name in ("good", "bad"):
        assert phones.server.run("-s", phone.serial, "push", str(six_mb), f"{TMP}/{name}").returncode == 0
    good, bad = (phone.host_path(f"{TMP}/{name}").read_bytes() for name in ("good", "bad"))
    assert good == SIX_MB != bad
    assert len(bad) == len(SIX_MB)


def test_slow_answers(phones: Phones) -> None:
    phone = phones.start()
    phone.faults.answer_s = 0.5
    start = time.monotonic()
    shell(phones, phone, "true")
    assert time.monotonic() - start >= 0.5


def test_what_ran_when_the_cable_was_pulled(phones: Phones) -> None:
    phone = phones.start()
    phone.when_command("waiting").unplug(after_s=0.2)
    # Of a command's processes only the shell gets SIGHUP, and stdin ends for all of them.
    for command in (
        f"trap 'echo hung up >{TMP}/seen; exit' HUP; echo waiting; sleep 60 & wait",
        f"trap '' HUP; echo waiting; cat; echo ended >{TMP}/seen",
    ):
        assert exit_code(phones, phone, command) != 0
        wait_for(phone.host_path(f"{TMP}/seen").exists)
        phone.host_path(f"{TMP}/seen").unlink()
        phone.plug_in()
    assert len(phone.processes()) == 1  # the sleep, which nobody told


def test_a_client_that_ends_hangs_up_too(phones: Phones) -> None:
    phone = phones.start()
    with phones.server.start("-s", phone.serial, "shell", "exec cat /proc/self/status -") as client:
        wait_for(phone.processes)
        client.terminate()
    wait_for(lambda: not phone.processes())


def test_programs_are_pinned_to_cores_of_the_phone(
    phones: Phones, probe: Callable[[VirtualPhone], str]
) -> None:
    phone = phones.start(offline=frozenset({6}), forbidden=frozenset({3}))
    program = probe(phone)
    assert shell(phones, phone, f"{program} pin 7").stdout == b"1 core, on 7\n"
    for core in (3, 6, 8):
        refused = shell(phones, phone, f"cd {TMP} && exec ./probe pin {core}")
        assert (refused.returncode, refused.stdout) == (3, b"EINVAL\n")
    assert shell(phones, phone, f"taskset 20 {program} pin 4").stdout == b"1 core, on 4\n"
    assert shell(phones, phone, f"taskset 40 {program}").returncode == 1
    assert phone.pinned() == [("probe", (7,)), ("taskset", (5,)), ("probe", (4,))]
    assert phone.launches[0].arguments == (program, "pin", "7")


def test_programs_that_go_wrong(phones: Phones, probe: Callable[[VirtualPhone], str]) -> None:
    phone = phones.start()
    program = probe(phone)
    hot: list[str] = []
    phone.when_program("pin 1").crash()
    phone.when_program("pin 2").print("garbage", "and why\n", exit_code=5)
    phone.when_program("pin 3", nth=2).call(lambda: hot.append("second"))
    phone.when_program("wait").crash(after_s=0.2)
    assert shell(phones, phone, f"{program} pin 1").returncode == 139
    assert shell(phones, phone, f"{program} pin 1; true").returncode == 0
    strange = shell(phones, phone, f"{program} pin 2")
    assert (strange.returncode, strange.stdout, strange.stderr) == (5, b"garbage", b"and why\n")
    shell(phones, phone, f"{program} pin 3")
    assert hot == []
    shell(phones, phone, f"{program} pin 3")
    assert hot == ["second"]
    assert exit_code(phones, phone, f"exec {program} wait") == 139


def test_a_program_that_hangs(phones: Phones, probe: Callable[[VirtualPhone], str]) -> None:
    phone = phones.start()
    program = probe(phone)
    phone.when_program().hang()
    with phones.server.start("-s", phone.serial, "shell", f"{program} pin 0") as client:
        wait_for(lambda: phone.launches)
        assert shell(phones, phone, f"kill -KILL {phone.launches[0].process}").returncode == 0
        assert client.wait(60) == 137


def test_unplugged_in_mid_run(phones: Phones, probe: Callable[[VirtualPhone], str]) -> None:
    phone = phones.start()
    program = probe(phone)
    phone.when_program("wait").unplug(after_s=0.2)
    assert exit_code(phones, phone, f"exec {program} wait") != 0
    wait_for(lambda: not phones.server.devices() and not phone.processes())


@pytest.mark.parametrize("model", ["32 bit", "4+4"])
def test_programs_for_other_machines(
    phones: Phones, probe: Callable[[VirtualPhone], str], model: str
) -> None:
    phone = phones.start(model)
    program = probe(phone)
    if model == "4+4":
        program = f"{TMP}/of_this_computer"
        phones.server.run("-s", phone.serial, "push", "/bin/true", program)
        phone.host_path(program).chmod(0o755)
    refused = shell(phones, phone, program)
    assert (refused.returncode, b"not executable" in refused.stderr) == (126, True)
    assert phone.launches == []


def test_benchmark_model(phones: Phones, emulation: Emulation | str, linear_files: dict[str, Path]) -> None:
    phones.need_programs()
    assert not isinstance(emulation, str)
    phone = phones.start()
    for file in (emulation.benchmark_model, linear_files["int8"]):
        phones.server.run("-s", phone.serial, "push", str(file), f"{TMP}/{file.name}")
    program = f"{TMP}/{emulation.benchmark_model.name}"
    flags = f"--graph={TMP}/{linear_files['int8'].name} --num_runs=3 --min_secs=0 --warmup_min_secs=0"
    done = shell(phones, phone, f"taskset 80 {program} {flags} --nonsense=1 --enable_op_profiling=true")
    assert done.returncode == 0
    lines = done.stdout.decode().splitlines()
    assert "WARN: Unconsumed cmdline flags: --nonsense=1" in lines
    assert [line.split()[1] for line in lines if " count=" in line and "INFO" in line] == [
        "count=1",
        "count=3",
    ]
    assert any("Operator-wise Profiling Info" in line for line in lines)
    assert phone.pinned() == [("taskset", (7,))]
    absent = shell(phones, phone, f"{program} --graph={TMP}/absent")
    assert (absent.returncode, absent.stderr.splitlines()[-1]) == (1, b"ERROR: Benchmarking failed.")
