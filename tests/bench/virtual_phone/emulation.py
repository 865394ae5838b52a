"""AArch64 programs on this computer: qemu, and two small libraries that are preloaded around it."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from mobiledeploy.base.errors import InputError
from mobiledeploy.bench.runner.compile import aarch64_compilers, built, host_compilers
from mobiledeploy.bench.runner.system_libraries import system_libraries

__all__ = ["Emulation", "build_emulation"]

_FOLDER = Path(__file__).parent
_SHARED = ("-shared", "-fPIC")


@dataclass(frozen=True)
class Emulation:
    """What it takes to run AArch64 programs.

    Attributes:
        qemu: User-mode qemu.
        in_shells: Library for this computer's shells: their programs start under qemu.
        in_programs: Library for the programs: they are pinned to cores of the phone.
        libraries: Name -> file. The phone's own C library; a glibc, at bionic's place.
        benchmark_model: A program as one for Android, which looks for that library. See benchmark_model.c.
        probe: Another one. See probe.c.
    """

    qemu: str
    in_shells: Path
    in_programs: Path
    libraries: dict[str, Path]
    benchmark_model: Path
    probe: Path


def build_emulation(folder: Path) -> Emulation | str:
    """Compile all that, within seconds. Returns what is missing on this computer, if something is."""
    qemu = shutil.which("qemu-aarch64") or shutil.which("qemu-aarch64-static")
    if qemu is None:
        return "qemu-aarch64 is not installed; sudo apt-get install qemu-user"
    host, arm = host_compilers(), aarch64_compilers()
    android = ("-Wl,--dynamic-linker=/system/bin/linker64", "-Wl,-rpath,/system/lib64")
    try:
        return Emulation(
            qemu,
            in_shells=built(
                _FOLDER / "exec_under_qemu.c", host, flags=_SHARED, libraries=["-ldl"], cache=folder
            ),
            in_programs=built(_FOLDER / "affinity.c", arm, flags=_SHARED, cache=folder),
            libraries=system_libraries(),
            benchmark_model=built(
                _FOLDER / "benchmark_model.c", arm, flags=android, libraries=["-lm"], cache=folder
            ),
            probe=built(_FOLDER / "probe.c", arm, flags=android, cache=folder),
        )
    except InputError as missing:
        return str(missing)
