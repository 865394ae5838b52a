"""From a histogram to a range: the calibration methods.

A method maps a Histogram to (low, high), the real numbers that int8 shall cover. To add one: write the
function, list it in _BUILT_IN, and its name in calibrators.py; or, from outside, ``register_calibrator``.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mobiledeploy.graph.params import activation_params
from mobiledeploy.quantize.calibrate.calibrators import Method, registered_methods
from mobiledeploy.quantize.calibrate.histogram import Histogram

__all__ = ["Range", "cubed", "entropy", "methods", "min_max", "moving_average", "mse", "percentile"]

Range = tuple[float, float]

Floats = NDArray[np.float64]

_CANDIDATES = 64  # ranges that are tried at each end


def min_max(histogram: Histogram) -> Range:
    """Everything that was seen."""
    return histogram.low, histogram.high


def moving_average(histogram: Histogram) -> Range:
    """The average extremes of one input, later inputs weighing more.

    As TFLite's quantization-aware training and PyTorch's MovingAverageMinMaxObserver take them; Jacob et al.,
    arXiv 1712.05877, section 3.1.
    """
    return histogram.moving_low, histogram.moving_high


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


def cubed(histogram: Histogram) -> Range:
    """The range of least mean cubed error, clipping and rounding together, of the parameters int8 would use.

    Squares are right for an error that is noise. Clipping is none: it takes away the few large values by
    which a network tells one input from another, always in the same direction. The third power lets one large
    error outweigh many small ones; cf. AdaRound's and BRECQ's code, whose ranges have the least error to the
    power of 2.4. Measured on trained networks: docs/calibration.md.
    """
    return _least_error(histogram, histogram.counts, lambda error: np.abs(error) ** 3)


def mse(histogram: Histogram) -> Range:
    """The range of least mean squared quantization error, clipping and rounding together.

    The error is relative to the energy of the sample it occurs in, so that a few inputs of large activations
    do not widen the range at the cost of all others.

    The error is that of the very parameters that int8 would use. Cf. Banner et al., arXiv 1810.05723, who
    solve the same problem for Gaussian and Laplacian densities.
    """
    return _least_error(histogram, histogram.weights, np.square)


def _least_error(histogram: Histogram, weights: NDArray[Any], cost: Callable[[Floats], Floats]) -> Range:
    """The range of least mean cost of the errors of rounding, each bin with its weight."""
    used = weights > 0
    values, weights = histogram.centers()[used], weights[used]

    def error(low: float, high: float) -> float:
        levels, scale, zero = _levels(values, low, high)
        return float(weights @ cost(values - (levels - zero) * scale))

    return _descend(histogram, error, least_share=0.2)


def entropy(histogram: Histogram) -> Range:
    """The range whose int8 values are distributed most like the real ones: least Kullback-Leibler divergence.

    The method of TensorRT (Migacz, "8-bit Inference with TensorRT", GTC 2017), with the levels of asymmetric
    int8 instead of 128 levels of a magnitude: P is the histogram with all that lies outside of the range put
    into its outermost bins, Q spreads what lies within evenly over those bins of a level that hold
    something. What is clipped is in P and not in Q, which is what clipping costs.

    The bin that holds 0 counts as its larger neighbour at most: 0 is exact in any range, and behind a ReLU it
    would outweigh all else.
    """
    counts = histogram.counts.astype(np.float64)
    values = histogram.centers()
    zero = -histogram.first
    around = [counts[place] for place in (zero - 1, zero + 1) if 0 <= place < len(counts)]
    if around:
        counts[zero] = min(counts[zero], max(around))
    if not counts.any():
        return histogram.low, histogram.high
    filled = counts > 0

    def divergence(low: float, high: float) -> float:
        first, last = (math.floor(end / histogram.width) - histogram.first for end in (low, high))
        p = counts[first : last + 1].copy()
        level = _levels(values[first : last + 1], low, high)[0].astype(np.int64)
        level -= level[0]
        holds = filled[first : last + 1].astype(np.float64)
        mass, places = np.bincount(level, p), np.bincount(level, holds)
        q = holds * (mass / np.maximum(places, 1))[level]
        p[0] += counts[:first].sum()
        p[-1] += counts[last + 1 :].sum()
        return _divergence(p, q)

    return _descend(histogram, divergence, least_share=0.1)


def _divergence(p: Floats, q: Floats) -> float:
    """Kullback-Leibler divergence of two unscaled distributions.

    Where q has nothing for what p has, it is given a millionth of the total.
    """
    if not q.any():
        return math.inf
    held = p > 0
    p, q = p[held] / p.sum(), q[held] / q.sum()
    return float(p @ np.log(p / np.maximum(q, 1e-6)))


def _descend(histogram: Histogram, cost: Callable[[float, float], float], least_share: float) -> Range:
    """Coordinate descent over the two ends, each on a grid of shares of its extreme; the wider on a tie."""
    shares = np.linspace(1.0, least_share, _CANDIDATES)
    low, high = min(histogram.low, 0.0), max(histogram.high, 0.0)
    best_low, best_high = low, high
    for _ in range(2):
        if high > 0:
            tried = [(best_low, float(high * share)) for share in shares]
            best_high = min(tried, key=lambda each: cost(*each))[1]
        if low < 0:
            tried = [(float(low * share), best_high) for share in shares]
            best_low = min(tried, key=lambda each: cost(*each))[0]
    return best_low, best_high


def _levels(values: Floats, low: float, high: float) -> tuple[Floats, float, int]:
    """The int8 numbers of values if [low, high] is the range, with its scale and zero point."""
    params = activation_params(low, high)
    scale, zero = float(params.scale[0]), int(params.zero_point[0])
    return np.clip(np.rint(values / scale) + zero, -128, 127), scale, zero


_BUILT_IN: MappingProxyType[str, Method] = MappingProxyType(
    {
        "cubed": cubed,
        "mse": mse,
        "min-max": min_max,
        "moving-average": moving_average,
        "percentile": percentile,
        "entropy": entropy,
    }
)


def methods() -> dict[str, Method]:
    """Return all calibration methods by name: the built-in ones, then those that were registered."""
    return {**_BUILT_IN, **registered_methods()}
