"""The core that is measured on, and what the kernel's files say of clocks and temperatures."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from mobiledeploy.base.errors import DeviceError
from mobiledeploy.bench.latency.protocol import largest_core
from mobiledeploy.bench.latency.sysfs import (
    cores,
    dump_command,
    parse_dump,
    read_files,
    state,
)
from mobiledeploy.bench.runner.records import Core

CPU = "/sys/devices/system/cpu"


def files(*clusters: tuple[int, int, int | None], online: str = "", allowed: str = "") -> dict[str, str]:
    """Files of a processor of clusters (count, kHz, capacity)."""
    found: dict[str, str] = {}
    number = 0
    for count, khz, capacity in clusters:
        for _ in range(count):
            found[f"{CPU}/cpu{number}/cpufreq/cpuinfo_max_freq"] = f"{khz}\n"
            if capacity is not None:
                found[f"{CPU}/cpu{number}/cpu_capacity"] = f"{capacity}\n"
            number += 1
    found[f"{CPU}/present"] = f"0-{number - 1}\n"
    found[f"{CPU}/online"] = f"{online or f'0-{number - 1}'}\n"
    found["/proc/self/status"] = (
        f"Name:\tcat\nCpus_allowed:\tff\nCpus_allowed_list:\t{allowed or f'0-{number - 1}'}\n"
    )
    return found


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        pytest.param(files((4, 1_800_000, 400), (4, 2_400_000, 1024)), 7, id="4+4"),
        pytest.param(files((4, 1_800_000, 250), (3, 2_400_000, 800), (1, 2_800_000, 1024)), 7, id="4+3+1"),
        pytest.param(files((1, 2_800_000, 1024), (3, 2_400_000, 800), (4, 1_800_000, 250)), 0, id="1+3+4"),
        pytest.param(files((2, 2_400_000, 1024), (6, 2_000_000, 500)), 1, id="2+6, large ones first"),
        pytest.param(files((8, 2_000_000, 1024)), 7, id="all equal"),
        pytest.param(files((8, 2_000_000, None)), 7, id="all equal, no capacities"),
        pytest.param(files((4, 1_800_000, 400), (4, 2_400_000, 1024), online="0-5"), 5, id="offline"),
        pytest.param(
            files((4, 1_800_000, 400), (4, 2_400_000, 1024), online="0-3"), 3, id="all large offline"
        ),
        pytest.param(files((4, 1_800_000, 400), (4, 2_400_000, 1024), allowed="0-3,5"), 5, id="cpuset"),
        pytest.param(files((4, 2_400_000, 300), (4, 2_200_000, 1024)), 7, id="capacity before clock"),
        pytest.param(
            files((4, 2_400_000, None), (4, 2_200_000, 1024)), 3, id="capacity of some says nothing"
        ),
        pytest.param({f"{CPU}/present": "0-3"}, 3, id="nothing but a list"),
    ],
)
def test_the_large_core(found: dict[str, str], expected: int) -> None:
    assert largest_core(cores(found)).number == expected


def test_no_core_that_can_be_used_is_an_error() -> None:
    with pytest.raises(DeviceError, match="none of the cores 0, 1 is both online and allowed"):
        largest_core((Core(0, online=False), Core(1, allowed=False)))
    with pytest.raises(DeviceError, match="pass --core N"):
        cores({})


def test_state_of_a_phone() -> None:
    zone = "/sys/class/thermal/thermal_zone"
    found = state(
        {
            f"{CPU}/cpu7/cpufreq/scaling_cur_freq": "2400000\n",
            f"{CPU}/cpu7/cpufreq/scaling_max_freq": "2100000\n",
            f"{CPU}/cpu7/cpufreq/scaling_governor": "schedutil\n",
            f"{zone}0/type": "cpu-1-0\n",
            f"{zone}0/temp": "41500\n",
            f"{zone}1/type": "cpu-1-0\n",
            f"{zone}1/temp": "43000\n",
            f"{zone}2/type": "battery\n",
            f"{zone}2/temp": "31\n",
            f"{zone}3/type": "broken\n",
            f"{zone}3/temp": "-274000\n",
            f"{zone}4/type": "unreadable\n",
            "/proc/stat": "cpu  1 2 3\ncpu7 10 0 20 70 5 1 2 0 0 0\nintr 5\n",
        }
    )
    assert found.clocks_khz == {7: 2_400_000} and found.limits_khz == {7: 2_100_000}
    assert found.governors == {7: "schedutil"}
    assert found.temperatures_c == {"cpu-1-0": 43.0, "battery": 31.0}
    assert found.busy_ticks == {7: (33, 108)}


def test_the_shell_command_reads_what_this_host_has() -> None:
    done = subprocess.run(["sh", "-c", dump_command()], capture_output=True, text=True, check=True)
    assert parse_dump(done.stdout).keys() == read_files().keys()
    assert cores(parse_dump(done.stdout)) == cores(read_files())


def test_files_of_another_root(tmp_path: Path) -> None:
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc/stat").write_text("cpu0 1 0 0 1\n")
    assert read_files(tmp_path) == {"/proc/stat": "cpu0 1 0 0 1\n"}
