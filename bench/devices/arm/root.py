"""The root of the emulated program's file system: Arm libraries, and what Linux says of the core."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from mobiledeploy.bench.devices.arm.profiles import ArmProfile, cpuinfo

__all__ = ["make_root"]

_CPU = "sys/devices/system/cpu"
# One core: the program has one thread, and the kernels are chosen for the core that it runs on. All that
# LiteRT looks up is here, lest this machine's own files answer.
_SYSFS = {
    "kernel_max": "0",
    "online": "0",
    "possible": "0",
    "present": "0",
    "cpu0/cpufreq/cpuinfo_max_freq": "2000000",
    "cpu0/cpufreq/cpuinfo_min_freq": "500000",
    "cpu0/topology/cluster_cpus_list": "0",
    "cpu0/topology/core_siblings_list": "0",
    "cpu0/topology/physical_package_id": "0",
    "cpu0/cache/index2/level": "2",
    "cpu0/cache/index2/shared_cpu_list": "0",
}


def make_root(folder: Path, profile: ArmProfile, libraries: Mapping[str, Path]) -> None:
    """Make the root in a folder that does not exist yet.

    QEMU (-L) takes a file from here where there is one, and from this machine where there is none. Without a
    proc/cpuinfo of an Arm core, LiteRT's look at the processor ends in a segmentation fault. From version 8.2
    on, QEMU makes up /proc/cpuinfo itself, of the same content, from the processor that -cpu names.

    Args:
        libraries: Name -> file, as `system_libraries` finds them.
    """
    files = {
        "proc/cpuinfo": cpuinfo(profile),
        f"{_CPU}/cpu0/cache/index2/size": f"{profile.l2_kib}K\n",
        **{f"{_CPU}/{name}": f"{content}\n" for name, content in _SYSFS.items()},
    }
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    (folder / "lib").mkdir()
    for name, library in libraries.items():
        (folder / "lib" / name).symlink_to(library.resolve())
