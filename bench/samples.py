"""Statistics of latencies that were taken in launches, rounds and bursts, and of two models taken in turns.

A launch loads all models afresh. Where their memory happens to lie then is worth some percent, so samples
within a launch are alike, and an interval that ignores this is far too narrow: the bootstrap draws launches
first, then rounds within them (a two-stage cluster bootstrap; Davison and Hinkley 1997, section 3.8).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Interval", "Samples", "Summary", "change", "ratio", "summary"]

Samples = Sequence[Sequence[Sequence[float]]]
"""Milliseconds by launch, round and inference in a round; lengths may differ."""

_RESAMPLES = 1000
_Array = NDArray[np.float64]


@dataclass(frozen=True)
class Interval:
    """An estimate and its 95 % bootstrap interval, in the samples' unit."""

    value: float
    low: float
    high: float

    @property
    def half_width(self) -> float:
        """Half the interval's width as a share of the estimate."""
        return (self.high - self.low) / 2 / self.value

    def to_json(self) -> dict[str, float]:
        return {"value": self.value, "low": self.low, "high": self.high}


@dataclass(frozen=True)
class Summary:
    """Of all timed inferences of a model, in milliseconds.

    Attributes:
        median: With its 95 % interval.
        iqr: Third quartile less the first.
    """

    count: int
    minimum: float
    median: Interval
    p90: float
    p99: float
    iqr: float

    def to_json(self) -> dict[str, object]:
        return {
            "count": self.count,
            "min_ms": self.minimum,
            "median_ms": self.median.to_json(),
            "p90_ms": self.p90,
            "p99_ms": self.p99,
            "iqr_ms": self.iqr,
        }


def summary(samples: Samples, seed: int = 0) -> Summary:
    """Summary of the samples of one model.

    Raises:
        ValueError: There are none.
    """
    every = np.array([x for launch in samples for turn in launch for x in turn], np.float64)
    if every.size == 0:
        raise ValueError("samples of length 0, expected at least one; run at least one round")
    low, high, p90, p99 = np.percentile(every, (25, 75, 90, 99))
    bounds = np.percentile(_medians(_turns(samples), seed), (2.5, 97.5))
    median = float(np.median(every))
    # Turns weigh alike in the bootstrap and inferences in the median, so that it may lie a hair outside.
    interval = Interval(median, min(float(bounds[0]), median), max(float(bounds[1]), median))
    return Summary(every.size, float(every.min()), interval, float(p90), float(p99), float(high - low))


def ratio(candidate: Samples, reference: Samples, seed: int = 0) -> Interval:
    """Median over all rounds of candidate/reference; below 1 the candidate is faster.

    Within a round both meet the same state of the machine, so the ratio is free of the drift (clock,
    neighbours) that the two medians carry.

    Raises:
        ValueError: The two were not taken in the same rounds.
    """
    above, below = _turns(candidate), _turns(reference)
    if [launch.shape for launch in above] != [launch.shape for launch in below]:
        raise ValueError(
            "samples of different rounds, expected two models taken in the same; measure them together"
        )
    pairs = [a / b for a, b in zip(above, below, strict=True)]
    low, high = np.percentile(_medians(pairs, seed), (2.5, 97.5))
    value = float(np.median(np.concatenate(pairs)))
    return Interval(value, min(float(low), value), max(float(high), value))


def change(new: Samples, old: Samples, seed: int = 0) -> Interval:
    """Median of `new` over median of `old`, two measurements that share no rounds."""
    above, below = _turns(new), _turns(old)
    low, high = np.percentile(_medians(above, seed) / _medians(below, seed + 1), (2.5, 97.5))
    value = float(np.median(np.concatenate(above)) / np.median(np.concatenate(below)))
    return Interval(value, min(float(low), value), max(float(high), value))


def _turns(samples: Samples) -> list[_Array]:
    """For each launch the median of every turn, (rounds,)."""
    return [np.array([np.median(turn) for turn in launch]) for launch in samples if launch]


def _medians(launches: Sequence[_Array], seed: int) -> _Array:
    """The median over turns in each of many bootstrap resamples, (resamples,)."""
    rng = np.random.default_rng(seed)
    rounds = np.array([launch.size for launch in launches])
    table = np.zeros((len(launches), rounds.max()))
    for row, launch in zip(table, launches, strict=True):
        row[: launch.size] = launch
    # Launches are mostly of one length; those that a time limit cut short are drawn as often as the others.
    drawn = rng.integers(0, len(launches), (_RESAMPLES, len(launches), 1))
    turns = (rng.random((_RESAMPLES, len(launches), rounds.max())) * rounds[drawn]).astype(int)
    resampled: _Array = np.median(table[drawn, turns].reshape(_RESAMPLES, -1), axis=1)
    return resampled
