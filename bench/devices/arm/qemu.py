"""Finds QEMU's user-mode emulator for AArch64, and starts programs that our plugin counts."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mobiledeploy.base.errors import InputError
from mobiledeploy.bench.devices.arm.profiles import ArmProfile

__all__ = ["Qemu", "find_qemu"]

_PROGRAM = "qemu-aarch64"
# The first has a Cortex-A76, the last is the last whose plugin interface is known here.
_FIRST, _LAST = (7, 1), (11, 0)
_INSTALL = "sudo apt-get install qemu-user"


@dataclass(frozen=True)
class Qemu:
    """An emulator that is installed.

    Attributes:
        version: Such as "7.2.22".
        cpus: Processor models that it has.
    """

    path: Path
    version: str
    cpus: frozenset[str]

    def cpu_for(self, profile: ArmProfile) -> str:
        """Return the best processor model for a profile.

        Raises:
            InputError: It has none.
        """
        for cpu in profile.qemu_cpus:
            if cpu in self.cpus:
                return cpu
        raise InputError(
            f"{self.path} {self.version} has no processor {' or '.join(profile.qemu_cpus)}, expected one for "
            f"the profile {profile.name}; install a newer QEMU, or take another profile"
        )

    def command(
        self, profile: ArmProfile, plugin: str, counts: str, program: Sequence[str], preload: str = ""
    ) -> list[str]:
        """Return what starts a program in the current folder, with the root of its file system in ./root.

        All paths are relative, so that the program's stack, and with it the addresses of its data, do not
        depend on where the folder is.

        Args:
            plugin: The built counter.c, relative.
            counts: File that it writes, relative.
            preload: Library to load before all others, relative.
        """
        # glibc picks its memcpy by the processor. Android's libc has the one in SIMD registers for all cores
        # that are profiles here (bionic, libc/arch-arm64/dynamic_function_dispatch.cpp). glibc 2.36 has it
        # for some server cores only, of which this names one. Slices and concatenations are made of memcpy.
        environment = {"GLIBC_TUNABLES": "glibc.cpu.name=ares", "LD_LIBRARY_PATH": "/lib"}
        if preload:
            environment["LD_PRELOAD"] = preload
        settings = [word for item in environment.items() for word in ("-E", "=".join(item))]
        machine = ["-cpu", self.cpu_for(profile), "-L", "root", "-seed", "1"]
        return [str(self.path), *machine, *settings, "-plugin", f"{plugin},out={counts}", *program]


def find_qemu() -> Qemu:
    """Find the emulator on this machine.

    Raises:
        InputError: None, or one that cannot be used here. The message says what to do.
    """
    found = shutil.which(_PROGRAM)
    if found is None:
        raise InputError(f"{_PROGRAM} not found, expected it to emulate an Arm CPU; {_INSTALL}")
    version = re.search(r"version (\d+)\.(\d+)[\d.]*", _says(found, "--version"))
    if version is None:
        raise InputError(f"{found} does not tell its version, expected QEMU; {_INSTALL}")
    number = (int(version[1]), int(version[2]))
    if not _FIRST <= number <= _LAST:
        first, last = (".".join(map(str, limit)) for limit in (_FIRST, _LAST))
        raise InputError(
            f"{found} is QEMU {version[0].removeprefix('version ')}, expected {first} to {last}; put one of "
            "those first in PATH"
        )
    if "-plugin" not in _says(found, "-h"):
        raise InputError(
            f"{found} takes no plugins, expected a QEMU built with --enable-plugins; install such a one, as "
            "Debian's qemu-user is, and put it first in PATH"
        )
    cpus = frozenset(_says(found, "-cpu", "help").split())
    return Qemu(Path(found), version[0].removeprefix("version "), cpus)


def _says(program: str, *arguments: str) -> str:
    try:
        done = subprocess.run(
            [program, *arguments], capture_output=True, text=True, errors="replace", timeout=30, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise InputError(
            f"{program} cannot be started ({error}), expected QEMU's emulator; {_INSTALL}"
        ) from error
    return done.stdout + done.stderr
