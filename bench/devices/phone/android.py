"""Reads what Android says of a phone: which one it is, and what may slow it down now.

All functions take text that a shell command printed. Formats differ between versions and makers, so what is
not found is left out. They follow AOSP's BatteryService, PowerManagerService and ThermalManagerService
(frameworks/base/services/core).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

from mobiledeploy.base.errors import InputError
from mobiledeploy.bench.latency import sysfs
from mobiledeploy.bench.runner.records import Identity, State

__all__ = ["OLDEST_SDK", "Snapshot", "identity", "properties", "snapshot", "snapshot_command", "warnings"]

OLDEST_SDK = 26
"""Android 8: the first whose shell has sha256sum and flock."""

_ABI = "arm64-v8a"
_SERVICES = {
    "battery": "dumpsys battery",
    "thermal": "dumpsys thermalservice",
    "power": "dumpsys power | grep mWakefulness=",
    "saver": "settings get global low_power",
}
_CHARGING = {2: True, 3: False, 4: False, 5: False}  # BatteryManager.BATTERY_STATUS_*; 1 is unknown
_PLAUSIBLE_C = (-40.0, 150.0)  # sensors that are switched off report -99.9 or 0


@dataclass(frozen=True)
class Snapshot:
    """The phone at one moment.

    Attributes:
        files: Path -> content, for `sysfs`.
        screen_on: None if the phone does not say.
        battery_saver: Whether Android was told to save power; None if it does not say.
    """

    files: Mapping[str, str]
    state: State
    screen_on: bool | None = None
    battery_saver: bool | None = None


def properties(text: str) -> dict[str, str]:
    """Return name -> value, from the output of `getprop`."""
    return dict(re.findall(r"^\[([^\]]+)\]: \[(.*?)\]\r?$", text, re.MULTILINE))


def identity(serial: str, found: Mapping[str, str]) -> Identity:
    """Tell which phone it is, by its properties.

    Raises:
        InputError: Our programs do not run on it: not 64-bit Arm, or too old an Android.
    """
    abis = found.get("ro.product.cpu.abilist") or found.get("ro.product.cpu.abi", "")
    if _ABI not in abis.split(","):
        raise InputError(
            f"{serial} runs programs for {abis.replace(',', ', ') or 'no known processor'}, expected {_ABI}; "
            "take a phone with a 64-bit Arm system"
        )
    version = found.get("ro.build.version.release", "of unknown version")
    sdk = found.get("ro.build.version.sdk", "")
    if sdk.isdecimal() and int(sdk) < OLDEST_SDK:
        raise InputError(
            f"{serial} runs Android {version} (API {sdk}), expected 8 (API {OLDEST_SDK}) or newer, whose "
            "shell has what a measurement takes; take another phone"
        )
    return Identity(
        kind="phone",
        key=serial,
        name=_joined(found, "ro.product.manufacturer", "ro.product.model") or "unknown phone",
        soc=_joined(found, "ro.soc.manufacturer", "ro.soc.model")
        or _joined(found, "ro.board.platform")
        or _joined(found, "ro.hardware"),
        system=f"Android {version}" + (f" (API {sdk})" if sdk else ""),
        abi=found.get("ro.product.cpu.abi", _ABI),
        build=found.get("ro.build.fingerprint", ""),
    )


def snapshot_command() -> str:
    """Return a shell command that prints all that is to be known, for `snapshot` to take apart."""
    services = (f"echo '{sysfs.MARK}{name}'; {command} 2>/dev/null" for name, command in _SERVICES.items())
    return f"{sysfs.dump_command()}; {'; '.join(services)}; true"


def snapshot(text: str) -> Snapshot:
    """Read the phone's state out of what `snapshot_command` printed."""
    files = sysfs.parse_dump(text)
    said = {name: files.pop(name, "") for name in _SERVICES}
    state = sysfs.state(files)
    battery = _numbers(said["battery"], "level", "scale", "temperature", "status")
    level, scale = battery.get("level"), battery.get("scale", 100)
    tenths_c = battery.get("temperature")
    wakefulness = re.search(r"mWakefulness=(\w+)", said["power"])
    return Snapshot(
        files=files,
        state=replace(
            state,
            # The shell may read the kernel's sensors on few phones, but Android passes on its own.
            temperatures_c={**_hal_temperatures_c(said["thermal"]), **state.temperatures_c},
            thermal_status=_numbers(said["thermal"], "Thermal Status").get("Thermal Status"),
            battery_percent=None if level is None or scale <= 0 else round(100 * level / scale),
            battery_c=None if tenths_c is None else tenths_c / 10,
            charging=_CHARGING.get(battery.get("status", 1)),
        ),
        screen_on=wakefulness.group(1) in ("Awake", "Dreaming") if wakefulness else None,
        battery_saver={"0": False, "1": True}.get(said["saver"].strip()),
    )


def warnings(found: Snapshot) -> tuple[str, ...]:
    """Say what of it makes figures worse than they could be."""
    return tuple(
        text
        for applies, text in (
            (found.screen_on is False, "the screen is off, and phones may run slower then: switch it on"),
            (found.battery_saver, "battery saver is on and slows the processor down: switch it off"),
        )
        if applies
    )


def _joined(found: Mapping[str, str], *names: str) -> str:
    """Values that are known, a maker's name not said twice."""
    words: list[str] = []
    for name in names:
        value = found.get(name, "").strip()
        if value and value.lower() != "unknown":
            words = [word for word in words if not value.lower().startswith(word.lower())]
            words.append(value)
    return " ".join(words)


def _numbers(text: str, *names: str) -> dict[str, int]:
    """Name -> whole number of the first line "name: number"."""
    matches = {name: re.search(rf"^\s*{name}:\s*(-?\d+)\s*$", text, re.MULTILINE) for name in names}
    return {name: int(match.group(1)) for name, match in matches.items() if match}


def _hal_temperatures_c(text: str) -> dict[str, float]:
    """Sensor -> degrees as measured just now, or else as Android last heard of them."""
    _, _, current = text.partition("Current temperatures from HAL:")
    if "Temperature{" not in current:
        _, _, current = text.partition("Cached temperatures:")
    current = current.partition("Current cooling devices")[0]
    found: dict[str, float] = {}
    for value, name in re.findall(r"Temperature\{mValue=(-?[\d.]+),.*?mName=([^,}]+)", current):
        degrees = float(value)
        if _PLAUSIBLE_C[0] < degrees < _PLAUSIBLE_C[1] and degrees != 0:
            found[name] = max(degrees, found.get(name, degrees))
    return found
