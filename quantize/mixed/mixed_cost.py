"""What a graph of int8 and float ops takes to run, as far as the mixture decides it."""

from __future__ import annotations

import math
from collections.abc import Iterator

import onnx_ir as ir

from mobiledeploy.exporters.tflite.lowerings.registry import has_int8_form
from mobiledeploy.graph.onnx_graph import constant, required, shape_of
from mobiledeploy.graph.op_traits import BOUNDARY, WEIGHT_RANK, WEIGHTED, channel_axis
from mobiledeploy.runtime.targets import OpCosts, Target

__all__ = ["estimated_instructions"]


def estimated_instructions(qdq: ir.Model, target: Target) -> float:
    """Arm instructions of one inference by the target's costs: to compare mixtures, not to foretell a time.

    Args:
        qdq: A QDQ graph that has the shapes of all activations.
    """
    return sum(_instructions(qdq.graph, target))


def _instructions(graph: ir.Graph, target: Target) -> Iterator[float]:
    for node in graph:
        if node.op_type not in BOUNDARY:
            yield _of_op(node, target.costs["int8" if _is_int8(node) else "float32"])
        elif constant(node.inputs[0]) is None and _is_boundary(node):
            yield target.boundary * _elements(node.outputs[0])


def _is_int8(node: ir.Node) -> bool:
    """Whether the op computes in int8: it may, and what it computes from comes out of a DQ."""
    first = next((value.producer() for value in node.inputs if value is not None and value.producer()), None)
    return has_int8_form(node) and (first is None or first.op_type == "DequantizeLinear" or _in_fused(first))


def _in_fused(producer: ir.Node) -> bool:
    """Whether a value that carries no Q/DQ pair comes from the op that an activation is fused into."""
    return has_int8_form(producer) and len(producer.outputs[0].uses()) == 1


def _is_boundary(node: ir.Node) -> bool:
    """Whether a Q reads, or a DQ feeds, an op in float or the outside of the model."""
    if node.op_type == "QuantizeLinear":
        producer = node.inputs[0].producer() if node.inputs[0] is not None else None
        return producer is None or not has_int8_form(producer)
    readers = [use.node for use in node.outputs[0].uses()]
    return node.outputs[0].is_graph_output() or any(not has_int8_form(reader) for reader in readers)


def _of_op(node: ir.Node, costs: OpCosts) -> float:
    result, weights = node.outputs[0], node.inputs[1] if node.op_type in WEIGHTED else None
    if weights is None or len(shape := shape_of(weights)) != WEIGHT_RANK[node.op_type]:
        return costs.element * _elements(result)
    # Axis 0 of the weights counts the channels of the result, or of the input.
    source = required(node.inputs[0]) if channel_axis(node) else result
    multiply_adds = _elements(source) * math.prod(shape[1:])
    depthwise = node.op_type == "Conv" and shape[1] == 1 and node.attributes.get_int("group", 1) > 1
    return multiply_adds * (costs.depthwise if depthwise else costs.dense)


def _elements(value: ir.Value) -> int:
    return math.prod(shape_of(value))
