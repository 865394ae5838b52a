"""What each layer loses by its own rounding, with its input taken from float: apart from what it inherits.

One graph holds the float network and, beside each layer, copies of it that read the float values and round
in one respect each: a single pass over the samples measures all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from mobiledeploy.graph.onnx_graph import name_of, result_of
from mobiledeploy.graph.params import QuantParams, dequantize, quantize
from mobiledeploy.quantize.mixed.mixed_graph import MixedGraph
from mobiledeploy.quantize.qdq.insert_qdq import QdqWriter
from mobiledeploy.quantize.qdq.layers import Layer
from mobiledeploy.runtime.runtimes import OnnxSession, Sample
from mobiledeploy.verify.metrics import Accumulator

__all__ = ["LocalLoss", "Part", "local_losses"]

Part = Literal["all", "constants", "inner", "result"]
"""What a copy rounds: everything, constants (weights, biases), values inside of the layer, its result."""


@dataclass(frozen=True)
class LocalLoss:
    """SQNR of a layer's result against float, in dB.

    Attributes:
        cumulated: SQNR with everything before it in int8, too.
        own: Part of it that is rounded -> SQNR with its input from float.
        passed: Name of a layer that it reads -> SQNR with only that layer rounded, and its input from float.
            An SQNR says little of one layer's result if one channel of it is loud: what the others lose shows
            in the layers that read them.
    """

    layer: Layer
    cumulated: float
    own: dict[Part, float]
    passed: dict[str, float]

    @property
    def own_share(self) -> float:
        """The share of the noise in its result that it adds itself; above 1 where noises happen to cancel."""
        return self.share(self.own["all"])

    def share(self, sqnr_db: float) -> float:
        """The share of the noise in its result that would leave that SQNR by itself."""
        return float(10.0 ** ((self.cumulated - sqnr_db) / 10.0))


def local_losses(
    graph: MixedGraph, samples: Sequence[Sample], on_sample: Callable[[], Any] = lambda: None
) -> list[LocalLoss]:
    """The losses of every layer, in graph order.

    Args:
        on_sample: Called after each sample, for progress.
    """
    names = [layer.output for layer in graph.layers]
    beside = _Beside(graph)
    copies: dict[tuple[str, str], str] = {
        (layer.name, part): beside.copy(layer, part, {}) for layer in graph.layers for part in _PARTS
    }
    sources = {layer.name: beside.sources(layer) for layer in graph.layers}
    copies |= {
        (layer.name, source): beside.passed(layer, source)
        for layer in graph.layers
        for source in sources[layer.name]
    }
    apart = OnnxSession(beside.model, [*names, *copies.values()], optimize=False)
    qdq = graph.to_qdq()
    written = {value.name for node in qdq.graph for value in node.outputs}
    rounded = [f"{name}/real" if f"{name}/real" in written else name for name in names]
    whole = OnnxSession(qdq, rounded, optimize=False)
    cumulated = {name: Accumulator() for name in names}
    own = {key: Accumulator() for key in copies}
    outputs = {layer.name: layer.output for layer in graph.layers}
    for sample in samples:
        wanted = dict(zip(names, apart.values(sample, names), strict=True))
        for name, value in zip(names, whole.values(sample, rounded), strict=True):
            cumulated[name].add(wanted[name], value)
        for key, value in zip(copies, apart.values(sample, list(copies.values())), strict=True):
            own[key].add(wanted[outputs[key[0]]], value)
        on_sample()
    return [
        LocalLoss(
            layer,
            cumulated[layer.output].result().sqnr_db,
            {part: own[layer.name, part].result().sqnr_db for part in _PARTS},
            {source: own[layer.name, source].result().sqnr_db for source in sources[layer.name]},
        )
        for layer in graph.layers
    ]


_PARTS: tuple[Part, ...] = get_args(Part)


class _Beside:
    """Writes copies of layers beside the float graph."""

    def __init__(self, graph: MixedGraph) -> None:
        self.model = graph.exact.clone()
        self._graph = self.model.graph
        self._plan, self._writer = graph.plan, QdqWriter(self._graph)
        self._nodes = {result_of(node): node for node in self._graph}
        self._layers = {self._nodes[layer.output].outputs[0]: layer for layer in graph.layers}
        self._rounded_results: dict[str, ir.Value] = {}

    def sources(self, layer: Layer) -> list[str]:
        """The layers whose results a layer reads, without anything between."""
        read = [value for name in layer.nodes for value in self._nodes[name].inputs if value is not None]
        found = [self._layers[value].name for value in read if value in self._layers]
        return list(dict.fromkeys(name for name in found if name != layer.name))

    def passed(self, layer: Layer, source: str) -> str:
        """Write a copy that rounds nothing, but reads the rounding copy of a source; the result's name."""
        result = next(value for value, found in self._layers.items() if found.name == source)
        return self.copy(layer, f"of {source}", {result: self._rounded_results[source]})

    def copy(self, layer: Layer, part: str, mapped: dict[ir.Value, ir.Value]) -> str:
        """Write a copy that rounds in that respect; the name of its result.

        Args:
            mapped: Value that the layer reads -> what the copy reads in its place.
        """
        for name in layer.nodes:
            node = self._nodes[name]
            inputs = [None if value is None else mapped.get(value, value) for value in node.inputs]
            if part in ("all", "constants"):
                inputs = self._with_rounded_constants(node, inputs)
            copy = ir.Node(
                node.domain,
                node.op_type,
                inputs,
                [a for a in node.attributes.values() if isinstance(a, ir.Attr)],
                num_outputs=len(node.outputs),
                name=f"{name}/beside/{part}",
            )
            self._graph.append(copy)
            for value, other in zip(node.outputs, copy.outputs, strict=True):
                other.name, other.dtype = f"{value.name}/beside/{part}", ir.DataType.FLOAT
                inner = name != layer.output
                rounds = part == "all" or part == ("inner" if inner else "result")
                params = self._plan.params_of(value)
                mapped[value] = self._writer.add_pair(other, params) if rounds and params else other
        result = mapped[self._nodes[layer.output].outputs[0]]
        if part == "all":
            self._rounded_results[layer.name] = result
        return name_of(result)

    def _with_rounded_constants(self, node: ir.Node, inputs: list[ir.Value | None]) -> list[ir.Value | None]:
        linear, name = self._plan.linear(node), f"{result_of(node)}/beside/constant"
        if linear is not None:
            inputs[1] = self._writer.constant(f"{name}1", _rounded(linear.weights, linear.params))
            if linear.bias is not None and linear.bias_params is not None:
                inputs[2] = self._writer.constant(f"{name}2", _rounded(linear.bias, linear.bias_params))
        return inputs


def _rounded(real: NDArray[np.float32], params: QuantParams) -> NDArray[np.float32]:
    return dequantize(quantize(real, params), params)
