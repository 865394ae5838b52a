from __future__ import annotations

import pytest

from mobiledeploy.base.errors import InputError
from mobiledeploy.bench.devices.phone.adb import Connected
from mobiledeploy.bench.devices.phone.choice import ALL, ANY, choose

PIXEL, GALAXY = Connected("PIXEL", "device", "Pixel 8"), Connected("GALAXY", "device")
LOCKED = Connected("LOCKED", "unauthorized")


def test_the_only_phone_that_takes_commands_is_taken() -> None:
    assert choose(ANY, [LOCKED, PIXEL]) == (PIXEL,)


def test_one_of_two_by_its_serial_number() -> None:
    assert choose("GALAXY", [PIXEL, GALAXY]) == (GALAXY,)


def test_all_that_take_commands() -> None:
    assert choose(ALL, [PIXEL, LOCKED, GALAXY]) == (PIXEL, GALAXY)


@pytest.mark.parametrize(
    ("wanted", "phones", "message"),
    [
        (
            ANY,
            [],
            "^no phone is connected, expected one that `adb devices` lists; plug it in, switch on USB debug",
        ),
        (ALL, [], "^no phone is connected, "),
        ("PIXEL", [], "^PIXEL is not connected, expected one that `adb devices` lists; plug it in, "),
        (
            "OTHER",
            [PIXEL, LOCKED],
            r"^OTHER is not connected, expected one of PIXEL \(Pixel 8\), LOCKED \(unauthorized\); ",
        ),
        (
            ANY,
            [PIXEL, GALAXY],
            r"^2 phones are connected \(PIXEL \(Pixel 8\), GALAXY\), expected one, or a choice; ",
        ),
        (
            "LOCKED",
            [PIXEL, LOCKED],
            "^LOCKED is unauthorized, expected it to trust this computer; unlock it, and accept the dialog "
            "on its sc",
        ),
        (ANY, [LOCKED], "^LOCKED is unauthorized, "),
        (ALL, [LOCKED], "^LOCKED is unauthorized, "),
        (
            "S",
            [Connected("S", "offline")],
            "^S is offline, expected it to answer; unplug it and plug it in again",
        ),
        ("S", [Connected("S", "no permissions")], "^S may not be opened by this user .*udev rules"),
        (
            "S",
            [Connected("S", "recovery")],
            "^S is in state 'recovery', expected Android to be running; restart the phone$",
        ),
    ],
)
def test_no_choice(wanted: str, phones: list[Connected], message: str) -> None:
    with pytest.raises(InputError, match=message):
        choose(wanted, phones)
