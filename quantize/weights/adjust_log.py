"""What weight adjustment did, and where it did nothing: plain records for the report."""

from __future__ import annotations

from dataclasses import dataclass

from mobiledeploy.exporters.rewrites.rule import Refusal

__all__ = ["AdjustLog", "Equalized", "OutlierChannels"]


@dataclass(frozen=True)
class Equalized:
    """Channels that were scaled; what reads them takes the inverse.

    Attributes:
        values: Names of the values in which the channels stand, in graph order.
        channels: How many were scaled.
        smallest: Least factor.
        largest: Largest factor.
        gain_db: By how much the noise that rounding brings into the ops which read them is predicted to fall.
    """

    values: tuple[str, ...]
    channels: int
    smallest: float
    largest: float
    gain_db: float


@dataclass(frozen=True)
class OutlierChannels:
    """Channels that are many times as large as the median one of their value.

    Attributes:
        value: Name of the value.
        channels: Numbers of the channels, from 0.
        ratios: How many times as large as the median channel each of them is.
        left: The same ratios after equalization.
        reason: Why they were left as they are, in words; None where they were scaled.
    """

    value: str
    channels: tuple[int, ...]
    ratios: tuple[float, ...]
    left: tuple[float, ...]
    reason: str | None


@dataclass(frozen=True)
class AdjustLog:
    """What a run of weight adjustment did and declined to do.

    Attributes:
        equalized: The groups of channels that were scaled.
        outliers: Every value with outlier channels, whether or not these could be scaled.
        refused: The linear ops whose input has channels that cannot be scaled, and what forbids it.
    """

    equalized: tuple[Equalized, ...] = ()
    outliers: tuple[OutlierChannels, ...] = ()
    refused: tuple[Refusal, ...] = ()
