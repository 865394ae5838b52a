"""What a user takes for a layer: a linear op with the activation that follows it, or another op that rounds.

Rounding is kept, measured and explained layer by layer.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import onnx_ir as ir

from mobiledeploy.graph.onnx_graph import constant, result_of
from mobiledeploy.graph.op_traits import BROADCASTING, ELEMENTWISE, SAME_SCALE
from mobiledeploy.quantize.qdq.plan import weights_of
from mobiledeploy.quantize.qdq.points import fused_activation
from mobiledeploy.runtime.targets import Target

__all__ = ["Layer", "layers_of"]


@dataclass(frozen=True)
class Layer:
    """Nodes that compute on integers or in float together.

    Attributes:
        name: Name of the result of its first op and the activation fused into it, as in ``Report.layers``.
        op: ONNX type of its first op.
        nodes: Names of its nodes' first results, in graph order. The last is what the layer computes.
        linear: Whether it applies weights.
    """

    name: str
    op: str
    nodes: tuple[str, ...]
    linear: bool

    @property
    def output(self) -> str:
        """The name of the value that it computes."""
        return self.nodes[-1]


def layers_of(graph: ir.Graph, integer_nodes: Collection[str], target: Target) -> list[Layer]:
    """The layers of a float graph that round when quantized, in graph order.

    Args:
        integer_nodes: The nodes that will compute on integers, by the names of their first results.
    """
    layers: list[Layer] = []
    taken: set[ir.Node] = set()
    for node in graph:
        if result_of(node) not in integer_nodes or node in taken or node.op_type in SAME_SCALE:
            continue
        activation = fused_activation(node, target)
        first = [node] if activation is None else [node, activation]
        linear = weights_of(node) is not None
        nodes = _with_own_activation(graph, first, integer_nodes) if linear else first
        taken.update(nodes)
        names = tuple(result_of(each) for each in nodes)
        layers.append(Layer(names[len(first) - 1], node.op_type, names, linear))
    return layers


def _with_own_activation(
    graph: ir.Graph, first: Sequence[ir.Node], integer_nodes: Collection[str]
) -> list[ir.Node]:
    """The nodes, and those that compute elementwise from their last result alone, if no others read it.

    An h-swish is three such nodes.
    """
    inside = {first[-1].outputs[0]}
    found: list[ir.Node] = []
    pending = [use.node for use in first[-1].outputs[0].uses()]
    while pending:
        node = pending.pop(0)
        operands = [value for value in node.inputs if value is not None and constant(value) is None]
        if (
            node in found
            or node.op_type not in ELEMENTWISE | BROADCASTING
            or result_of(node) not in integer_nodes
        ):
            continue
        if all(value in inside for value in operands):
            found.append(node)
            inside.add(node.outputs[0])
            pending += [use.node for use in node.outputs[0].uses()]
    members = {*first, *found}
    # Values that others read, too, must be the last one: the layer has a single result.
    leaving = [
        value
        for value in inside
        if value.is_graph_output() or any(use.node not in members for use in value.uses())
    ]
    if len(leaving) != 1 or leaving[0] is first[-1].outputs[0]:
        return list(first)
    return [node for node in graph if node in members]
