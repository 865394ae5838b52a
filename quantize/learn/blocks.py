"""Cut a graph into blocks: stretches between values that all dataflow passes through.

A residual or squeeze-excite block comes out whole, since its branches run side by side. BRECQ (Li et al.,
arXiv 2102.05426) finds blocks a better unit to reconstruct than layers, whose errors depend on each other.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import onnx_ir as ir

from mobiledeploy.graph.onnx_graph import activations_of, constant, result_of
from mobiledeploy.graph.op_traits import WEIGHTED
from mobiledeploy.quantize.qdq.plan import Plan

__all__ = ["Block", "find_blocks"]


@dataclass(frozen=True, eq=False)
class Block:
    """A stretch of the graph.

    Attributes:
        nodes: Its nodes, in graph order.
        inputs: Values that they read from before it: one value, or the graph's inputs.
        outputs: The value that the next block reads, and the graph's outputs among those computed here.
    """

    nodes: Sequence[ir.Node]
    inputs: Sequence[ir.Value]
    outputs: Sequence[ir.Value]


def find_blocks(graph: ir.Graph, plan: Plan, linear_nodes: int = 3) -> list[Block]:
    """The blocks in graph order; together they are the whole graph.

    Args:
        linear_nodes: The least number of linear nodes in a block. Stretches of fewer are joined to the next
            one, so that the layers of an inverted bottleneck without a sum stay together.
    """
    blocks: list[Block] = []
    nodes: list[ir.Node] = []
    inputs: Sequence[ir.Value] = list(graph.inputs)
    stretches = list(_stretches(graph, plan))
    weights_left = [sum(node.op_type in WEIGHTED for node in nodes) for nodes, _ in stretches]
    for index, (stretch, cut) in enumerate(stretches):
        nodes += stretch
        enough = sum(node.op_type in WEIGHTED for node in nodes) >= linear_nodes
        enough_after = sum(weights_left[index + 1 :]) >= linear_nodes
        if cut is not None and not (enough and enough_after):
            continue
        computed = {value for node in nodes for value in node.outputs}
        outputs = [value for value in graph.outputs if value in computed]
        if cut is not None and cut not in outputs:
            outputs.insert(0, cut)
        blocks.append(Block(nodes, inputs, outputs))
        nodes, inputs = [], [] if cut is None else [cut]
    return blocks


def _stretches(graph: ir.Graph, plan: Plan) -> Iterator[tuple[list[ir.Node], ir.Value | None]]:
    """Nodes up to a value that is all that later nodes read, with that value; None after the last."""
    position = {node: index for index, node in enumerate(graph)}
    last = {
        value: max(position[use.node] for use in value.uses())
        for value in activations_of(graph).values()
        if value.uses() and constant(value) is None
    }
    alive = {value for value in graph.inputs if value in last}
    nodes: list[ir.Node] = []
    for index, node in enumerate(graph):
        nodes.append(node)
        alive |= {value for value in node.outputs if value in last}
        alive = {value for value in alive if last[value] > index}
        if len(alive) == 1 and _is_kept_apart(value := next(iter(alive)), plan):
            yield nodes, value
            nodes = []
    yield nodes, None


def _is_kept_apart(value: ir.Value, plan: Plan) -> bool:
    """Whether ops before and after a value compute apart: false between an op and its fused activation."""
    node = value.producer()
    rounded = plan.params_of(value) is not None
    return rounded or node is None or result_of(node) not in plan.points.integer_nodes
