"""From what --device says to devices."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mobiledeploy.bench.arm.profiles import ArmProfile, get_profile
from mobiledeploy.bench.device import Device
from mobiledeploy.bench.host import Host
from mobiledeploy.bench.phone.adb import connected
from mobiledeploy.bench.phone.benchmark_model import BenchmarkModel
from mobiledeploy.bench.phone.choice import ANY, choose
from mobiledeploy.bench.phone.own_runner import OwnRunner
from mobiledeploy.bench.phone.phone import Phone, Runner
from mobiledeploy.errors import InputError

__all__ = ["ARM", "HOST", "Tools", "find"]

HOST, ARM = "host", "arm:"


@dataclass(frozen=True)
class Tools:
    """Files of the user's own that take the place of what mobiledeploy builds or fetches.

    Attributes:
        benchmark_model: Google's benchmark tool for Android, to run on phones instead of our runner.
        litert_library: libLiteRt.so for AArch64 Linux.
        arm_libraries: Folder of glibc's loader and libraries for AArch64.
        keep: Whether files stay on a phone, so that the next run finds them there.
    """

    benchmark_model: Path | None = None
    litert_library: Path | None = None
    arm_libraries: Path | None = None
    keep: bool = False

    def runner(self, per_op: bool) -> Runner:
        """What runs models on phones.

        Raises:
            InputError: Something is missing on this machine.
        """
        if self.benchmark_model is not None:
            return BenchmarkModel(self.benchmark_model, profile=per_op)
        return OwnRunner(library=self.litert_library, arm_libraries=self.arm_libraries)


def find(
    wanted: Sequence[str], tools: Tools, per_op: bool = False
) -> tuple[list[Device | ArmProfile], list[str]]:
    """The devices that are meant, and what the user should know of the choice.

    Args:
        wanted: Serial numbers, "phone", "all", "host", "arm:PROFILE"; none: the phone that is connected if
            there is one, else this host.
        per_op: Whether runners that can are to say what each op takes.

    Raises:
        InputError: A device that is not there; several phones, and no choice.
    """
    if not wanted:
        return _default(tools, per_op)
    return [device for name in dict.fromkeys(wanted) for device in _named(name, tools, per_op)], []


def _named(name: str, tools: Tools, per_op: bool) -> list[Device | ArmProfile]:
    if name == HOST:
        return [Host()]
    if name.startswith(ARM):
        return [get_profile(name.removeprefix(ARM))]
    chosen = choose(name, connected())
    return [Phone(phone.serial, tools.runner(per_op), keep=tools.keep) for phone in chosen]


def _default(tools: Tools, per_op: bool) -> tuple[list[Device | ArmProfile], list[str]]:
    reason = "no phone is connected"
    try:
        phones = connected()
    except InputError as error:  # no adb: whoever has no phone needs none
        phones, reason = (), str(error)
    if phones:
        return _named(ANY, tools, per_op), []
    return [Host()], [f"{reason}; measured on this host"]
