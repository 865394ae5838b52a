"""A device as a run sees it, and what it measured."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, ClassVar, Protocol

from mobiledeploy.base.progress import Progress
from mobiledeploy.base.section import Section
from mobiledeploy.bench.latency.settings import Limits, Settings
from mobiledeploy.bench.runner.records import Identity, Model, ModelResult

__all__ = ["Device", "Result"]


class Result(Protocol):
    """The figures of some models on one device."""

    @property
    def identity(self) -> Identity:
        """The machine."""

    @property
    def models(self) -> Sequence[ModelResult]:
        """The models in the order in which they were given; the first is what the others are set against."""

    def to_json(self) -> dict[str, Any]:
        """Return everything but the outputs, as plain data."""

    def sections(self, per_op: bool) -> Iterator[Section]:
        """Return what a reader is shown.

        Args:
            per_op: Whether to list every op.
        """

    def exceeded(self, limits: Limits) -> Iterator[str]:
        """Say what is over a limit."""


class Device(Protocol):
    """A place to measure models: a phone, this host, or an emulated CPU.

    Attributes:
        concurrent: Whether others may be measured meanwhile; not if it keeps this machine's processor busy.
        is_host: Whether it is this host, whose outputs those of others are compared with.
    """

    concurrent: ClassVar[bool]
    is_host: ClassVar[bool]

    def measure(self, models: Sequence[Model], settings: Settings, progress: Progress) -> Result:
        """Measure models, one or more.

        Raises:
            InputError: A model that the runtime does not load, a core that cannot be used, something not
                installed.
            DeviceError: The device failed.
        """
