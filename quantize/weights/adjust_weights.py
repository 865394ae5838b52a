"""Float graph -> float graph of the same function that rounds better: the steps of weight adjustment."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, islice

import numpy as np
import onnx_ir as ir

from mobiledeploy.exporters.rewrites.rule import Refusal
from mobiledeploy.exporters.tflite.lowerings.registry import has_int8_form
from mobiledeploy.graph.constants import replace_constant
from mobiledeploy.graph.linear import per_input, per_output
from mobiledeploy.graph.onnx_graph import describe, float_array, input_at, name_of, required
from mobiledeploy.quantize.qdq.points import find_points
from mobiledeploy.quantize.weights.channel_factors import ChannelFactors, channel_factors
from mobiledeploy.quantize.weights.channel_statistics import (
    ChannelStatistics,
    Numbers,
    channel_statistics,
    relative_to_median,
)
from mobiledeploy.quantize.weights.equalize import Choice, choose_factors, coupled
from mobiledeploy.quantize.weights.predicted_noise import readers, tensors
from mobiledeploy.runtime.runtimes import Sample
from mobiledeploy.runtime.targets import Target

__all__ = ["AdjustLog", "Equalized", "OutlierChannels", "adjust_weights", "scale_channels"]

_RULE = "Equalize"

_SAMPLES = 32

_OUTLIER = 10.0
"""How many times as large as the median channel of its value an outlier is."""


@dataclass(frozen=True)
class Equalized:
    """Channels that were scaled; what reads them takes the inverse.

    Attributes:
        values: Names of the values that have those channels, in graph order.
        channels: Number of channels that were scaled.
        smallest: Smallest factor.
        largest: Largest factor.
        gain_db: Predicted fall of the noise that rounding brings into the ops which read them.
    """

    values: tuple[str, ...]
    channels: int
    smallest: float
    largest: float
    gain_db: float


@dataclass(frozen=True)
class OutlierChannels:
    """Channels that are many times as large as the median one of their value.

    Attributes:
        value: Name of the value.
        channels: Numbers of the channels, from 0.
        ratios: Largest magnitude of each of them, as a multiple of the median channel's.
        left: The same ratios after equalization.
        reason: Why they were left as they are, in words; None where they were scaled.
    """

    value: str
    channels: tuple[int, ...]
    ratios: tuple[float, ...]
    left: tuple[float, ...]
    reason: str | None


@dataclass(frozen=True)
class AdjustLog:
    """What a run of weight adjustment did and declined to do.

    Attributes:
        equalized: The groups of channels that were scaled.
        outliers: Every value with outlier channels, whether or not these could be scaled.
        refused: The linear ops whose input has channels that cannot be scaled, and what forbids it.
    """

    equalized: tuple[Equalized, ...] = ()
    outliers: tuple[OutlierChannels, ...] = ()
    refused: tuple[Refusal, ...] = ()


def adjust_weights(model: ir.Model, samples: Iterable[Sample], target: Target) -> AdjustLog:
    """Equalize the channels of a float graph that has been rewritten for the target, in place.

    Exact in real arithmetic. Only channels that stand out are scaled, and only where that is predicted to
    halve the noise of rounding.

    Args:
        samples: Calibration inputs; the first 32 are run, one in memory at a time.

    Raises:
        InputError: There are no samples, or one drives a value to NaN or infinity.
    """
    channels = channel_factors(model.graph)
    values = {name_of(value): value for value in channels.of}
    points = find_points(model.graph, target, has_int8_form)
    groups = [[values[name] for name in group if name in values] for group in points.groups]
    linear = [value for node in channels.linear for value in (node.inputs[0], node.outputs[0]) if value]
    known = list(chain.from_iterable(groups))
    seen = channel_statistics(model, list(dict.fromkeys(known + linear)), islice(samples, _SAMPLES))
    reading = readers(channels, seen)
    held = tensors(groups, channels, seen, reading)
    factors = np.ones(channels.count)
    choices = [choose_factors(part, factors) for part in coupled(held, reading, channels.movable)]
    scale_channels(model.graph, channels, factors)
    return AdjustLog(
        tuple(
            _equalized(choice, channels, factors, known) for choice in choices if choice.after < choice.before
        ),
        tuple(_outliers(known, channels, seen, factors)),
        tuple(
            Refusal(_RULE, describe(node), reason)
            for node in channels.linear
            if node.inputs[0] is not None and (reason := channels.why_fixed(node.inputs[0])) is not None
        ),
    )


def scale_channels(graph: ir.Graph, channels: ChannelFactors, factors: Numbers) -> None:
    """Scale the weights and biases of the linear ops that compute and read channels, in place.

    Args:
        factors: Positive factors, by number.
    """
    for node in channels.linear:
        x, weights = required(node.inputs[0]), required(float_array(node.inputs[1]))
        entering, leaving = factors[channels.of[x]], factors[channels.of[node.outputs[0]]]
        if (entering == 1).all() and (leaving == 1).all():
            continue
        scaled = (
            weights * per_output(node, weights.shape, leaving) * per_input(node, weights.shape, 1 / entering)
        )
        replace_constant(graph, node, 1, scaled.astype(np.float32))
        bias = float_array(input_at(node, 2))
        if bias is not None:
            replace_constant(graph, node, 2, (bias * leaving).astype(np.float32))


def _equalized(
    choice: Choice, channels: ChannelFactors, factors: Numbers, known: Sequence[ir.Value]
) -> Equalized:
    numbers = choice.part.numbers
    moved = numbers[factors[numbers] != 1]
    return Equalized(
        tuple(name_of(value) for value in known if np.isin(channels.of[value], moved).any()),
        len(moved),
        float(factors[moved].min()),
        float(factors[moved].max()),
        10 * math.log10(choice.before / choice.after),
    )


def _outliers(
    known: Iterable[ir.Value],
    channels: ChannelFactors,
    seen: Mapping[ir.Value, ChannelStatistics],
    factors: Numbers,
) -> Iterable[OutlierChannels]:
    """The outliers among the channels of values; a channel counts where it occurs first."""
    counted: set[int] = set()
    for value in known:
        numbers, absmax = channels.of[value], seen[value].absmax
        ratios, left = relative_to_median(absmax), relative_to_median(absmax * factors[numbers])
        fresh = np.array([number not in counted for number in numbers.tolist()])
        found = np.flatnonzero((ratios > _OUTLIER) & fresh)
        if not found.size:
            continue
        counted.update(numbers[found].tolist())
        scaled = factors[numbers[found]] != 1
        yield OutlierChannels(
            name_of(value),
            tuple(found.tolist()),
            tuple(ratios[found].tolist()),
            tuple(left[found].tolist()),
            None if scaled.all() else _why_left(channels, numbers[found[~scaled]].tolist()),
        )


def _why_left(channels: ChannelFactors, numbers: Iterable[int]) -> str:
    reasons = (channels.fixed_by.get(number) for number in numbers)
    return next((reason for reason in reasons if reason), "to scale them is not predicted to halve the noise")
