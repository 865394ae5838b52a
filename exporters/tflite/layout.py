"""Decides the memory layout of every activation once, for the whole graph.

TFLite convolutions want NHWC. Rank-4 values that are joined by ops which do not care about layout
(element-wise ops, concatenation, slicing, ...) form a group; a group is NHWC if any op in it works on images,
or if it touches an input or output of the model, so that rank-4 inputs and outputs are NHWC without
exception. Every other value keeps ONNX's own order. Transposes are then needed only where a layout-bound op
such as Reshape joins an NHWC group, and only if they would move data at all.
"""

from __future__ import annotations

import enum

import onnx_ir as ir

from mobiledeploy.graph.onnx_graph import constant, rank, required
from mobiledeploy.graph.op_traits import IMAGE_OPS, LAYOUT_BOUND

__all__ = ["TO_NHWC", "Layout", "choose_layouts", "nhwc_shape"]

TO_NHWC = (0, 2, 3, 1)


class Layout(enum.Enum):
    """Order of a tensor's axes in memory."""

    ONNX = "as in ONNX"
    NHWC = "NHWC"


def nhwc_shape(nchw: tuple[int, ...]) -> tuple[int, ...]:
    """(N, C, H, W) -> (N, H, W, C)."""
    return tuple(nchw[axis] for axis in TO_NHWC)


def choose_layouts(graph: ir.Graph) -> dict[ir.Value, Layout]:
    """Return the layout of every activation of the graph."""
    groups = _Groups()
    images: list[ir.Value] = [value for value in (*graph.inputs, *graph.outputs) if rank(value) == 4]
    for node in graph:
        rank4 = [v for v in (*node.inputs, *node.outputs) if v is not None and rank(v) == 4]
        activations = [value for value in rank4 if constant(value) is None]
        if node.op_type in IMAGE_OPS:
            images += activations
        if not _is_bound(node):
            for value in activations[1:]:
                groups.join(activations[0], value)
    nhwc = {groups.root(value) for value in images}
    values = [*graph.inputs, *(value for node in graph for value in node.outputs)]
    return {
        value: Layout.NHWC if rank(value) == 4 and groups.root(value) in nhwc else Layout.ONNX
        for value in values
    }


def _is_bound(node: ir.Node) -> bool:
    if node.op_type == "Gather":  # with a list of indices it picks along one axis, wherever that lies
        return rank(required(node.inputs[1])) != 1
    return node.op_type in LAYOUT_BOUND


class _Groups:
    """Disjoint sets of values (union-find with path halving)."""

    def __init__(self) -> None:
        self._parent: dict[ir.Value, ir.Value] = {}

    def root(self, value: ir.Value) -> ir.Value:
        while (parent := self._parent.get(value, value)) is not value:
            self._parent[value] = value = self._parent.get(parent, parent)
        return value

    def join(self, one: ir.Value, other: ir.Value) -> None:
        self._parent[self.root(one)] = self.root(other)
