"""Medians, quartiles and ratios of latencies that were taken in turns."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["Ratio", "Spread", "ratio", "spread"]


@dataclass(frozen=True)
class Spread:
    """Median and quartiles of samples, in the samples' unit."""

    median: float
    low: float
    high: float

    @property
    def is_stable(self) -> bool:
        """Whether the quartiles lie within 10 % of the median of each other."""
        return self.high - self.low <= 0.1 * self.median


@dataclass(frozen=True)
class Ratio:
    """Latency of one artifact over that of another, taken round by round.

    Attributes:
        rounds: median and quartiles of the per-round ratios.
        interval: 95 % bootstrap interval of that median.
    """

    rounds: Spread
    interval: tuple[float, float]


def spread(samples: ArrayLike) -> Spread:
    """Median and quartiles of one-dimensional samples.

    Raises:
        ValueError: there are no samples.
    """
    values = np.asarray(samples, dtype=np.float64)
    if values.size == 0:
        raise ValueError("samples of length 0, expected at least one; run at least one round")
    low, median, high = np.percentile(values, (25, 50, 75))
    return Spread(float(median), float(low), float(high))


def ratio(candidate: ArrayLike, reference: ArrayLike, *, resamples: int = 2000, seed: int = 0) -> Ratio:
    """Median of candidate/reference over rounds; below 1 the candidate is faster.

    Within a round both meet the same state of the machine, so their ratio is free of the slow drift (clock,
    neighbours) that the two medians alone would carry. The interval is the percentile bootstrap (Efron 1979)
    over rounds.

    Args:
        candidate, reference: latency per round, same length and order of rounds.
        resamples: bootstrap resamples.
        seed: of the bootstrap.

    Raises:
        ValueError: the lengths differ, or there are no rounds.
    """
    above, below = np.asarray(candidate, dtype=np.float64), np.asarray(reference, dtype=np.float64)
    if above.shape != below.shape:
        raise ValueError(
            f"{above.size} and {below.size} rounds, expected as many of both; pair them by round"
        )
    per_round: NDArray[np.float64] = above / below
    rounds = spread(per_round)
    drawn = np.random.default_rng(seed).integers(0, per_round.size, (resamples, per_round.size))
    low, high = np.percentile(np.median(per_round[drawn], axis=1), (2.5, 97.5))
    return Ratio(rounds, (float(low), float(high)))
