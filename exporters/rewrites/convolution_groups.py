"""Convolutions side by side on equal parts of one tensor are one convolution in groups.

    Concat(Conv(x1, w1), Conv(x2, w2), ...) with x1, x2, ... = Split(x)
        = Conv(x, Concat(w1, w2, ...), group = number of parts)

It reads and writes its channels where they are: neither a split nor a concatenation copies anything.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx_ir as ir

from mobiledeploy.exporters.rewrites.rule import Rule
from mobiledeploy.graph.constants import initializer
from mobiledeploy.graph.onnx_graph import array_of, float_array, producer_of, required

__all__ = ["MergeIntoGroups"]


class MergeIntoGroups(Rule):
    """Concat of the convolutions of the parts of a Split, in order and all alike -> one Conv in groups."""

    def pattern(self, op: Any) -> Any:
        return op.Concat(_allow_other_inputs=True, _outputs=["joined"])

    def matches(self, joined: ir.Value) -> bool:
        parts = _parts(joined)
        if not parts or len({_form(node) for node in parts}) > 1 or _axis(producer_of(joined)) != 1:
            return False
        split = _split(parts)
        return split is not None and [node.inputs[0] for node in parts] == list(split.outputs)

    def refuse(self, joined: ir.Value) -> str | None:
        results = [node.outputs[0] for node in _parts(joined)]
        if any(len(result.uses()) > 1 or result.is_graph_output() for result in results):
            return "one of the convolutions has other readers"
        return None

    def rewrite(self, op: Any, joined: ir.Value) -> Any:
        parts = _parts(joined)
        split, first = required(_split(parts)), parts[0]
        constants = [
            initializer(op, first.inputs[index], np.concatenate([array_of(n.inputs[index]) for n in parts]))
            for index in range(1, len(first.inputs))
        ]
        groups = first.attributes.get_int("group", 1) * len(parts)
        return op.Conv(split.inputs[0], *constants, **{**first.attributes, "group": groups})


def _parts(joined: ir.Value) -> list[ir.Node]:
    """Return the nodes that compute the parts if all are convolutions with constant weights, else none."""
    nodes = [value.producer() for value in producer_of(joined).inputs if value is not None]
    kept = [node for node in nodes if node is not None and node.op_type == "Conv"]
    constant = all(float_array(value) is not None for node in kept for value in node.inputs[1:])
    return kept if constant and len(kept) == len(nodes) else []


def _split(parts: list[ir.Node]) -> ir.Node | None:
    """Return the Split along the channels whose first part the first convolution reads."""
    first = parts[0].inputs[0]
    node = first.producer() if first is not None else None
    return node if node is not None and node.op_type == "Split" and _axis(node) == 1 else None


def _axis(node: ir.Node) -> int:
    return node.attributes.get_int("axis", 0)


def _form(node: ir.Node) -> tuple[Any, ...]:
    """Return what must be equal: shapes of the constants, attributes."""
    shapes = [array_of(value).shape for value in node.inputs[1:]]
    return (*shapes, *sorted((name, str(attribute.value)) for name, attribute in node.attributes.items()))
