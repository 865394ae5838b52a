"""Opens the devices that --device names."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from mobiledeploy.base.errors import InputError
from mobiledeploy.bench.devices.arm.emulated_core import EmulatedCore
from mobiledeploy.bench.devices.arm.emulator import Emulator
from mobiledeploy.bench.devices.arm.profiles import get_profile
from mobiledeploy.bench.devices.device import Device
from mobiledeploy.bench.devices.host import Host
from mobiledeploy.bench.devices.phone.adb import Connected, connected
from mobiledeploy.bench.devices.phone.benchmark_model import BenchmarkModel
from mobiledeploy.bench.devices.phone.choice import ALL, ANY, choose
from mobiledeploy.bench.devices.phone.own_runner import OwnRunner
from mobiledeploy.bench.devices.phone.phone import Phone, PhoneRunner
from mobiledeploy.bench.devices.tools import Tools

__all__ = ["OPENED_BY", "open_devices"]


def _emulated(profile: str, tools: Tools) -> Device:
    core = get_profile(profile)
    return EmulatedCore(core, Emulator.found(tools.litert_library, tools.arm_libraries))


OPENED_BY: dict[str, Callable[[str, Tools], Device]] = {
    "host": lambda _, __: Host(),
    "arm:": _emulated,
}
"""Beginning of a device's name, up to a colon -> what makes a device of the rest. All others are phones."""


def open_devices(wanted: Sequence[str], tools: Tools, per_op: bool = False) -> tuple[list[Device], list[str]]:
    """Return the devices that are meant, and what the user should know of the choice.

    Args:
        wanted: Serial numbers, "phone", "all", "host", "arm:PROFILE"; none: the phone that is connected if
            there is one, else this host.
        per_op: Whether runners that can are to say what each op takes.

    Raises:
        InputError: A device that is not there, or a program that is not installed; several phones, and no
            choice.
    """
    if not wanted:
        return _default(tools, per_op)
    devices: list[Device] = []
    warnings: list[str] = []
    for name in dict.fromkeys(wanted):
        kind, colon, rest = name.partition(":")
        if opened := OPENED_BY.get(kind + colon):
            devices.append(opened(rest, tools))
        else:
            phones = connected()
            chosen = choose(name, phones)
            devices += _phones(chosen, tools, per_op)
            if name == ALL:
                warnings += [f"{phone} was left out" for phone in phones if phone not in chosen]
    return devices, warnings


def _default(tools: Tools, per_op: bool) -> tuple[list[Device], list[str]]:
    reason = "no phone is connected"
    try:
        phones = connected()
    except InputError as error:  # no adb: whoever has no phone needs none
        phones, reason = (), str(error)
    if phones:
        return [*_phones(choose(ANY, phones), tools, per_op)], []
    return [Host()], [f"{reason}; measured on this host"]


def _phones(chosen: Sequence[Connected], tools: Tools, per_op: bool) -> list[Phone]:
    runner = _runner(tools, per_op)
    return [Phone(phone.serial, runner, keep=tools.keep) for phone in chosen]


def _runner(tools: Tools, per_op: bool) -> PhoneRunner:
    """Return what runs models on phones."""
    if tools.benchmark_model is not None:
        return BenchmarkModel(tools.benchmark_model, profile=per_op)
    return OwnRunner(library=tools.litert_library, arm_libraries=tools.arm_libraries)
