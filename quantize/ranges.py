"""From a histogram to a range: the calibration methods.

A method maps a Histogram to (low, high), the real numbers that int8 shall cover. To add one: write the function,
list it in METHODS.
"""

from __future__ import annotations

from collections.abc import Callable
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from mobiledeploy.quantize.histogram import Histogram
from mobiledeploy.quantize.params import activation_params

__all__ = ["METHODS", "Range", "min_max", "mse", "percentile"]

Range = tuple[float, float]


def min_max(histogram: Histogram) -> Range:
    """Everything that was seen."""
    return histogram.low, histogram.high


def percentile(histogram: Histogram, share: float = 0.99999) -> Range:
    """Cut off the share ``1 - share`` of the values, half at each end."""
    cumulative = np.cumsum(histogram.counts) / histogram.counts.sum()
    tail = (1.0 - share) / 2
    low = int(np.searchsorted(cumulative, tail, side="right"))
    high = int(np.searchsorted(cumulative, 1.0 - tail, side="left"))
    return (
        max(histogram.low, (histogram.first + low) * histogram.width),
        min(histogram.high, (histogram.first + high + 1) * histogram.width),
    )


def mse(histogram: Histogram, candidates: int = 64, floor: float = 0.2) -> Range:
    """The range of least mean squared quantization error, clipping and rounding together.

    Coordinate descent over the two ends, each on a grid from ``floor`` times its extreme up to the extreme; the error
    is that of the very parameters that int8 would use. Cf. Banner et al., arXiv 1810.05723, who solve the same
    problem for Gaussian and Laplacian densities.
    """
    used = histogram.counts > 0
    values, counts = histogram.centers()[used], histogram.counts[used].astype(np.float64)
    low, high = min(histogram.low, 0.0), max(histogram.high, 0.0)
    grid = np.linspace(1.0, floor, candidates)
    best_low, best_high = low, high
    for _ in range(2):
        if high > 0:
            best_high = high * _best(grid, lambda s: _error(values, counts, best_low, high * s))
        if low < 0:
            best_low = low * _best(grid, lambda s: _error(values, counts, low * s, best_high))
    return best_low, best_high


def _best(grid: NDArray[np.float64], error: Callable[[float], float]) -> float:
    """The largest share with the least error."""
    return float(grid[int(np.argmin([error(float(share)) for share in grid]))])


def _error(values: NDArray[np.float64], counts: NDArray[np.float64], low: float, high: float) -> float:
    params = activation_params(low, high)
    scale, zero = float(params.scale[0]), int(params.zero_point[0])
    restored = (np.clip(np.rint(values / scale) + zero, -128, 127) - zero) * scale
    return float(counts @ np.square(values - restored))


METHODS: MappingProxyType[str, Callable[[Histogram], Range]] = MappingProxyType(
    {"mse": mse, "min-max": min_max, "percentile": percentile}
)
