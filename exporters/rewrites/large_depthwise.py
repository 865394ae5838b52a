"""Depthwise convolutions with more taps than the runtime's fast kernels have, as a sum of smaller ones.

    DepthwiseConv(x, w) = sum over strips s of DepthwiseConv(rows of x that s sees, rows s of w)

Exact but for the order of float additions. In int8 the rounding of every partial sum would cost accuracy;
there the lowering of Conv has another form.
"""

from __future__ import annotations

from typing import Any

import onnx_ir as ir

from mobiledeploy.exporters.onnx_graph import float_array, shape_of
from mobiledeploy.exporters.rewrites.linear import why_not_constant
from mobiledeploy.exporters.rewrites.rule import Rule, axes_list, initializer, producer_of, rank
from mobiledeploy.targets import Precision, Target

__all__ = ["StripLargeDepthwise"]


class StripLargeDepthwise(Rule):
    """Conv(x) with a large depthwise kernel -> Conv(x, top rows) + Conv(x, next rows) + ..."""

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
        *_, height, width = weights.shape
        return bool(width <= self.target.depthwise_taps < height * width)

    def refuse(self, x: ir.Value, conv: ir.Value) -> str | None:
        if producer_of(conv).attributes.get_string("auto_pad", "NOTSET") != "NOTSET":
            return "its padding is not explicit"
        return why_not_constant(conv) or (None if self._strips(x, conv) else "it sees nothing but padding")

    def rewrite(self, op: Any, x: ir.Value, conv: ir.Value) -> Any:
        node = producer_of(conv)
        weights = float_array(node.inputs[1])
        assert weights is not None
        _, left, _, right = node.attributes.get_ints("pads", (0, 0, 0, 0))
        height, total = shape_of(x)[2], None
        for rows, begin, end in self._strips(x, conv):
            strip = weights[:, :, rows]
            pads = [max(-begin, 0), left, max(end - height, 0), right]
            attributes = {**node.attributes, "kernel_shape": strip.shape[2:], "pads": pads}
            seen = _rows(op, x, max(begin, 0), min(end, height), height)
            bias = node.inputs[2:] if total is None else []
            part = op.Conv(seen, initializer(op, node.inputs[1], strip), *bias, **attributes)
            total = part if total is None else op.Add(total, part)
        return total

    def _strips(self, x: ir.Value, conv: ir.Value) -> list[tuple[slice, int, int]]:
        """Rows of the kernel, and the rows of the image that they see: the first, and the one after the last.

        Strips that see nothing but padding, as the outer ones do on an image smaller than the kernel, add 0
        and are left out.
        """
        attributes = producer_of(conv).attributes
        _, _, kernel, width = shape_of(producer_of(conv).inputs[1])  # type: ignore[arg-type]  # constant
        stride, dilation = (attributes.get_ints(name, (1, 1))[0] for name in ("strides", "dilations"))
        height, last = shape_of(x)[2], (shape_of(conv)[2] - 1) * stride
        size = self.target.depthwise_taps // width
        strips = []
        for top in range(0, kernel, size):
            rows = slice(top, min(top + size, kernel))
            begin = top * dilation - attributes.get_ints("pads", (0,))[0]
            end = begin + last + (rows.stop - 1 - top) * dilation + 1
            if begin < height and end > 0:
                strips.append((rows, begin, end))
        return strips


def _rows(op: Any, x: ir.Value, begin: int, end: int, height: int) -> Any:
    if (begin, end) == (0, height):
        return x
    return op.Slice(x, axes_list(op, [begin]), axes_list(op, [end]), axes_list(op, [2]))
