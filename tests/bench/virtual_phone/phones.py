"""Phones that are connected to an adb server of the tests' own."""

from __future__ import annotations

import time
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from tests.bench.virtual_phone.adb_server import AdbServer
from tests.bench.virtual_phone.emulation import Emulation
from tests.bench.virtual_phone.models import MODELS
from tests.bench.virtual_phone.phone import VirtualPhone
from tests.bench.virtual_phone.protocol import Access

__all__ = ["Phones"]

_LISTED_WITHIN_S = 30.0


class Phones:
    """What the fixture `phones` is.

    Args:
        emulation: Runs AArch64 programs, or says in one line why there are none.

    Attributes:
        server: The adb server; no phones but these are connected to it.
    """

    def __init__(self, server: AdbServer, emulation: Emulation | str) -> None:
        self.server = server
        self._emulation = emulation
        self._phones: list[VirtualPhone] = []

    def start(self, model: str = "4+4", access: str = "device", **changes: Any) -> VirtualPhone:
        """Switch on a phone and plug it in.

        Args:
            model: One of MODELS.
            access: How it answers: "device", "unauthorized" or "offline".
            changes: Attributes of its PhoneModel, such as offline=frozenset({7}).
        """
        phone = VirtualPhone(
            replace(MODELS[model], **changes),
            None if isinstance(self._emulation, str) else self._emulation,
            Access(access),
        )
        # A phone on USB disappears from adb's list, where one on the network stays for a while.
        phone.on_unplug = partial(self.server.run, "disconnect", phone.serial)
        phone.on_plug_in = partial(self._connect, phone.serial, access)
        self._phones.append(phone)
        phone.on_plug_in()
        return phone

    def _connect(self, serial: str, state: str) -> None:
        """Returns once adb lists the phone in that state, which it does a moment after it has connected."""
        self.server.run("connect", serial)
        until = time.monotonic() + _LISTED_WITHIN_S
        while self.server.devices().get(serial) != state and time.monotonic() < until:
            time.sleep(0.02)

    def need_programs(self) -> None:
        """Skip the test if this computer cannot run AArch64 programs."""
        if isinstance(self._emulation, str):
            pytest.skip(self._emulation)

    def stop(self) -> None:
        """Switch all phones off."""
        for phone in self._phones:
            phone.switch_off()
            self.server.run("disconnect", phone.serial)
        self._phones.clear()
