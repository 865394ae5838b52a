"""What rounding is going to cost at the ops that read a value, relative to what they compute.

A linear op y = w * x that is computed in int8 gets noise from two sources. With s_c a factor on channel c:

    activations   step(x)^2 / 12 * sum over o, c of (w_oc / s_c)^2      one step for all channels of a tensor
    weights       sum over o of step_o^2 / 12 * sum over c of (s_c x_c)^2     one step per output channel o

The first falls when the channels of x have equal magnitudes, the second when the columns of w do: a factor
trades one for the other. Both are divided by the power of y. A depthwise op has one column per output, so a
factor costs its weights nothing.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from mobiledeploy.graph.linear import by_channels
from mobiledeploy.graph.onnx_graph import float_array, shape_of
from mobiledeploy.quantize.weights.channel_factors import ChannelFactors, Factors
from mobiledeploy.quantize.weights.channel_statistics import ChannelStatistics, Numbers

__all__ = ["NoisyTensor", "Reader", "predicted_noise", "readers", "tensors"]

_LEVELS = 255.0
_LARGEST_WEIGHT = 127.0


@dataclass(frozen=True, eq=False)
class Reader:
    """A linear op as the reader of its input.

    Attributes:
        factors: Numbers of the factors of its input channels, (inputs,).
        weight_absmax: Largest magnitude of the weights, (groups, outputs of a group, inputs of a group).
        gain: Noise power per output position for a unit of it on an input channel, relative to the power of
            the output, (inputs,).
        cost: The same for a unit of noise power on the weights of an output channel, times that channel's
            inputs: power of each input channel times taps, (groups, inputs of a group).
        elements: Number of elements of an input channel.
    """

    factors: Factors
    weight_absmax: NDArray[np.float64]
    gain: Numbers
    cost: NDArray[np.float64]
    elements: int


@dataclass(frozen=True, eq=False)
class NoisyTensor:
    """Values that share one scale, as their channels one after the other.

    Attributes:
        factors: Numbers of the factors of the channels.
        low: Smallest value of each channel.
        high: Largest value of each channel.
        gain: What noise on each channel costs at its readers.
    """

    factors: Factors
    low: Numbers
    high: Numbers
    gain: Numbers


def readers(channels: ChannelFactors, seen: Mapping[ir.Value, ChannelStatistics]) -> list[Reader]:
    """The linear ops of a graph; those whose statistics are known."""
    found = []
    for node in channels.linear:
        x, y, weights = node.inputs[0], node.outputs[0], float_array(node.inputs[1])
        if x is None or weights is None or x not in seen or y not in seen:
            continue
        matrix = by_channels(node, weights).astype(np.float64)
        power = max(float(seen[y].variance.sum()), float(np.finfo(np.float32).tiny))
        squares = np.square(matrix).sum(axis=(1, 3))  # (groups, inputs of a group)
        cost = seen[x].mean_square.reshape(squares.shape) * matrix.shape[3] / power
        absmax = np.abs(matrix).max(axis=3)
        gain = squares.reshape(-1) / power
        found.append(Reader(channels.of[x], absmax, gain, cost, _elements(x)))
    return found


def tensors(
    groups: Sequence[Sequence[ir.Value]],
    channels: ChannelFactors,
    seen: Mapping[ir.Value, ChannelStatistics],
    reading: Sequence[Reader],
) -> list[NoisyTensor]:
    """The groups of values that share a scale, as far as their statistics are known."""
    gains: dict[int, Numbers] = {}  # elements of a channel -> gain of each factor
    found = []
    for group in groups:
        known = [value for value in group if value in seen]
        if not known:
            continue
        for elements in {_elements(value) for value in known} - set(gains):
            gains[elements] = _gains(reading, elements, channels.count)
        found.append(
            NoisyTensor(
                np.concatenate([channels.of[value] for value in known]),
                np.concatenate([seen[value].low for value in known]),
                np.concatenate([seen[value].high for value in known]),
                np.concatenate([gains[_elements(value)][channels.of[value]] for value in known]),
            )
        )
    return found


def _gains(reading: Sequence[Reader], elements: int, count: int) -> Numbers:
    """What noise costs at the readers, on a value with so many elements per channel, by factor.

    Before a reader with fewer, an average has been taken, of noise as of everything.
    """
    total = np.zeros(count)
    for reader in reading:
        np.add.at(total, reader.factors, reader.gain * min(1.0, reader.elements / elements))
    return total


def predicted_noise(held: Sequence[NoisyTensor], reading: Sequence[Reader], factors: Numbers) -> float:
    """Noise over signal, summed over the readers.

    Args:
        factors: The factors, by number.
    """
    total = 0.0
    for tensor in held:
        s = factors[tensor.factors]
        step = (max((s * tensor.high).max(), 0.0) - min((s * tensor.low).min(), 0.0)) / _LEVELS
        total += step**2 / 12 * float((tensor.gain / s**2).sum())
    for reader in reading:
        s = factors[reader.factors].reshape(reader.cost.shape)
        largest = (reader.weight_absmax / s[:, None]).max(axis=2)  # (groups, outputs of a group)
        steps = largest / _LARGEST_WEIGHT
        total += float((np.square(steps).sum(axis=1) / 12 * (reader.cost * s**2).sum(axis=1)).sum())
    return total


def _elements(value: ir.Value) -> int:
    sizes = shape_of(value)
    return math.prod(sizes) // sizes[1]
