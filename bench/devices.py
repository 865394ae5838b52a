"""From what --device says to devices."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mobiledeploy.bench.arm.profiles import PROFILES, Profile
from mobiledeploy.bench.device import Device
from mobiledeploy.bench.host import Host
from mobiledeploy.bench.phone.adb import Connected, connected
from mobiledeploy.bench.phone.choice import ANY, choose
from mobiledeploy.bench.phone.phone import Phone
from mobiledeploy.errors import InputError

__all__ = ["ARM", "HOST", "Tools", "find"]

HOST, ARM = "host", "arm:"


@dataclass(frozen=True)
class Tools:
    """Files of the user's own that take the place of what mobiledeploy builds or fetches.

    Attributes:
        benchmark_model: Google's benchmark tool for Android, to run on phones instead of our runner.
        litert_library: libLiteRt.so for AArch64 Linux.
        system_libraries: Folder of glibc's loader and libraries for AArch64.
        keep: Whether files stay on a phone, so that the next run finds them there.
    """

    benchmark_model: Path | None = None
    litert_library: Path | None = None
    system_libraries: Path | None = None
    keep: bool = False


def find(wanted: Sequence[str], tools: Tools) -> tuple[list[Device | Profile], list[str]]:
    """The devices that are meant, and what the user should know of the choice.

    Args:
        wanted: Serial numbers, "phone", "all", "host", "arm:PROFILE"; none: the phone that is connected if there
            is one, else this host.

    Raises:
        InputError: A device that is not there; several phones, and no choice.
    """
    if not wanted:
        return _default(tools)
    devices = [device for name in dict.fromkeys(wanted) for device in _named(name, tools)]
    return devices, []


def _named(name: str, tools: Tools) -> list[Device | Profile]:
    if name == HOST:
        return [Host()]
    if name.startswith(ARM):
        return [_profile(name)]
    return [_phone(phone, tools) for phone in choose(name, connected())]


def _profile(name: str) -> Profile:
    profile = PROFILES.get(name.removeprefix(ARM))
    if profile is None:
        raise InputError(f"--device {name}, expected one of {', '.join(f'{ARM}{known}' for known in PROFILES)}")
    return profile


def _default(tools: Tools) -> tuple[list[Device | Profile], list[str]]:
    try:
        phones = connected()
    except InputError as error:  # no adb: whoever has no phone needs none
        phones, reason = (), str(error)
    else:
        reason = "no phone is connected"
    if phones:
        return [_phone(phone, tools) for phone in choose(ANY, phones)], []
    return [Host()], [f"{reason}; measuring on this host"]


def _phone(phone: Connected, tools: Tools) -> Phone:
    return Phone(phone.serial, tools)
