"""Cross-layer equalization: scale channels so that one step per tensor suits them all.

Nagel et al., arXiv 1906.04721, and Meller et al., arXiv 1902.01917, balance the weights of neighbouring
layers, since their weights share one step per tensor. Here weights have a step per output channel, so what a
factor can gain lies in the activation between the layers, and what it costs in the weights that read it.
With r_c the largest magnitude of channel c of the activation and w_c that of the weights which read it, the
factors considered are

    t_c = w_c^(1 - a) / r_c^a            1/2 <= a <= 1

from equal products of both (a = 1/2, as 1906.04721 has it) to activations of equal magnitude (a = 1); cf.
SmoothQuant, arXiv 2211.10438. They undo any factors that a network came with.

Channels whose t_c is within 4 times of the middle one keep the scale that they have. To level those, too,
lowers the predicted noise and not the measured one: where every channel touches the end of the range, one of
them is clipped more often, or the range grows.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from mobiledeploy.quantize.weights.channel_factors import Factors
from mobiledeploy.quantize.weights.channel_statistics import Numbers, relative_to_median
from mobiledeploy.quantize.weights.predicted_noise import NoisyTensor, Reader, predicted_noise

__all__ = ["Choice", "Part", "choose_factors", "coupled"]

_EXPONENTS = (0.5, 0.625, 0.75, 0.875, 1.0)

_MOST = 2.0**12
"""Between the middle factor of those chosen together and any other."""

_TOLERATED = 4.0
"""Between the middle factor and one that is taken for that of an ordinary channel."""

_LEAST_GAIN = 2.0
"""By how much the predicted noise must fall: less is within the error of the prediction."""


@dataclass(frozen=True, eq=False)
class Part:
    """What is decided together.

    Attributes:
        held: Tensors with those channels.
        reading: The ops that read them.
        numbers: Numbers of the factors that may differ from 1.
    """

    held: Sequence[NoisyTensor]
    reading: Sequence[Reader]
    numbers: Factors


@dataclass(frozen=True, eq=False)
class Choice:
    """Factors that were chosen together.

    Attributes:
        part: Part of the graph that they belong to.
        before: Predicted noise with all factors 1.
        after: Predicted noise with the factors that were chosen.
    """

    part: Part
    before: float
    after: float


def coupled(held: Sequence[NoisyTensor], reading: Sequence[Reader], movable: Factors) -> Iterator[Part]:
    """Tensors and readers in parts that share no movable factor: each part may be decided alone.

    Args:
        movable: Numbers of the factors that may differ from 1.
    """
    may = set(movable.tolist())
    parts: list[Part] = []
    own = [Part([tensor], [], tensor.factors) for tensor in held]
    own += [Part([], [reader], reader.factors) for reader in reading]
    for part in own:
        numbers = may.intersection(part.numbers.tolist())
        if not numbers:
            continue
        touched = [other for other in parts if not numbers.isdisjoint(other.numbers.tolist())]
        parts = [other for other in parts if other not in touched]
        together = [*touched, part]
        parts.append(
            Part(
                [tensor for one in together for tensor in one.held],
                [reader for one in together for reader in one.reading],
                np.array(sorted(numbers.union(*(one.numbers.tolist() for one in touched))), np.int64),
            )
        )
    yield from parts


def choose_factors(part: Part, factors: Numbers) -> Choice:
    """Choose the factors of a part, in place in ``factors``, where all others stay 1."""
    held, reading, numbers = part.held, part.reading, part.numbers
    trial = factors.copy()
    activation_absmax = _activation_absmax(held, len(factors))[numbers]
    weight_absmax = _weight_absmax(reading, len(factors))[numbers]
    before = best = predicted_noise(held, reading, trial)
    chosen = trial[numbers]
    for exponent in _EXPONENTS:
        trial[numbers] = _factors(activation_absmax, weight_absmax, exponent)
        noise = predicted_noise(held, reading, trial)
        if noise < best:
            best, chosen = noise, trial[numbers]
    if best * _LEAST_GAIN > before:
        return Choice(part, before, before)
    factors[numbers] = chosen
    return Choice(part, before, best)


def _factors(activation_absmax: Numbers, weight_absmax: Numbers, exponent: float) -> Numbers:
    """The factors for one exponent; 1 for ordinary channels, and for those that are empty or unread."""
    used = (activation_absmax > 0) & (weight_absmax > 0)
    if not used.any():
        return np.ones(len(used))
    logs = np.zeros(len(used))
    logs[used] = (1 - exponent) * np.log2(weight_absmax[used]) - exponent * np.log2(activation_absmax[used])
    logs[used] -= np.median(logs[used])
    bound = np.log2(_MOST)
    return np.where(np.abs(logs) > np.log2(_TOLERATED), 2.0 ** np.clip(logs, -bound, bound), 1.0)


def _activation_absmax(held: Iterable[NoisyTensor], count: int) -> Numbers:
    """The largest magnitude of each factor's channels, relative to the tensors that they are in."""
    found = np.zeros(count)
    for tensor in held:
        absmax = np.maximum(np.abs(tensor.low), np.abs(tensor.high))
        np.maximum.at(found, tensor.factors, relative_to_median(absmax))
    return found


def _weight_absmax(reading: Sequence[Reader], count: int) -> Numbers:
    """The largest weight that reads each factor, relative to the weights that it is among.

    Depthwise ops only count for factors that no other op reads, as their weights take any factor.
    """
    found, dense = np.zeros(count), np.zeros(count)
    for reader in reading:
        absmax = reader.weight_absmax.max(axis=1).reshape(-1)
        kind = found if reader.weight_absmax.shape[2] == 1 else dense
        np.maximum.at(kind, reader.factors, relative_to_median(absmax))
    return np.where(dense > 0, dense, found)
