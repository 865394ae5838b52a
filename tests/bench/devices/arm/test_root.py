from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from mobiledeploy.bench.devices.arm.emulated_core import EmulatedCore
from mobiledeploy.bench.devices.arm.emulator import Emulator
from mobiledeploy.bench.devices.arm.profiles import get_profile
from mobiledeploy.bench.devices.arm.root import make_root
from mobiledeploy.bench.runner.records import Model


def test_the_root_tells_of_one_core(tmp_path: Path) -> None:
    (tmp_path / "libc.so.6").write_bytes(b"library")
    make_root(tmp_path / "root", get_profile("cortex-a72"), {"libc.so.6": tmp_path / "libc.so.6"})
    cpu = tmp_path / "root/sys/devices/system/cpu"
    assert "0xd08" in (tmp_path / "root/proc/cpuinfo").read_text()
    assert (cpu / "possible").read_text() == (cpu / "present").read_text() == "0\n"
    assert (cpu / "cpu0/cache/index2/size").read_text() == "1024K\n"
    assert (tmp_path / "root/lib/libc.so.6").read_bytes() == b"library"


def test_litert_sees_nothing_of_this_machines_processor(
    emulator: Emulator,
    linear_files: dict[str, Path],
    fed: Callable[[Path], Model],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    """What it looks up before the first inference is in the root, or nowhere."""
    seen = tmp_path / "seen"
    start = subprocess.Popen

    def traced(command: list[str], **options: object) -> subprocess.Popen[bytes]:
        options["env"] = {"QEMU_STRACE": "1"}
        process = start(command, **options)  # type: ignore[call-overload]
        process.wait()
        root = Path(str(options["cwd"])) / "root"
        trace = (root.parent / "stderr").read_text(errors="replace")
        before = trace.partition("model.tflite.in0")[0]
        asked = re.findall(r'open(?:at)?\([^"]*"(/(?:sys|proc)/[^"]+)"', before)
        missing = [name for name in asked if not (root / name[1:]).is_file() and os.path.exists(name)]
        seen.write_text("\n".join([str(len(asked)), *missing]))
        return process  # type: ignore[no-any-return]

    monkeypatch.setattr(subprocess, "Popen", traced)
    EmulatedCore(get_profile("cortex-a76"), emulator, by_op=False).measure([fed(linear_files["int8"])])
    looked_up, *missing = seen.read_text().split("\n")
    assert int(looked_up) > 5
    assert not missing
