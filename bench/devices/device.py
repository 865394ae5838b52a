"""What the protocol asks of a device: a phone or this host. An emulated CPU is none, for it has no time."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Protocol

from mobiledeploy.bench.devices.sysfs import Core
from mobiledeploy.bench.runner.records import Identity, Launch, LaunchPlan, Model, State

__all__ = ["Device", "Session"]


class Session(Protocol):
    """A device with all files of a measurement in place."""

    def launch(self, models: Sequence[Model], plan: LaunchPlan) -> Launch:
        """Start the runner once, on some of the session's models.

        Raises:
            InputError: A model that the runtime does not load.
            DeviceError: The device failed: unplugged, crashed, hung, or no result that makes sense.
        """


class Device(Protocol):
    """Something that runs models and tells time.

    Attributes:
        note: One line that qualifies its figures; empty if there is nothing to say.
    """

    note: str

    def identity(self) -> Identity:
        """Which machine it is."""

    def cores(self) -> tuple[Core, ...]:
        """Its processor cores."""

    def state(self) -> State:
        """Clocks, temperatures and load now."""

    def session(self, models: Sequence[Model]) -> AbstractContextManager[Session]:
        """Put files in place; whatever happens, what was put there is gone when the block ends.

        Raises:
            InputError: Something is missing on this machine. The message says how to install it.
            DeviceError: The device failed: unplugged, no room, or files that arrive damaged.
        """
