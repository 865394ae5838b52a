"""From a histogram to a range: the calibration methods.

A method maps a Histogram to (low, high), the real numbers that int8 shall cover. To add one: write the
function, list it in METHODS.
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

    The error is relative to the energy of the sample it occurs in, so that a few inputs of large activations
    do not widen the range at the cost of all others.

    Coordinate descent over the two ends, each on a grid from ``floor`` times its extreme up to the extreme;
    the error is that of the very parameters that int8 would use. Cf. Banner et al., arXiv 1810.05723, who
    solve the same problem for Gaussian and Laplacian densities.
    """
    weights = histogram.weights
    used = weights > 0
    values, weights = histogram.centers()[used], weights[used]
    low, high = min(histogram.low, 0.0), max(histogram.high, 0.0)
    shares = np.linspace(1.0, floor, candidates)
    best_low, best_high = low, high
    for _ in range(2):
        if high > 0:
            best_high = _best(values, weights, [(best_low, float(high * share)) for share in shares])[1]
        if low < 0:
            best_low = _best(values, weights, [(float(low * share), best_high) for share in shares])[0]
    return best_low, best_high


def _best(values: NDArray[np.float64], weights: NDArray[np.float64], ranges: list[Range]) -> Range:
    """The first of the ranges with the least error."""
    return min(ranges, key=lambda each: _error(values, weights, *each))


def _error(values: NDArray[np.float64], weights: NDArray[np.float64], low: float, high: float) -> float:
    params = activation_params(low, high)
    scale, zero = float(params.scale[0]), int(params.zero_point[0])
    restored = (np.clip(np.rint(values / scale) + zero, -128, 127) - zero) * scale
    return float(weights @ np.square(values - restored))


METHODS: MappingProxyType[str, Callable[[Histogram], Range]] = MappingProxyType(
    {"mse": mse, "min-max": min_max, "percentile": percentile}
)
