"""The root of the emulated program's file system: Arm libraries, and what Linux says of the core."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from mobiledeploy.bench.arm.profiles import ArmProfile, cpuinfo

__all__ = ["make_root"]

# One core: the program has one thread, and the kernels are chosen for the core that it runs on.
_CORES = "0\n"


def make_root(folder: Path, profile: ArmProfile, libraries: Mapping[str, Path]) -> None:
    """Make it in a folder that does not exist yet.

    QEMU (-L) takes a file from here where there is one, and from this machine where there is none. Without a
    proc/cpuinfo of an Arm core, LiteRT's look at the processor ends in a segmentation fault. From version 8.2
    on, QEMU makes up /proc/cpuinfo itself, of the same content, from the processor that -cpu names.

    Args:
        libraries: Name -> file, as `system_libraries` finds them.
    """
    files = {
        "proc/cpuinfo": cpuinfo(profile),
        **{f"sys/devices/system/cpu/{name}": _CORES for name in ("online", "possible", "present")},
    }
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    (folder / "lib").mkdir()
    for name, library in libraries.items():
        (folder / "lib" / name).symlink_to(library.resolve())
