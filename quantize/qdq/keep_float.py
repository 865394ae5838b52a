"""Which nodes stay in float because the user says so, or because an accuracy budget needs it.

A node that stays in float is marked, and `has_integer_form` is no for it from then on: what finds
quantization points gives it none of its own, and what folds Q and DQ into ops leaves it between them. The
mark is part of the ONNX file, since DequantizeLinear -> op -> QuantizeLinear alone would say that the op is
an integer one.
"""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable, Sequence
from fnmatch import fnmatchcase

import onnx_ir as ir

from mobiledeploy.base.errors import InputError
from mobiledeploy.exporters.tflite.lowerings.registry import PRECISION, has_int8_form
from mobiledeploy.graph.onnx_graph import result_of
from mobiledeploy.quantize.qdq.points import fused_activation
from mobiledeploy.runtime.targets import Target

__all__ = ["keep_float", "matches_op", "stem"]

_OP = "op:"
_NAMED = 5


def keep_float(graph: ir.Graph, target: Target, patterns: Sequence[str]) -> list[str]:
    """Mark the nodes that the patterns name, in place. A node and the activation fused into it go together.

    Args:
        graph: Float, rewritten for the target.
        patterns: Shell-style, of the name of a node's result (with or without what follows its "~", the mark
            of values that the rewrites made), or of an op type after "op:".

    Returns:
        Names of the results that are now computed in float, in graph order.

    Raises:
        InputError: A pattern matches no node that would be quantized.
    """
    nodes = [node for node in graph if has_int8_form(node)]
    chosen: set[ir.Node] = set()
    for pattern in patterns:
        found = [node for node in nodes if _matches(node, pattern)]
        if not found:
            raise InputError(_no_match(pattern, nodes))
        chosen.update(found)
    for node in nodes:
        activation = fused_activation(node, target)
        if activation is not None and {node, activation} & chosen:
            chosen |= {node, activation}
    return mark(graph, {result_of(node) for node in chosen})


def mark(graph: ir.Graph, names: Collection[str]) -> list[str]:
    """Let the nodes that compute those values stay in float, in place; the names in graph order."""
    nodes = [node for node in graph if result_of(node) in names]
    for node in nodes:
        node.metadata_props[PRECISION] = "float32"
    return [result_of(node) for node in nodes]


def matches_op(op_type: str, patterns: Iterable[str]) -> bool:
    """Whether one of the patterns names an op type."""
    return any(
        fnmatchcase(op_type, pattern.removeprefix(_OP)) for pattern in patterns if pattern.startswith(_OP)
    )


def stem(name: str) -> str:
    """The name of the value of the original graph that a value helps to compute; mostly its own."""
    return name.split("~")[0]


def _matches(node: ir.Node, pattern: str) -> bool:
    if pattern.startswith(_OP):
        return matches_op(node.op_type, [pattern])
    name = result_of(node)
    return fnmatchcase(name, pattern) or fnmatchcase(stem(name), pattern)


def _no_match(pattern: str, nodes: Sequence[ir.Node]) -> str:
    if pattern.startswith(_OP):
        ops = sorted({node.op_type for node in nodes})
        return (
            f"--keep-float {pattern!r} matches no op that is quantized, expected one of "
            f"{', '.join(_OP + op for op in ops)}; name one"
        )
    names = list(dict.fromkeys(stem(result_of(node)) for node in nodes))
    near = difflib.get_close_matches(pattern.strip("*"), names, _NAMED, 0.0)
    return (
        f"--keep-float {pattern!r} matches no layer that is quantized, expected a name such as "
        f"{', '.join(near)}; the layers stand in report.json"
    )
