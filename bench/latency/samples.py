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

__all__ = ["CALM", "Interval", "Ratio", "Samples", "Summary", "change", "ratio", "summary"]

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


@dataclass(frozen=True)
class Summary:
    """Figures of all timed inferences of a model.

    Attributes:
        calm_ms: The median of calm rounds; see `CALM`.
        iqr_ms: Third quartile less the first.
    """

    count: int
    min_ms: float
    median_ms: Interval
    calm_ms: Interval
    p90_ms: float
    p99_ms: float
    iqr_ms: float


@dataclass(frozen=True)
class Ratio(Interval):
    """Latency of one model over that of another.

    Attributes:
        share: share of the rounds behind it: all, or the calm ones where it differs in the others.
        disturbed: The median of the others, where it differs; else None.
    """

    share: float
    disturbed: float | None


def summary(samples: Samples, seed: int = 0) -> Summary:
    """Summary of the samples of one model.

    Raises:
        ValueError: There are none.
    """
    every = np.array([x for launch in samples for turn in launch for x in turn], np.float64)
    if every.size == 0:
        raise ValueError("samples of length 0, expected at least one; run at least one round")
    low, high, p90, p99 = np.percentile(every, (25, 75, 90, 99))
    turns = _turns(samples)
    return Summary(
        count=every.size,
        min_ms=float(every.min()),
        median_ms=_interval(float(np.median(every)), _medians(turns, seed)),
        calm_ms=_median(_split(turns, turns)[0], seed),
        p90_ms=float(p90),
        p99_ms=float(p99),
        iqr_ms=float(high - low),
    )


def ratio(candidate: Samples, reference: Samples, seed: int = 0) -> Ratio:
    """Median over rounds of candidate/reference; below 1 the candidate is faster.

    Within a round both meet the same state of the machine, so the ratio is free of the drift (clock,
    neighbours) that the two medians carry. But a disturbance may slow one of them down more than the other,
    as it does where one waits for memory and the other computes. If calm rounds give another ratio than the
    others, by two standard errors, only they count. Since it is the product of both that makes a round calm,
    none is chosen for its ratio.

    Raises:
        ValueError: The two were not taken in the same rounds.
    """
    above, below = _turns(candidate), _turns(reference)
    if [launch.shape for launch in above] != [launch.shape for launch in below]:
        raise ValueError(
            "samples of different rounds, expected two models taken in the same; measure them together"
        )
    levels = [np.sqrt(a * b) for a, b in zip(above, below, strict=True)]
    pairs = [a / b for a, b in zip(above, below, strict=True)]
    calm, others = _split(pairs, levels)
    every = _median(pairs, seed)
    if not others:
        return Ratio(every.value, every.low, every.high, 1.0, None)
    drawn = _medians(calm, seed), _medians(others, seed + 1)
    disturbed = float(np.median(np.concatenate(others)))
    found = _interval(float(np.median(np.concatenate(calm))), drawn[0])
    if abs(found.value - disturbed) <= 2 * np.hypot(drawn[0].std(), drawn[1].std()):
        return Ratio(every.value, every.low, every.high, 1.0, None)
    share = sum(map(len, calm)) / sum(map(len, pairs))
    return Ratio(found.value, found.low, found.high, share, disturbed)


def change(new: Samples, old: Samples, seed: int = 0) -> Interval:
    """Calm median of `new` over that of `old`, two measurements that share no rounds."""
    above, below = (_split(turns, turns)[0] for turns in (_turns(new), _turns(old)))
    resampled = _medians(above, seed) / _medians(below, seed + 1)
    return _interval(float(np.median(np.concatenate(above)) / np.median(np.concatenate(below))), resampled)


CALM = 1.1
"""A round is calm if it took at most so many times what the quickest tenth of all rounds took.

On a machine that others use, or whose clock changes, rounds fall into a quick state and slower ones. How
often it was in which differs from one measurement to the next, and the median with it; the quick state itself
can be met again.
"""


def _split(values: Sequence[_Array], levels: Sequence[_Array]) -> tuple[list[_Array], list[_Array]]:
    """The values of calm rounds and of the others, by launch; launches without any are left out."""
    limit = CALM * np.percentile(np.concatenate(levels), 10)
    pairs = list(zip(values, levels, strict=True))
    calm = [value[level <= limit] for value, level in pairs]
    others = [value[level > limit] for value, level in pairs]
    return [launch for launch in calm if launch.size], [launch for launch in others if launch.size]


def _median(launches: Sequence[_Array], seed: int) -> Interval:
    return _interval(float(np.median(np.concatenate(launches))), _medians(launches, seed))


def _interval(value: float, resampled: _Array) -> Interval:
    """The 95 % percentile interval; of turns, so that a median of all inferences may lie a hair outside."""
    low, high = np.percentile(resampled, (2.5, 97.5))
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
    # Launches are mostly of one length. Those with fewer rounds, as a time limit cut them short or few were
    # calm, are drawn less often, so that each round weighs alike.
    shape = (_RESAMPLES, len(launches), 1)
    drawn = rng.choice(len(launches), shape, p=rounds / rounds.sum())
    turns = (rng.random((_RESAMPLES, len(launches), rounds.max())) * rounds[drawn]).astype(int)
    resampled: _Array = np.median(table[drawn, turns].reshape(_RESAMPLES, -1), axis=1)
    return resampled
