"""The C and C++ libraries of AArch64 Linux, which go along to an Android phone and into the emulator.

LiteRT's Linux build is for glibc, and Android has none.
"""

from __future__ import annotations

import platform
from collections.abc import Iterator
from pathlib import Path

from mobiledeploy.base.errors import InputError
from mobiledeploy.bench.runner.elf import elf_machine

__all__ = ["LOADER", "NAMES", "system_libraries"]

LOADER = "ld-linux-aarch64.so.1"
NAMES = (LOADER, "libc.so.6", "libm.so.6", "libstdc++.so.6", "libgcc_s.so.1")
"""What libLiteRt.so and the runner ask for."""

_INSTALL = "sudo apt-get install libc6-arm64-cross libstdc++6-arm64-cross libgcc-s1-arm64-cross"
_FOLDERS = (".", "lib", "lib64", "usr/lib", "usr/lib64", "lib/aarch64-linux-gnu", "usr/lib/aarch64-linux-gnu")


def system_libraries(folder: Path | None = None, *, root: Path = Path("/")) -> dict[str, Path]:
    """Return name -> file for each of `NAMES`, all of one installation: those of two do not fit together.

    Args:
        folder: Where to look: a folder of libraries, or the root of an AArch64 system. When left out: where
            the distributions put them.
        root: root of the file system that is searched when there is no `folder`.

    Raises:
        InputError: Some are missing. The message names them, and the command that installs them.
    """
    best: dict[str, Path] = {}
    for place in _places(root) if folder is None else [folder]:
        found = _libraries(place)
        if len(found) == len(NAMES):
            return found
        best = max(best, found, key=len)
    missing = ", ".join(name for name in NAMES if name not in best)
    where = "on this machine" if folder is None else f"in {folder}"
    raise InputError(
        f"{missing} for AArch64 not found {where}, expected for LiteRT to run on; {_INSTALL}, or pass a "
        "folder that has them by --arm-libraries FOLDER"
    )


def _places(root: Path) -> Iterator[Path]:
    """Roots of AArch64 systems: of cross compilers (Debian, Arch; Fedora), and this system's own."""
    yield root / "usr/aarch64-linux-gnu"
    yield from sorted(root.glob("usr/aarch64-*linux*/sys-root"))
    yield from sorted(root.glob("usr/aarch64-*linux*/sys-root/*"))
    if platform.machine() == "aarch64" or (root / "usr/lib/aarch64-linux-gnu").is_dir():
        yield root


def _libraries(place: Path) -> dict[str, Path]:
    found = {}
    for name in NAMES:
        for folder in _FOLDERS:
            path = place / folder / name
            if path.is_file() and elf_machine(path) == "aarch64":
                found[name] = path.resolve()
                break
    return found
