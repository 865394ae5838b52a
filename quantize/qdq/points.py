"""Which values of a float graph carry quantization parameters, and which of them must share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import onnx_ir as ir

from mobiledeploy.exporters.rewrites.fuse_activation import will_fuse
from mobiledeploy.graph.onnx_graph import constant, name_of, result_of
from mobiledeploy.graph.op_traits import SAME_SCALE
from mobiledeploy.runtime.targets import Target

__all__ = ["QuantizationPoints", "find_points", "fused_activation"]


@dataclass(frozen=True)
class QuantizationPoints:
    """Attributes:
    groups: Names of values that share parameters, in graph order; most groups have one member.
    integer_nodes: Nodes that will compute on integers (int8, or int16 activations with int8 weights), by the
        names of their first results.
    """

    groups: list[list[str]] = field(default_factory=list)
    integer_nodes: set[str] = field(default_factory=set)

    @property
    def values(self) -> list[str]:
        """Names of all values that carry parameters."""
        return [name for group in self.groups for name in group]


def fused_activation(node: ir.Node, target: Target) -> ir.Node | None:
    """Return the activation that will be fused into a node, if there is one."""
    readers = (use.node for use in node.outputs[0].uses())
    return next((reader for reader in readers if will_fuse(node, reader, target)), None)


def find_points(
    graph: ir.Graph, target: Target, has_integer_form: Callable[[ir.Node], bool]
) -> QuantizationPoints:
    """Find the quantization points of a float graph that has been rewritten for the target.

    A value between an op and the activation that will be fused into it carries none: integers never see it.
    """
    integer_nodes = {node for node in graph if has_integer_form(node)}
    group_of: dict[ir.Value, list[ir.Value]] = {}

    def add(value: ir.Value) -> None:
        if value not in group_of and value.dtype in (ir.DataType.FLOAT, None):
            group_of[value] = [value]

    for value in graph.inputs:
        if any(use.node in integer_nodes for use in value.uses()):
            add(value)
    for node in graph:
        for operand in node.inputs:
            if node in integer_nodes and operand is not None and constant(operand) is None:
                producer = operand.producer()
                if producer is None or not will_fuse(producer, node, target):
                    add(operand)
        if node in integer_nodes and fused_activation(node, target) is None:
            for value in node.outputs:
                add(value)
        if node.op_type in SAME_SCALE and node in integer_nodes:
            shared = [v for v in (*node.inputs, *node.outputs) if v is not None and v in group_of]
            _join(group_of, shared)
    unique = {id(group): group for group in group_of.values()}
    groups = [[name_of(value) for value in group] for group in unique.values()]
    return QuantizationPoints(groups, {result_of(node) for node in integer_nodes})


def _join(group_of: dict[ir.Value, list[ir.Value]], members: list[ir.Value]) -> None:
    for value in members[1:]:
        first, other = group_of[members[0]], group_of[value]
        if first is not other:
            first.extend(other)
            group_of.update(dict.fromkeys(other, first))
