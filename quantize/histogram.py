"""A histogram that grows with its data: bounded memory however many values it has seen."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Histogram"]


class Histogram:
    """Counts of values in bins ``[i*width, (i+1)*width)``, with exact extremes.

    The width is a power of two and doubles, merging bins in pairs, when the values would need more than ``bins``
    bins. Two histograms of the same values are therefore equal in whatever order the values came.
    """

    bins = 2048

    def __init__(self) -> None:
        self.low = math.inf
        self.high = -math.inf
        self.width = 0.0
        self.first = 0
        self.counts: NDArray[np.int64] = np.zeros(0, np.int64)

    def add(self, values: NDArray[Any]) -> None:
        """Count the values of an array of any shape."""
        flat = values.reshape(-1)
        if not flat.size:
            return
        low, high = float(flat.min()), float(flat.max())
        self._cover(low, high)
        index = np.floor(flat * np.float32(1 / self.width)).astype(np.int64) - self.first
        # A float32 product may round up into the bin after the last.
        np.clip(index, 0, len(self.counts) - 1, out=index)
        self.counts += np.bincount(index, minlength=len(self.counts))

    def merge(self, other: Histogram) -> None:
        """Count what another histogram has counted."""
        if not len(other.counts):
            return
        copy = Histogram()
        copy.low, copy.high, copy.width = other.low, other.high, other.width
        copy.first, copy.counts = other.first, other.counts.copy()
        self._cover(other.low, other.high, at_least=other.width)
        copy._widen(self.width)
        start = copy.first - self.first
        self.counts[start : start + len(copy.counts)] += copy.counts

    def centers(self) -> NDArray[np.float64]:
        """The middle of each bin, save that the bin that holds 0 stands for 0, where ReLU puts its mass."""
        centers = (self.first + np.arange(len(self.counts)) + 0.5) * self.width
        if 0 <= -self.first < len(centers):
            centers[-self.first] = 0.0
        return np.clip(centers, self.low, self.high)

    def _cover(self, low: float, high: float, at_least: float = 0.0) -> None:
        """Extend the bins to hold [low, high]."""
        self.low, self.high = min(self.low, low), max(self.high, high)
        spread = max(self.high, 0.0) - min(self.low, 0.0)
        needed = 2.0 ** math.ceil(math.log2(max(spread, 1e-30) / (self.bins - 2)))
        self._widen(max(needed, at_least, self.width))
        first = math.floor(min(self.low, 0.0) / self.width)
        length = math.floor(max(self.high, 0.0) / self.width) - first + 1
        counts = np.zeros(length, np.int64)
        start = self.first - first
        counts[start : start + len(self.counts)] = self.counts
        self.first, self.counts = first, counts

    def _widen(self, width: float) -> None:
        while self.width and self.width < width:
            odd = self.first % 2
            padded = np.pad(self.counts, (odd, (len(self.counts) + odd) % 2))
            self.counts = padded.reshape(-1, 2).sum(axis=1)
            self.first = (self.first - odd) // 2
            self.width *= 2
        self.width = self.width or width
