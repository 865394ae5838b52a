"""Chooses which of the connected phones to measure on."""

from __future__ import annotations

from collections.abc import Sequence

from mobiledeploy.base.errors import InputError
from mobiledeploy.bench.devices.phone.adb import READY, Connected

__all__ = ["ALL", "ANY", "choose"]

ANY, ALL = "phone", "all"
"""What --device takes in place of a serial number: the one that is connected, or each of them."""

_UNABLE = {
    "unauthorized": "is unauthorized, expected it to trust this computer; unlock it, and accept the dialog "
    "on its screen",
    "offline": "is offline, expected it to answer; unplug it and plug it in again, or restart adb with "
    "`adb kill-server`",
    "no permissions": "may not be opened by this user (no permissions), expected access to its USB device; "
    "install the udev rules (`apt install android-sdk-platform-tools-common`), and plug it in again",
    "authorizing": "is still connecting, expected it to be ready; try again in a moment",
    "connecting": "is still connecting, expected it to be ready; try again in a moment",
}


def choose(wanted: str, phones: Sequence[Connected]) -> tuple[Connected, ...]:
    """Return the phones that are meant.

    Args:
        wanted: A serial number, `ANY` or `ALL`.
        phones: All that are connected.

    Raises:
        InputError: None is connected, the one that is meant is not or does not take commands, or several are
            and `ANY` leaves open which.
    """
    if not phones:
        what = "no phone is connected" if wanted in (ANY, ALL) else f"{wanted} is not connected"
        raise InputError(
            f"{what}, expected one that `adb devices` lists; plug it in, switch on USB debugging in its "
            "developer options, and accept the dialog on its screen"
        )
    if wanted not in (ANY, ALL):
        return (_able(_named(wanted, phones)),)
    ready = tuple(phone for phone in phones if phone.state == READY)
    if wanted == ANY and len(ready) > 1:
        raise InputError(
            f"{len(ready)} phones are connected ({_names(ready)}), expected one, or a choice; pass --device "
            f"SERIAL, or --device {ALL}"
        )
    return ready or (_able(phones[0]),)


def _named(serial: str, phones: Sequence[Connected]) -> Connected:
    for phone in phones:
        if phone.serial == serial:
            return phone
    raise InputError(
        f"{serial} is not connected, expected one of {_names(phones)}; plug it in, or pass another --device"
    )


def _able(phone: Connected) -> Connected:
    if phone.state == READY:
        return phone
    unable = _UNABLE.get(
        phone.state, f"is in state '{phone.state}', expected Android to be running; restart the phone"
    )
    raise InputError(f"{phone.serial} {unable}")


def _names(phones: Sequence[Connected]) -> str:
    return ", ".join(map(str, phones))
