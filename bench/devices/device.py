"""What a run asks of a device, and of what was measured there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from mobiledeploy.base.progress import Progress
from mobiledeploy.bench.latency.settings import Limits, Settings
from mobiledeploy.bench.runner.records import Identity, Model, ModelResult

if TYPE_CHECKING:
    from rich.console import RenderableType

__all__ = ["Device", "Result"]


class Result(Protocol):
    """What was measured of some models on one device.

    Attributes:
        kind: What the figures are, as documents have it: "latency" or "instructions".
    """

    kind: ClassVar[str]

    @property
    def identity(self) -> Identity:
        """Which machine it was."""

    @property
    def runtime(self) -> str:
        """Name and version of what ran the models."""

    @property
    def models(self) -> Sequence[ModelResult]:
        """In the order in which they were given; the first is what the others are set against."""

    def to_json(self) -> dict[str, Any]:
        """Everything but the outputs, as plain data."""

    def csv_cells(self) -> Iterator[Mapping[str, Any]]:
        """Column -> figure, for each model."""

    def tables(self, per_op: bool) -> Iterator[RenderableType]:
        """What a terminal shows.

        Args:
            per_op: Whether to list every op.
        """

    def exceeded(self, limits: Limits) -> Iterator[str]:
        """What is over a limit, in words."""


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
