"""Names of values: what a plan refers to, so that it fits any copy of its graph."""

from __future__ import annotations

import onnx_ir as ir

__all__ = ["activations_of", "name_of", "result_of"]


def name_of(value: ir.Value) -> str:
    """The name of a value, which no other value of a tidied graph has."""
    return value.name or ""


def result_of(node: ir.Node) -> str:
    """The name of a node's first result, by which the node itself is referred to."""
    return name_of(node.outputs[0])


def activations_of(graph: ir.Graph) -> dict[str, ir.Value]:
    """The inputs of a graph and the results of its nodes by name, in graph order."""
    computed = (value for node in graph for value in node.outputs)
    return {name_of(value): value for value in (*graph.inputs, *computed)}
