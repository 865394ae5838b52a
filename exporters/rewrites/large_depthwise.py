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

    def refuse(self, conv: ir.Value, **_: Any) -> str | None:
        if producer_of(conv).attributes.get_string("auto_pad", "NOTSET") != "NOTSET":
            return "its padding is not explicit"
        return why_not_constant(conv)

    def rewrite(self, op: Any, x: ir.Value, conv: ir.Value) -> Any:
        node = producer_of(conv)
        weights = float_array(node.inputs[1])
        assert weights is not None
        top_pad, left, _, right = node.attributes.get_ints("pads", (0, 0, 0, 0))
        stride, dilation = (node.attributes.get_ints(name, (1, 1))[0] for name in ("strides", "dilations"))
        height, last = shape_of(x)[2], (shape_of(conv)[2] - 1) * stride
        rows = self.target.depthwise_taps // weights.shape[3]
        total = None
        for top in range(0, weights.shape[2], rows):
            strip = weights[:, :, top : top + rows]
            # The rows of the image that the strip sees, from its first place to its last.
            begin = top * dilation - top_pad
            end = begin + last + (strip.shape[2] - 1) * dilation + 1
            if end <= 0 or begin >= height:  # padding alone
                continue
            pads = [max(-begin, 0), left, max(end - height, 0), right]
            attributes = {**node.attributes, "kernel_shape": strip.shape[2:], "pads": pads}
            seen = _rows(op, x, max(begin, 0), min(end, height), height)
            bias = node.inputs[2:] if total is None else []
            part = op.Conv(seen, initializer(op, node.inputs[1], strip), *bias, **attributes)
            total = part if total is None else op.Add(total, part)
        return total


def _rows(op: Any, x: ir.Value, begin: int, end: int, height: int) -> Any:
    if (begin, end) == (0, height):
        return x
    return op.Slice(x, axes_list(op, [begin]), axes_list(op, [end]), axes_list(op, [2]))
