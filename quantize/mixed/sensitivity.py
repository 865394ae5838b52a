"""What each layer's rounding costs at the output of the network.

Measured place by place: one value, or the constants of one op, rounded in a graph that is otherwise float.
A value between two layers is rounded for both, and comes out of int8 only with both. The noise of many small
roundings adds up, whichever they are, so that those figures tell that of any mixture of int8 and float.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx_ir as ir

from mobiledeploy.quantize.mixed.mixed_graph import MixedGraph, Rounding
from mobiledeploy.quantize.qdq.layers import Layer
from mobiledeploy.runtime.runtimes import OnnxSession, Runner, Sample
from mobiledeploy.verify.metrics import compare

__all__ = ["LayerSensitivity", "OutputNoise", "Sensitivity", "measure_sensitivity"]


@dataclass(frozen=True)
class LayerSensitivity:
    """What putting one layer into float does, as far as noise adds up.

    Attributes:
        layer: Name of the layer.
        op: ONNX type of its first op.
        gain_db: Rise of the outputs' SQNR in dB when that layer goes into float and all else stays in int8.
            Zero if its neighbours round all of its values anyway.
        alone_db: SQNR of the outputs with that layer in int8 and everything else in float.
        cost: Estimated instructions of the network with that layer in float, as multiples of those with
            everything in int8.
    """

    layer: str
    op: str
    gain_db: float
    alone_db: float
    cost: float


@dataclass(frozen=True)
class Sensitivity:
    """Where the noise at the outputs comes from.

    Attributes:
        layers: Sensitivity of each layer, in graph order.
        roundings: Name of a layer -> what is rounded because of it; others may round the same.
        noise: What each rounding adds to the outputs by itself, as a share of their energy.
    """

    layers: list[LayerSensitivity]
    roundings: Mapping[str, Sequence[Rounding]]
    noise: Mapping[Rounding, float]

    def shares(self, in_int8: Collection[str]) -> dict[str, float]:
        """Name of a layer -> its part of the noise with those in int8; what several round is split."""
        parties = Counter(rounding for name in in_int8 for rounding in self.roundings[name])
        return {
            name: math.fsum(self.noise[rounding] / parties[rounding] for rounding in self.roundings[name])
            for name in in_int8
        }


class OutputNoise:
    """SQNR of graphs against one float graph on the same samples, of the output of least SQNR.

    Args:
        model: The float graph.
        samples: A few inputs; every graph is run on each of them.

    Attributes:
        description: What it measures, in words.
    """

    def __init__(self, model: ir.Model, samples: Sequence[Sample]) -> None:
        session = OnnxSession(model)
        self._samples = samples
        self._wanted = [list(session.run(sample).values()) for sample in samples]
        self.description = f"dB of SQNR at the outputs on {len(samples)} inputs that were held out"

    def sqnr_db(self, runner: Runner) -> float:
        """Over all samples together, as in the report's checks."""
        outputs = [list(runner.run(sample).values()) for sample in self._samples]
        wanted, found = zip(*self._wanted, strict=True), zip(*outputs, strict=True)
        return min(compare(*pair).sqnr_db for pair in zip(wanted, found, strict=True))

    def mean_sqnr_db(self, runner: Runner) -> float:
        """The mean of the samples' figures in dB: one sum over all is that of the worst sample.

        What is above 150 dB, more than float32 tells apart, counts as that: without noise it is infinite.
        """
        figures = []
        for sample, wanted in zip(self._samples, self._wanted, strict=True):
            pairs = zip(wanted, runner.run(sample).values(), strict=True)
            figures.append(min(_LARGEST_DB, *(compare([one], [other]).sqnr_db for one, other in pairs)))
        return float(np.mean(figures))


_LARGEST_DB = 150.0


def measure_sensitivity(
    graph: MixedGraph, error: OutputNoise, on_measured: Callable[[], Any] = lambda: None
) -> Sensitivity:
    """The sensitivity of every layer. One run of the network on all samples for each rounding.

    Args:
        on_measured: Called after each rounding and after each layer, for progress.
    """
    noise: dict[Rounding, float] = {}
    for rounding in graph.roundings():
        session = OnnxSession(graph.rounding_once(rounding), fuse_qdq=False)
        noise[rounding] = 10.0 ** (-error.mean_sqnr_db(session) / 10.0)
        on_measured()
    remaining = set(graph.roundings(graph.layers))
    roundings: dict[str, list[Rounding]] = {}
    costs: dict[str, float] = {}
    base = graph.instructions()
    for layer in graph.layers:
        others = [other for other in graph.layers if other is not layer]
        roundings[layer.name] = [each for each in graph.roundings(others) if each not in remaining]
        costs[layer.name] = graph.instructions([layer]) / base
        on_measured()
    parties = Counter(rounding for several in roundings.values() for rounding in several)
    everything_db = _decibels(noise.values())

    def described(layer: Layer) -> LayerSensitivity:
        own = roundings[layer.name]
        without = [noise[each] for each in noise if each not in own or parties[each] > 1]
        alone_db = _decibels(noise[each] for each in own)
        gain_db = _decibels(without) - everything_db
        return LayerSensitivity(layer.name, layer.op, gain_db, alone_db, costs[layer.name])

    return Sensitivity([described(layer) for layer in graph.layers], roundings, noise)


def _decibels(noise: Iterable[float]) -> float:
    """SQNR with all of that noise, shares of the outputs' energy."""
    return -10.0 * math.log10(max(math.fsum(noise), 10.0 ** (-_LARGEST_DB / 10.0)))
