"""What each channel of an activation holds on a few samples.

A sample weighs less the more energy the value has in it, as in the histograms of calibration: a few inputs
of large activations do not rule what is found.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from mobiledeploy.graph.onnx_graph import name_of
from mobiledeploy.quantize.calibrate.observe import observe
from mobiledeploy.runtime.runtimes import Sample

__all__ = ["ChannelStatistics", "Numbers", "channel_statistics", "relative_to_median"]

Numbers = NDArray[np.float64]
"""One per channel."""

_SPREAD = 3.0
_MOST_WEIGHT = 4.0  # of a quiet sample, relative to the middle one
_TINY = float(np.finfo(np.float32).tiny)


@dataclass(frozen=True, eq=False)
class ChannelStatistics:
    """Attributes:
    low: Smallest value of each channel, (channels,) as all; at most 3 standard deviations (over the samples)
        beyond the mean one.
    high: Largest value, with the same limit.
    mean: Mean of each channel.
    mean_square: Mean of the squares.
    """

    low: Numbers
    high: Numbers
    mean: Numbers
    mean_square: Numbers

    @property
    def absmax(self) -> Numbers:
        """Largest magnitude."""
        return np.maximum(np.abs(self.low), np.abs(self.high))

    @property
    def variance(self) -> Numbers:
        """Variance of each channel."""
        return np.maximum(self.mean_square - self.mean**2, 0.0)


def channel_statistics(
    model: ir.Model, values: Sequence[ir.Value], samples: Iterable[Sample]
) -> dict[ir.Value, ChannelStatistics]:
    """Statistics of values with channels on axis 1.

    Raises:
        InputError: There are no samples, or one drives a value to NaN or infinity.
    """
    seen = {value: _Seen() for value in values}
    if seen:
        observe(model, {name_of(value): one for value, one in seen.items()}, samples)
    return {value: one.statistics() for value, one in seen.items()}


class _Seen:
    """Four numbers of each channel of each sample."""

    def __init__(self) -> None:
        self._rows: list[NDArray[np.float64]] = []

    def add(self, array: NDArray[np.float32]) -> None:
        """Count an array (batch, channels, ...).

        Raises:
            FloatingPointError: One of its numbers is NaN or infinite.
        """
        by_channel = np.moveaxis(array, 1, 0).reshape(array.shape[1], -1).astype(np.float64)
        squares = np.einsum("ij,ij->i", by_channel, by_channel) / by_channel.shape[1]
        ends = by_channel.min(axis=1), by_channel.max(axis=1)
        self._rows.append(np.stack([*ends, by_channel.mean(axis=1), squares]))
        if not np.isfinite(squares).all():
            raise FloatingPointError("NaN or infinity has no place in statistics")

    def statistics(self) -> ChannelStatistics:
        low, high, mean, squares = np.stack(self._rows, axis=1)  # (samples, channels) each
        energies = squares.mean(axis=1)
        weights = 1 / np.maximum(energies, max(float(np.median(energies)) / _MOST_WEIGHT, _TINY))
        weights /= weights.sum()
        return ChannelStatistics(
            np.maximum(low.min(axis=0), _typical(low, weights, -_SPREAD)),
            np.minimum(high.max(axis=0), _typical(high, weights, _SPREAD)),
            weights @ mean,
            weights @ squares,
        )


def relative_to_median(magnitudes: Numbers) -> Numbers:
    """Magnitudes of channels as multiples of the median of those that are not zero."""
    positive = magnitudes[magnitudes > 0]
    return magnitudes / float(np.median(positive)) if positive.size else magnitudes


def _typical(ends: NDArray[np.float64], weights: Numbers, spread: float) -> Numbers:
    """The mean over the samples, and that many standard deviations."""
    mean = weights @ ends
    return mean + spread * np.sqrt(weights @ np.square(ends - mean))
