"""What ends badly: programs that crash or hang in place of the runner, and a plugin that is none."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from mobiledeploy.base.errors import DeviceError, InputError
from mobiledeploy.bench.devices.arm.emulated_core import EmulatedCore
from mobiledeploy.bench.devices.arm.emulator import PLUGIN, RUNNER, Emulator
from mobiledeploy.bench.devices.arm.guest import parse_counts
from mobiledeploy.bench.devices.arm.instruction_count import InstructionCount
from mobiledeploy.bench.devices.arm.profiles import get_profile
from mobiledeploy.bench.runner.compile import aarch64_compilers, built
from mobiledeploy.bench.runner.records import Model


def test_counts_are_differences_of_readings() -> None:
    counts = parse_counts("tick 1 100\ntick 2 107\nbegin 1000\ntick 3 1500\nend 4000\nbegin 5000\nend 8010\n")
    assert counts.inferences == (3000, 3010)
    assert counts.readings == {1: 100, 2: 107, 3: 1500}
    assert counts.cost == 7


@pytest.mark.parametrize(
    "text", ["", "begin 5\n", "end 5\n", "begin 1\nend 2\nbegin 3\n", "begin x\nend 2\n", "hello\n"]
)
def test_counts_that_make_no_sense_are_refused(text: str) -> None:
    with pytest.raises(ValueError):
        parse_counts(text)


Counted = Callable[..., InstructionCount]


@pytest.fixture
def counted(
    emulator: Emulator, linear_files: dict[str, Path], fed: Callable[[Path], Model], tmp_path: Path
) -> Counted:
    """Count with a program of one line in place of the runner."""

    def run(code: str, limit_s: float = 60.0) -> InstructionCount:
        source = tmp_path / "odd.c"
        source.write_text(
            "#define _GNU_SOURCE\n#include <stdio.h>\n#include <unistd.h>\n#include <sys/syscall.h>\n"
            f"int main(void) {{ {code} }}\n"
        )
        runner = built(source, aarch64_compilers(), cache=tmp_path / "built")
        odd = replace(emulator, files={**emulator.files, RUNNER: runner})
        profile = get_profile("cortex-a53")
        return EmulatedCore(profile, odd, by_op=False, limit_s=limit_s).measure([fed(linear_files["fp32"])])

    return run


def test_a_crash_is_named_with_what_was_said_last(counted: Counted, temporary: Path) -> None:
    with pytest.raises(DeviceError, match=r"runner on the emulated Cortex-A53 was ended by SIGSEGV"):
        counted('fputs("so far\\n", stderr); *(volatile int *)8 = 1; return 0;')
    assert not list(temporary.iterdir())


def test_a_hang_is_ended_at_the_time_limit(counted: Counted, temporary: Path) -> None:
    begin = time.monotonic()
    with pytest.raises(DeviceError, match=r"linear_fp32 on .*gave no result before the time limit"):
        counted("for (;;) pause();", limit_s=1.0)
    assert time.monotonic() - begin < 15
    assert not list(temporary.iterdir())


def test_garbage_is_quoted(counted: Counted, temporary: Path) -> None:
    with pytest.raises(DeviceError, match="printed 'garbage'"):
        counted('puts("garbage"); return 0;')
    assert not list(temporary.iterdir())


def test_a_plugin_that_qemu_does_not_load_is_said(
    emulator: Emulator, linear_files: dict[str, Path], fed: Callable[[Path], Model], temporary: Path
) -> None:
    odd = replace(emulator, files={**emulator.files, PLUGIN: linear_files["fp32"]})
    with pytest.raises(
        InputError, match=r"could not start with our plugin .*expected one that loads plugins"
    ):
        EmulatedCore(get_profile("cortex-a53"), odd, by_op=False).measure([fed(linear_files["fp32"])])
    assert not list(temporary.iterdir())
