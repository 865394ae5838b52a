"""A graph executed on several samples at once, halting at nodes so that what they compute can be changed."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import onnx
import onnx_ir as ir
from numpy.typing import NDArray

from mobiledeploy.graph.onnx_graph import name_of, result_of
from mobiledeploy.runtime.runtimes import OnnxSession, Sample

__all__ = ["BatchedExecutor", "largest_live_bytes"]

Array = NDArray[Any]


class BatchedExecutor:
    """Runs the nodes of a graph in order, each once for every sample.

    In memory is, for every sample, what nodes further on still read: see ``largest_live_bytes``.

    Args:
        model: A graph with its nodes in an order in which they can run; it is read when they run.
        samples: Input name -> array.
    """

    def __init__(self, model: ir.Model, samples: Sequence[Sample]) -> None:
        self._model = model
        self._nodes = list(model.graph)
        self._done = 0
        self._values: list[dict[str, Array]] = [dict(sample) for sample in samples]
        self._last_use = _last_uses(model.graph)

    def run_to(self, node: ir.Node) -> list[Array]:
        """Run up to a node and with it. Its first output, for each sample.

        Raises:
            ValueError: The node has run already, or is not in the graph.
            UnsupportedModelError: ONNX Runtime refuses a node.
        """
        end = self._nodes.index(node, self._done) + 1
        result = result_of(node)
        session, inputs = self._session(end, result)

        def run(values: dict[str, Array]) -> dict[str, Array]:
            found = session.run({name: values[name] for name in inputs})
            kept = {name: array for name, array in values.items() if self._last_use.get(name, -1) >= end}
            return kept | found

        with ThreadPoolExecutor(os.cpu_count()) as threads:
            self._values = list(threads.map(run, self._values))
        self._done = end
        return [values[result] for values in self._values]

    def change(self, node: ir.Node, change: Callable[[Array], Array]) -> None:
        """Change the first output of the node that has run last, for each sample."""
        name = result_of(node)
        for values in self._values:
            values[name] = change(values[name])

    def _session(self, end: int, result: str) -> tuple[OnnxSession, list[str]]:
        """What runs the nodes up to ``end``, and the names that it takes."""
        nodes, graph = self._nodes[self._done : end], self._model.graph
        made = dict.fromkeys(name_of(value) for node in nodes for value in node.outputs)
        read = dict.fromkeys(name_of(value) for node in nodes for value in node.inputs if value is not None)
        inputs = [name for name in read if name not in made and name not in graph.initializers]
        part = onnx.GraphProto(name="part")
        part.node.extend(ir.to_proto(node) for node in nodes)
        constants = [graph.initializers[name].const_value for name in read if name in graph.initializers]
        part.initializer.extend(ir.to_proto(tensor) for tensor in constants if tensor is not None)
        part.input.extend(_declared(name, self._values[0][name]) for name in inputs)
        part.output.extend(
            onnx.ValueInfoProto(name=name)
            for name in made
            if name == result or self._last_use.get(name, -1) >= end
        )
        opsets = [onnx.helper.make_opsetid(*item) for item in self._model.opset_imports.items()]
        model = onnx.helper.make_model(part, opset_imports=opsets, ir_version=self._model.ir_version)
        # One thread and no rewriting: the same bits every time. Samples run side by side instead.
        return OnnxSession(model, optimize=False, threads=1), inputs


def largest_live_bytes(graph: ir.Graph) -> int:
    """The most that one sample's values take in memory at any time while the nodes run in order."""
    last, size = _last_uses(graph), {name_of(value): _bytes(value) for value in graph.inputs}
    largest = 0
    for index, node in enumerate(graph):
        size |= {name_of(value): _bytes(value) for value in node.outputs}
        largest = max(largest, sum(size.values()))
        size = {name: count for name, count in size.items() if last.get(name, -1) > index}
    return largest


def _last_uses(graph: ir.Graph) -> dict[str, int]:
    """Value name -> place in the order of nodes of the last one that reads it."""
    return {
        name_of(value): index
        for index, node in enumerate(graph)
        for value in node.inputs
        if value is not None
    }


def _bytes(value: ir.Value) -> int:
    shape = value.shape.numpy() if value.shape is not None and value.shape.is_static() else ()
    return math.prod(shape) * math.ceil(value.dtype.itemsize if value.dtype is not None else 4)


def _declared(name: str, array: Array) -> onnx.ValueInfoProto:
    kind = onnx.helper.np_dtype_to_tensor_dtype(array.dtype)
    return onnx.helper.make_tensor_value_info(name, kind, array.shape)
