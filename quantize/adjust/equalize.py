"""Cross-layer equalization: scale channels so that one step per tensor suits them all.

Nagel et al., arXiv 1906.04721, and Meller et al., arXiv 1902.01917, balance the weights of neighbouring layers,
since their weights share one step per tensor. Here weights have a step per output channel, so what a factor can
gain lies in the activation between the layers, and what it costs in the weights that read it. With r_c how far
channel c of the activation reaches and w_c the largest weight that reads it, the factors considered are

    t_c = w_c^(1 - a) / r_c^a            1/2 <= a <= 1

from equal products of both (a = 1/2, as 1906.04721 has it) to activations that reach equally far (a = 1); cf.
SmoothQuant, arXiv 2211.10438. They undo any factors that a network came with.

Channels whose t_c is within 4 times of the middle one keep the scale that they have. To level those, too, lowers the
predicted noise and not the measured one: that every channel then touches the end of the range costs, in values that
are clipped, what the finer steps gain.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from mobiledeploy.quantize.adjust.channel_factors import Factors
from mobiledeploy.quantize.adjust.channel_statistics import Numbers
from mobiledeploy.quantize.adjust.predicted_noise import Reader, Tensor, predicted_noise

__all__ = ["Choice", "choose_factors", "coupled"]

_EXPONENTS = (0.5, 0.625, 0.75, 0.875, 1.0)

_MOST = 2.0**12
"""Between the middle factor of those chosen together and any other."""

_TOLERATED = 4.0
"""Between the middle factor and one that is taken for that of an ordinary channel."""

_LEAST_GAIN = 2.0
"""By how much the predicted noise must fall: less is within the error of the prediction."""


@dataclass(frozen=True, eq=False)
class Choice:
    """Factors that were chosen together.

    Attributes:
        held: The tensors that they act on.
        reading: The ops that read those.
        numbers: Of the factors that may differ from 1.
        exponent: The ``a`` that was chosen; None where it is best to leave everything as it is.
        before: Predicted noise with all factors 1.
        after: With the factors that were chosen.
    """

    held: Sequence[Tensor]
    reading: Sequence[Reader]
    numbers: Factors
    exponent: float | None
    before: float
    after: float


def coupled(
    held: Sequence[Tensor], reading: Sequence[Reader], free: Factors
) -> Iterator[tuple[list[Tensor], list[Reader], Factors]]:
    """Tensors and readers in parts that share no free factor: each part may be decided alone.

    Args:
        free: Numbers of the factors that may differ from 1.
    """
    parts: list[tuple[list[Tensor], list[Reader], set[int]]] = []
    may = set(free.tolist())
    for item in (*held, *reading):
        numbers = may.intersection(item.factors.tolist())
        if not numbers:
            continue
        touched = [part for part in parts if not part[2].isdisjoint(numbers)]
        parts = [part for part in parts if part not in touched]
        merged: tuple[list[Tensor], list[Reader], set[int]] = ([], [], numbers)
        for part in touched:
            merged[0].extend(part[0])
            merged[1].extend(part[1])
            merged[2].update(part[2])
        (merged[0] if isinstance(item, Tensor) else merged[1]).append(item)  # type: ignore[arg-type]
        parts.append(merged)
    for part in parts:
        yield part[0], part[1], np.array(sorted(part[2]), np.int64)


def choose_factors(
    held: Sequence[Tensor], reading: Sequence[Reader], numbers: Factors, factors: Numbers
) -> Choice:
    """Choose the factors of those numbers, in place in ``factors``, where all others stay 1."""
    trial = factors.copy()
    reach, peak = _reach(held, len(factors)), _peak(reading, len(factors))
    before = best = predicted_noise(held, reading, trial)
    exponent, chosen = None, trial[numbers]
    for a in _EXPONENTS:
        trial[numbers] = _factors(reach[numbers], peak[numbers], a)
        noise = predicted_noise(held, reading, trial)
        if noise < best:
            exponent, best, chosen = a, noise, trial[numbers]
    if best * _LEAST_GAIN > before:
        return Choice(held, reading, numbers, None, before, before)
    factors[numbers] = chosen
    return Choice(held, reading, numbers, exponent, before, best)


def _factors(reach: Numbers, peak: Numbers, exponent: float) -> Numbers:
    """The factors for one exponent; 1 for ordinary channels, and those that hold nothing or that nobody reads."""
    used = (reach > 0) & (peak > 0)
    if not used.any():
        return np.ones(len(reach))
    logs = np.zeros(len(reach))
    logs[used] = (1 - exponent) * np.log2(peak[used]) - exponent * np.log2(reach[used])
    logs[used] -= np.median(logs[used])
    bound = np.log2(_MOST)
    return np.where(np.abs(logs) > np.log2(_TOLERATED), 2.0 ** np.clip(logs, -bound, bound), 1.0)


def _reach(held: Iterable[Tensor], count: int) -> Numbers:
    """How far each factor's channels reach, relative to the tensors that they are in; 0 for no reach."""
    found = np.zeros(count)
    for tensor in held:
        reach = np.maximum(np.abs(tensor.low), np.abs(tensor.high))
        np.maximum.at(found, tensor.factors, reach / _middle(reach))
    return found


def _peak(reading: Sequence[Reader], count: int) -> Numbers:
    """The largest weight that reads each factor, relative to the weights that it is among.

    Depthwise ops only count for factors that no other op reads, as their weights take any factor.
    """
    found, dense = np.zeros(count), np.zeros(count)
    for reader in reading:
        peak = reader.peaks.max(axis=1).reshape(-1)
        kind = found if reader.peaks.shape[2] == 1 else dense
        np.maximum.at(kind, reader.factors, peak / _middle(peak))
    return np.where(dense > 0, dense, found)


def _middle(values: Numbers) -> float:
    positive = values[values > 0]
    return float(np.median(positive)) if positive.size else 1.0
