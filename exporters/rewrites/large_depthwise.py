"""Depthwise convolutions with more taps than the runtime's fast kernels have, as a sum of smaller ones.

    DepthwiseConv(x, w) = sum over tiles t of w of DepthwiseConv(what t sees of x, t)

Exact but for the order of float additions. In int8 the rounding of every partial sum would cost accuracy;
there the lowering of Conv has another form.
"""

from __future__ import annotations

from itertools import product
from math import ceil
from typing import Any, NamedTuple

import onnx_ir as ir

from mobiledeploy.exporters.rewrites.rule import Rule
from mobiledeploy.graph.constants import axes_list, initializer
from mobiledeploy.graph.linear import why_not_constant
from mobiledeploy.graph.onnx_graph import float_array, producer_of, rank, required, shape_of
from mobiledeploy.runtime.targets import Precision, Target

__all__ = ["TileLargeDepthwise"]


class TileLargeDepthwise(Rule):
    """Conv(x) with a large depthwise kernel -> Conv(x, one tile of it) + Conv(x, the next) + ..."""

    @classmethod
    def serves(cls, target: Target, precision: Precision) -> bool:
        return precision == "float32"

    def pattern(self, op: Any, x: Any) -> Any:
        return op.Conv(x, _allow_other_inputs=True, _outputs=["conv"])

    def matches(self, x: ir.Value, conv: ir.Value) -> bool:
        node = producer_of(conv)
        weights, groups = float_array(node.inputs[1]), node.attributes.get_int("group", 1)
        if weights is None or weights.ndim != 4 or weights.shape[1] != 1 or groups == 1:
            return False
        if rank(x) is None or rank(conv) is None:  # just made by another rule; the next round knows
            return False
        return bool(weights[0].size > self.target.depthwise_taps)

    def refuse(self, x: ir.Value, conv: ir.Value) -> str | None:
        if producer_of(conv).attributes.get_string("auto_pad", "NOTSET") != "NOTSET":
            return "its padding is not explicit"
        return why_not_constant(conv) or (None if self._tiles(x, conv) else "it sees nothing but padding")

    def rewrite(self, op: Any, x: ir.Value, conv: ir.Value) -> Any:
        node, total = producer_of(conv), None
        weights = required(float_array(node.inputs[1]))
        for rows, columns in self._tiles(x, conv):
            tile = weights[:, :, rows.taps, columns.taps]
            pads = [rows.before, columns.before, rows.after, columns.after]
            attributes = {**node.attributes, "kernel_shape": tile.shape[2:], "pads": pads}
            seen = columns.cut(op, rows.cut(op, x, axis=2), axis=3)
            bias = node.inputs[2:] if total is None else []
            part = op.Conv(seen, initializer(op, node.inputs[1], tile), *bias, **attributes)
            total = part if total is None else op.Add(total, part)
        return total

    def _tiles(self, x: ir.Value, conv: ir.Value) -> list[tuple[_Extent, _Extent]]:
        """Return rows and columns of each tile.

        Tiles that see nothing but padding, as the outer ones do on an image smaller than the kernel, add 0
        and are left out.
        """
        _, _, height, width = shape_of(required(producer_of(conv).inputs[1]))
        rows, columns = _tile_size(height, width, self.target.depthwise_taps)
        return list(product(_extents(x, conv, 0, height, rows), _extents(x, conv, 1, width, columns)))


def _tile_size(height: int, width: int, most: int) -> tuple[int, int]:
    """Return the size of tiles of at most ``most`` taps that makes the fewest of them, the widest."""
    sizes = [(rows, min(width, most // rows)) for rows in range(1, min(height, most) + 1)]
    return min(sizes, key=lambda size: (ceil(height / size[0]) * ceil(width / size[1]), -size[1], -size[0]))


class _Extent(NamedTuple):
    """A tile along one axis.

    Attributes:
        taps: of the kernel.
        begin, end: the pixels of the image that they see, of `size` in all.
        before, after: padding that they see.
    """

    taps: slice
    begin: int
    end: int
    size: int
    before: int
    after: int

    def cut(self, op: Any, x: Any, axis: int) -> Any:
        """Return what is seen of the image along the axis."""
        if (self.begin, self.end) == (0, self.size):
            return x
        return op.Slice(x, *(axes_list(op, [number]) for number in (self.begin, self.end, axis)))


def _extents(x: ir.Value, conv: ir.Value, axis: int, kernel: int, length: int) -> list[_Extent]:
    """Return the tiles along the height (axis 0) or width (1) that see something of the image."""
    attributes, size = producer_of(conv).attributes, shape_of(x)[2 + axis]
    stride, dilation = (attributes.get_ints(name, (1, 1))[axis] for name in ("strides", "dilations"))
    padded = attributes.get_ints("pads", (0, 0))[axis]
    last = (shape_of(conv)[2 + axis] - 1) * stride
    extents = []
    for first in range(0, kernel, length):
        taps = slice(first, min(first + length, kernel))
        begin = first * dilation - padded
        end = begin + last + (taps.stop - 1 - first) * dilation + 1
        if begin < size and end > 0:
            inside = max(begin, 0), min(end, size)
            extents.append(_Extent(taps, *inside, size, max(-begin, 0), max(end - size, 0)))
    return extents
