"""Average pooling is a depthwise convolution, which unlike a pool may have another scale at its output.

AveragePool(x) = DepthwiseConv(x, w) with every weight 1 / (kernel height * kernel width)

In int8 such weights are exact: all are 127 times their scale.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx_ir as ir

from mobiledeploy.exporters.rewrites.rule import Rule
from mobiledeploy.graph.constants import initializer
from mobiledeploy.graph.onnx_graph import producer_of, rank, shape_of

__all__ = ["AveragePoolToDepthwise"]


class AveragePoolToDepthwise(Rule):
    """AveragePool(x) -> Conv(x, 1 / taps, group = channels), for windows with a fast depthwise kernel."""

    unless_delegated = "AVERAGE_POOL_2D"

    def pattern(self, op: Any, x: Any) -> Any:
        return op.AveragePool(x, _outputs=["pooled"])

    def matches(self, x: ir.Value, **_: Any) -> bool:
        return rank(x) == 4

    def refuse(self, pooled: ir.Value, **_: Any) -> str | None:
        attributes = producer_of(pooled).attributes
        taps = np.prod(attributes.get_ints("kernel_shape", ()))
        if taps > self.target.depthwise_taps:
            return f"a window of {taps} elements has no fast depthwise kernel"
        if attributes.get_int("ceil_mode", 0) or attributes.get_string("auto_pad", "NOTSET") != "NOTSET":
            return "its padding is not explicit"
        if any(attributes.get_ints("pads", ())) and not attributes.get_int("count_include_pad", 0):
            return "it divides by fewer elements at the border"
        return None

    def rewrite(self, op: Any, x: ir.Value, pooled: ir.Value) -> Any:
        attributes, channels = dict(producer_of(pooled).attributes), shape_of(x)[1]
        for name in ("auto_pad", "ceil_mode", "count_include_pad"):
            attributes.pop(name, None)
        height, width = attributes["kernel_shape"].as_ints()
        weights = np.full((channels, 1, height, width), 1 / (height * width))
        return op.Conv(x, initializer(op, None, weights), **attributes, group=channels)
