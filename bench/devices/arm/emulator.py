"""The tools that emulate an Arm core: found on this machine, fetched or built."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from mobiledeploy.bench.devices.arm.profiles import ArmProfile
from mobiledeploy.bench.devices.arm.qemu import Qemu, find_qemu
from mobiledeploy.bench.runner.compile import aarch64_compilers, built, host_compilers, runner_for
from mobiledeploy.bench.runner.litert_library import library_for, library_version
from mobiledeploy.bench.runner.records import Identity
from mobiledeploy.bench.runner.system_libraries import system_libraries

__all__ = ["CLOCK", "LITERT", "PLUGIN", "RUNNER", "Emulator", "build_programs"]

_FOLDER = Path(__file__).parent
_SHARED = ("-shared", "-fPIC")

RUNNER, LITERT, PLUGIN, CLOCK = "runner", "libLiteRt.so", "counter.so", "clock.so"
"""Names in the folder that the runner is started in."""


def build_programs() -> dict[str, Path]:
    """Build the runner and the clock for the emulated machine, and the plugin for QEMU on this one.

    Raises:
        InputError: No compiler, or none that can build them. The message says what to install.
    """
    return {
        RUNNER: runner_for("aarch64"),
        PLUGIN: built(_FOLDER / "counter.c", host_compilers(), flags=_SHARED, libraries=("-ldl",)),
        CLOCK: built(_FOLDER / "tick_clock.c", aarch64_compilers(), flags=_SHARED),
    }


@dataclass(frozen=True)
class Emulator:
    """QEMU, and what runs in it.

    Attributes:
        libraries: Name -> file of the C and C++ libraries for AArch64.
        files: Name -> file of LiteRT for AArch64, and of the programs.
    """

    qemu: Qemu
    libraries: Mapping[str, Path]
    files: Mapping[str, Path]

    @classmethod
    def found(cls, litert: Path | None = None, libraries: Path | None = None) -> Emulator:
        """Find what is installed on this machine, and fetch or build the rest.

        Args:
            litert: libLiteRt.so to use; when left out, that of the package ai-edge-litert for AArch64.
            libraries: Folder of AArch64 system libraries; when left out, where distributions put them.

        Raises:
            InputError: Something is missing. The message says how to install it.
        """
        qemu, found = find_qemu(), system_libraries(libraries)
        return cls(qemu, found, {LITERT: library_for("aarch64", path=litert), **build_programs()})

    def identity(self, profile: ArmProfile) -> Identity:
        """Describe the profile as a machine.

        Raises:
            InputError: QEMU cannot emulate it.
        """
        cpu = self.qemu.cpu_for(profile)
        stand_in = "" if cpu == profile.name else f" executing on its {cpu}"
        return Identity(
            kind="emulated",
            key=f"arm:{profile.name}",
            name=f"emulated {profile.core}",
            system=f"QEMU {self.qemu.version}{stand_in}",
            abi="arm64-v8a",
        )

    @cached_property
    def runtime(self) -> str:
        """Name and version of what runs the models."""
        return f"LiteRT {library_version(self.files[LITERT])}"

    @property
    def system(self) -> str:
        """The C library, whose memcpy is part of the counts."""
        version = re.search(rb"stable release version ([\d.]+\d)", self.libraries["libc.so.6"].read_bytes())
        return f"glibc {version[1].decode()}" if version else "unknown C library"
