"""A histogram that grows with its data: bounded memory however many values it has seen."""

from __future__ import annotations

import copy
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Histogram", "merged", "pack", "unpack"]

# Values counted at a time: few enough that what is computed from them stays in the processor's cache.
_CHUNK = 1 << 15

# A quiet array weighs at most this much more than the median one, or a black image would rule the range.
_MOST_WEIGHT = 4.0

# How far one array moves the average of the extremes; PyTorch's MovingAverageMinMaxObserver has the same.
_MOVE = 0.01


class Histogram:
    """Counts of values in bins ``[i*width, (i+1)*width)``, with exact extremes.

    The width is a power of two and doubles, merging bins in pairs, when the values would need more than
    ``bins``. Two histograms of the same values are therefore equal in whatever order the values came, but for
    the moving extremes.

    Counts are kept apart by the energy of the array that the values came in (its mean square, in octaves, of
    which there are few), so that errors can be weighed relative to it.

    Attributes:
        low: Smallest value seen.
        high: Largest value seen.
        width: Width of a bin; 0 before the first value.
        first: Index of the first bin.
        moving_low: Exponential moving average of each array's smallest value, in the order they came.
        moving_high: The same average of each array's largest value.
    """

    bins = 2048

    def __init__(self) -> None:
        self.low = math.inf
        self.high = -math.inf
        self.moving_low = math.inf
        self.moving_high = -math.inf
        self.width = 0.0
        self.first = 0
        self._length = 0
        self._counts: dict[int, NDArray[np.int64]] = {}
        self._arrays: Counter[int] = Counter()

    @property
    def counts(self) -> NDArray[np.int64]:
        """Number of values in each bin."""
        total = np.zeros(self._length, np.int64)
        for counts in self._counts.values():
            total += counts
        return total

    @property
    def weights(self) -> NDArray[np.float64]:
        """Weight of a squared error in each bin, such that every array weighs the same.

        A value counts as 1 / (mean square of the array that it came in).
        """
        if not self._arrays:
            return np.zeros(self._length)
        octaves = sorted(self._arrays.elements())
        floor = 2.0 ** octaves[len(octaves) // 2] / _MOST_WEIGHT
        weights = np.zeros(self._length)
        for octave in sorted(self._counts):
            weights += self._counts[octave] / max(2.0**octave, floor)
        return weights

    def add(self, values: NDArray[np.float32]) -> None:
        """Count the values of an array of any shape.

        Raises:
            FloatingPointError: One of them is NaN or infinite.
        """
        flat = values.reshape(-1)
        if not flat.size:
            return
        low, high = float(flat.min()), float(flat.max())
        if not math.isfinite(low + high):
            raise FloatingPointError("NaN or infinity has no place in a histogram")
        if low < self.low or high > self.high:
            self._cover(low, high)
        self.moving_low = _moved(self.moving_low, low)
        self.moving_high = _moved(self.moving_high, high)
        octave = _octave(float(np.vdot(flat, flat)) / flat.size)
        self._arrays[octave] += 1
        counts = self._counts.setdefault(octave, np.zeros(self._length, np.int64))
        scratch = np.empty(min(flat.size, _CHUNK), np.float32)
        for start in range(0, flat.size, _CHUNK):
            chunk = flat[start : start + _CHUNK]
            counts += np.bincount(self._bins_of(chunk, scratch), minlength=self._length)

    def _bins_of(self, chunk: NDArray[np.float32], scratch: NDArray[np.float32]) -> NDArray[np.intp]:
        bins = scratch[: chunk.size]
        # Exact: the width is a power of two; floor comes before the shift, which would round the fraction.
        np.multiply(chunk, np.float32(1 / self.width), out=bins)
        np.floor(bins, out=bins)
        np.subtract(bins, np.float32(self.first), out=bins)
        return bins.astype(np.intp)

    def merge(self, other: Histogram) -> None:
        """Count what another histogram has counted. The moving extremes become the wider ones of both."""
        if not other._counts:
            return
        self._cover(other.low, other.high, at_least=other.width)
        wider = copy.copy(other)
        wider._widen(self.width)
        place = slice(wider.first - self.first, wider.first - self.first + wider._length)
        for octave, counts in wider._counts.items():
            self._counts.setdefault(octave, np.zeros(self._length, np.int64))[place] += counts
        self._arrays += other._arrays
        self.moving_low = min(self.moving_low, other.moving_low)
        self.moving_high = max(self.moving_high, other.moving_high)

    def centers(self) -> NDArray[np.float64]:
        """The middle of each bin, save that the bin that holds 0 stands for 0, where ReLU puts its mass."""
        centers = (self.first + np.arange(self._length) + 0.5) * self.width
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
        before = self.first - first
        around = (before, length - self._length - before)
        self._counts = {octave: np.pad(counts, around) for octave, counts in self._counts.items()}
        self.first, self._length = first, length

    def _widen(self, width: float) -> None:
        while self.width and self.width < width:
            odd = self.first % 2
            around = (odd, (self._length + odd) % 2)
            self._counts = {
                octave: np.pad(counts, around).reshape(-1, 2).sum(axis=1)
                for octave, counts in self._counts.items()
            }
            self._length = (self._length + sum(around)) // 2
            self.first = (self.first - odd) // 2
            self.width *= 2
        self.width = self.width or width


def merged(histograms: Iterable[Histogram]) -> Histogram:
    """A new histogram of what several have counted."""
    whole = Histogram()
    for histogram in histograms:
        whole.merge(histogram)
    return whole


def pack(histograms: Sequence[Histogram]) -> dict[str, NDArray[Any]]:
    """Histograms as a few arrays, which ``unpack`` takes.

    Returns:
        "ends": (histograms, 5), the extremes, the moving extremes and the width; "bins": (histograms, 2), the
        first bin and how many there are; "octaves": (rows, 3), a histogram's place, an octave, and how many
        arrays had it; "counts": the bins of all rows, one after the other.
    """
    rows = [
        (place, octave, histogram._arrays[octave], counts)
        for place, histogram in enumerate(histograms)
        for octave, counts in sorted(histogram._counts.items())
    ]
    return {
        "ends": np.array([[h.low, h.high, h.moving_low, h.moving_high, h.width] for h in histograms]),
        "bins": np.array([[h.first, h._length] for h in histograms], np.int64),
        "octaves": np.array([row[:3] for row in rows], np.int64),
        "counts": np.concatenate([row[3] for row in rows]) if rows else np.zeros(0, np.int64),
    }


def unpack(arrays: Mapping[str, NDArray[Any]]) -> list[Histogram]:
    """What was packed.

    Raises:
        ValueError: The arrays do not fit together.
    """
    histograms = []
    for ends, bins in zip(arrays["ends"], arrays["bins"], strict=True):
        histogram = Histogram()
        histogram.low, histogram.high, histogram.moving_low, histogram.moving_high = map(float, ends[:4])
        histogram.width, histogram.first, histogram._length = float(ends[4]), int(bins[0]), int(bins[1])
        histograms.append(histogram)
    start = 0
    for place, octave, seen in arrays["octaves"].tolist():
        histogram = histograms[place]
        histogram._arrays[octave] = seen
        histogram._counts[octave] = arrays["counts"][start : start + histogram._length]
        start += histogram._length
    if start != arrays["counts"].size:
        raise ValueError(f"{arrays['counts'].size} counts, expected {start}")
    return histograms


def _moved(average: float, value: float) -> float:
    """The average after another value, which is the first if the average is infinite."""
    return average + _MOVE * (value - average) if math.isfinite(average) else value


def _octave(mean_square: float) -> int:
    """The binary order of magnitude; that of the smallest normal float32 for zeros, whose errors are zero."""
    return math.frexp(max(mean_square, float(np.finfo(np.float32).tiny)))[1]
