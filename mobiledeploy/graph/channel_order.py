"""Which values of a graph have their channels in one order, and how to give them another.

Ops that treat every channel by itself hand the order of their input's channels on. A convolution over all
channels takes any order in and gives any order out, once its weights are permuted:

    Conv(x[:, p], w, b)    = Conv(x, w[:, q], b)      with q the inverse of p
    Conv(x, w, b)[:, p]    = Conv(x, w[p], b[p])

So the rank-4 values fall into classes that share an order. A class is free if all that touches it can follow,
and fixed by anything else, such as an output of the model or a convolution in groups.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from mobiledeploy.graph.constants import replace_constant
from mobiledeploy.graph.onnx_graph import array_of, constant, describe, rank, required
from mobiledeploy.graph.op_traits import BROADCASTING, CONVOLUTIONS, PER_CHANNEL, REDUCTIONS, channel_axis

__all__ = [
    "ChannelClass",
    "channel_classes",
    "channels_of",
    "keeps_channels",
    "reorder",
]


@dataclass(eq=False)
class ChannelClass:
    """Values whose channels are in one order.

    Attributes:
        fixed_by: What fixes the order, in words; None while it is free.
        constants: (node, index of the input, axis) of the constants that follow a new order.
    """

    fixed_by: str | None = None
    constants: list[tuple[ir.Node, int, int]] = field(default_factory=list)

    def absorb(self, other: ChannelClass) -> None:
        """Become the union of both."""
        self.fixed_by = self.fixed_by or other.fixed_by
        self.constants += other.constants


def channels_of(value: ir.Value) -> int:
    """Return the size of axis 1 of a rank-4 value of static shape."""
    return int(required(value.shape)[1])  # type: ignore[arg-type]  # static


def channel_classes(graph: ir.Graph, apart_from: Collection[ir.Node]) -> dict[ir.Value, ChannelClass]:
    """Return the class of every rank-4 activation, as far as nodes other than ``apart_from`` decide."""
    classes = _Classes()
    for value in (*graph.inputs, *graph.outputs):
        if _is_image(value):
            classes.fix([value], f"it is an input or output of the model ({value.name})")
    for node in graph:
        if node not in apart_from:
            _visit(node, classes)
    return classes.of


class _Classes:
    def __init__(self) -> None:
        self.of: dict[ir.Value, ChannelClass] = {}

    def get(self, value: ir.Value) -> ChannelClass:
        return self.of.setdefault(value, ChannelClass())

    def fix(self, values: Iterable[ir.Value], reason: str) -> None:
        for value in values:
            found = self.get(value)
            found.fixed_by = found.fixed_by or reason

    def join(self, one: ir.Value, other: ir.Value) -> None:
        kept, lost = self.get(one), self.get(other)
        if kept is not lost:
            kept.absorb(lost)
            self.of |= {value: kept for value, found in self.of.items() if found is lost}


def _is_image(value: ir.Value | None) -> bool:
    return value is not None and constant(value) is None and rank(value) == 4


def _visit(node: ir.Node, classes: _Classes) -> None:
    """Enter what a node says of the channels of its inputs and outputs."""
    images = [value for value in (*node.inputs, *node.outputs) if value is not None and _is_image(value)]
    for value in images:
        classes.get(value)
    if not _follow(node, classes):
        classes.fix(images, f"{describe(node)} fixes it")


def _follow(node: ir.Node, classes: _Classes) -> bool:
    """Let the channels of the result follow those of the inputs; False where they cannot."""
    x = node.inputs[0] if node.inputs else None
    if x is None or not _is_image(node.outputs[0]) or len(node.outputs) > 1:
        return False
    if node.op_type in BROADCASTING:
        return _follow_broadcasting(node, classes)
    if not _is_image(x):
        return False
    if node.op_type in CONVOLUTIONS:
        return _follow_convolution(node, x, classes)
    if node.op_type == "BatchNormalization":
        return _follow_batch_norm(node, x, classes)
    if not keeps_channels(node, x):
        return False
    classes.join(x, node.outputs[0])
    return True


def keeps_channels(node: ir.Node, x: ir.Value) -> bool:
    """Return whether an op of one image treats every channel alike and by itself."""
    if channels_of(x) != channels_of(node.outputs[0]):
        return False
    if node.op_type in REDUCTIONS and len(node.inputs) > 1:
        axes = constant(node.inputs[1])
        return axes is not None and set((axes % 4).tolist()) <= {2, 3}
    if node.op_type == "Pad":
        pads = constant(node.inputs[1])
        return len(node.inputs) < 4 and pads is not None and not pads[1::4].any()
    return node.op_type in PER_CHANNEL


def _follow_broadcasting(node: ir.Node, classes: _Classes) -> bool:
    result = node.outputs[0]
    for index, value in enumerate(node.inputs):
        array = constant(value)
        if array is None:
            if value is None or not _is_image(value):
                return False
            if channels_of(value) == channels_of(result):
                classes.join(value, result)
        elif array.ndim >= 3 and array.shape[-3] > 1:
            classes.get(result).constants.append((node, index, array.ndim - 3))
    return True


def _follow_batch_norm(node: ir.Node, x: ir.Value, classes: _Classes) -> bool:
    if any(constant(value) is None for value in node.inputs[1:]):
        return False
    classes.join(x, node.outputs[0])
    classes.get(x).constants += [(node, index, 0) for index in range(1, 5)]
    return True


def _follow_convolution(node: ir.Node, x: ir.Value, classes: _Classes) -> bool:
    if any(constant(value) is None for value in node.inputs[1:]):
        return False
    result, groups = node.outputs[0], node.attributes.get_int("group", 1)
    if groups == 1:
        axis = channel_axis(node)
        classes.get(x).constants.append((node, 1, 1 - axis))
        classes.get(result).constants.append((node, 1, axis))
    elif groups == channels_of(x) == channels_of(result):
        classes.join(x, result)
        classes.get(x).constants.append((node, 1, 0))
    else:
        return False
    if len(node.inputs) > 2:
        classes.get(result).constants.append((node, 2, 0))
    return True


def reorder(found: ChannelClass, order: NDArray[np.int64], graph: ir.Graph) -> None:
    """Give a free class a new order: channel ``i`` is what channel ``order[i]`` was. In place."""
    assert found.fixed_by is None
    if np.array_equal(order, np.arange(len(order))):
        return
    for node, index, axis in found.constants:
        replace_constant(graph, node, index, np.take(array_of(node.inputs[index]), order, axis))
