"""AArch64 programs on this computer: qemu, and two small libraries that are preloaded around it."""

from __future__ import annotations

import importlib.util
import platform
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Emulation", "build_emulation", "compile_c"]

_SOURCES = Path(__file__).parent / "preload"
AARCH64 = 183
"""EM_AARCH64: the machine in an ELF file's header."""


@dataclass(frozen=True)
class Emulation:
    """What it takes to run an AArch64 program.

    Attributes:
        qemu: User-mode qemu.
        in_shells: Library for this computer's shells: their programs start under qemu.
        in_programs: Library for the programs: they are pinned to cores of the phone.
    """

    qemu: str
    in_shells: Path
    in_programs: Path


def build_emulation(folder: Path) -> Emulation | str:
    """Compile the libraries, within seconds. Returns a line that says what is missing, if something is."""
    qemu = shutil.which("qemu-aarch64") or shutil.which("qemu-aarch64-static")
    if qemu is None:
        return "qemu-aarch64 is not installed; sudo apt-get install qemu-user"
    if importlib.util.find_spec("ziglang") is None:
        return "ziglang is not installed; python -m pip install ziglang"
    shells, programs = folder / "exec_under_qemu.so", folder / "affinity.so"
    options = ("-shared", "-fPIC")
    compile_c(
        _SOURCES / "exec_under_qemu.c", shells, f"{platform.machine()}-linux-gnu.2.28", *options, "-ldl"
    )
    compile_c(_SOURCES / "affinity.c", programs, "aarch64-linux-gnu.2.28", *options)
    return Emulation(qemu, shells, programs)


def compile_c(source: Path, output: Path, target: str, *options: str) -> None:
    """One C file, by the compiler that comes with ziglang."""
    command = [sys.executable, "-m", "ziglang", "cc", "-target", target, "-O2", "-Wall", "-Werror"]
    subprocess.run([*command, *options, "-o", str(output), str(source)], check=True)
