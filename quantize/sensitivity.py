"""What each layer's rounding costs at the output of the network.

Measured both ways, as mixed precision would have it: the layer in float in a graph that is otherwise int8
throughout, and in int8 in one that is otherwise float, with the Q/DQ pairs that int8 ops need. The first is
what one layer in float gains now, which is often little while its neighbours round the same values. The
second adds up better over many layers, and orders them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx_ir as ir

from mobiledeploy.metrics import compare
from mobiledeploy.quantize.layers import Layer
from mobiledeploy.quantize.mixed_cost import estimated_instructions
from mobiledeploy.quantize.mixed_graph import MixedGraph
from mobiledeploy.runtimes import OnnxSession, Runner, Sample

__all__ = ["LayerSensitivity", "OutputError", "measure_sensitivity"]


@dataclass(frozen=True)
class LayerSensitivity:
    """What putting one layer into float does.

    Attributes:
        layer: Its name.
        op: ONNX type of its first op.
        gain_db: Of the outputs' SQNR, in dB: with that layer in float less with everything in int8; below
            zero where roundings happen to cancel.
        alone_db: SQNR of the outputs with that layer in int8 and everything else in float.
        cost: Estimated instructions of the network with that layer in float, as multiples of those with
            everything in int8.
    """

    layer: str
    op: str
    gain_db: float
    alone_db: float
    cost: float

    @property
    def noise(self) -> float:
        """What it adds to the outputs when it is alone in int8, as a share of their energy."""
        return float(10.0 ** (-self.alone_db / 10.0))


class OutputError:
    """SQNR of graphs against one float graph on the same samples, of the output of least SQNR.

    Args:
        model: The float graph.
        samples: A few; every graph is run on each of them.

    Attributes:
        description: What it measures, for the report.
    """

    def __init__(self, model: ir.Model, samples: Sequence[Sample]) -> None:
        session = OnnxSession(model)
        self._samples = samples
        self._wanted = [list(session.run(sample).values()) for sample in samples]
        self.description = f"dB of SQNR at the outputs on {len(samples)} inputs that were held back"

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
    graph: MixedGraph, error: OutputError, on_layer: Callable[[], Any] = lambda: None
) -> list[LayerSensitivity]:
    """The sensitivity of every layer, in graph order. Two runs of the network on all samples for each.

    Args:
        on_layer: Called after each layer, for progress.
    """

    def measured(layers: Sequence[Layer]) -> tuple[float, float]:
        qdq = graph.draft(layers)
        sqnr_db = error.mean_sqnr_db(OnnxSession(qdq, optimize=False))
        return sqnr_db, estimated_instructions(qdq, graph.target)

    base_db, base = measured([])
    found = []
    for layer in graph.layers:
        sqnr_db, instructions = measured([layer])
        alone_db, _ = measured([other for other in graph.layers if other is not layer])
        cost = instructions / base
        found.append(LayerSensitivity(layer.name, layer.op, sqnr_db - base_db, alone_db, cost))
        on_layer()
    return found
