"""A device that has a clock, as the protocol of latency sees it: a phone, or this host."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

from mobiledeploy.bench.runner.records import Core, Identity, Launch, LaunchPlan, Model, State

__all__ = ["Launcher", "TimedDevice"]

Launcher = Callable[[Sequence[Model], LaunchPlan], Launch]
"""Starts the runner once, on some of the models whose files are in place.

Raises InputError for a model that the runtime does not load, and DeviceError where the device failed:
unplugged, crashed, hung, or no result that makes sense.
"""


class TimedDevice(Protocol):
    """Something that runs models and tells time.

    Attributes:
        note: One line that qualifies its figures; empty if there is nothing to say.
    """

    note: str

    def identity(self) -> Identity:
        """Tell which machine it is."""

    def cores(self) -> tuple[Core, ...]:
        """Its processor cores."""

    def state(self) -> State:
        """Clocks, temperatures and load now."""

    def session(self, models: Sequence[Model]) -> AbstractContextManager[Launcher]:
        """Put files in place; whatever happens, what was put there is gone when the block ends.

        Raises:
            InputError: Something is missing on this machine. The message says how to install it.
            DeviceError: The device failed: unplugged, no room, or files that arrive damaged.
        """
