"""Global pooling in any form -> one ReduceMean over height and width, which TFLite runs as a delegated MEAN."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx_ir as ir

from mobiledeploy.exporters.onnx_graph import constant, shape_of
from mobiledeploy.exporters.rewrites.rule import Rule

__all__ = ["FlattenMean", "GlobalAveragePoolToMean", "WholeAveragePoolToMean"]


def _spatial_axes(op: Any) -> Any:
    return op.Constant(value=ir.tensor(np.array([2, 3], np.int64)))


class GlobalAveragePoolToMean(Rule):
    """GlobalAveragePool(x) -> ReduceMean(x, [2, 3])."""

    def pattern(self, op: Any, x: Any) -> Any:
        return op.GlobalAveragePool(x)

    def refuse(self, x: ir.Value) -> str | None:
        return None if len(shape_of(x)) == 4 else "the input is not a batch of images (rank 4)"

    def rewrite(self, op: Any, x: ir.Value) -> Any:
        return op.ReduceMean(x, _spatial_axes(op), keepdims=1)


class WholeAveragePoolToMean(Rule):
    """AveragePool(x) with a kernel as large as its unpadded input -> ReduceMean(x, [2, 3])."""

    def pattern(self, op: Any, x: Any) -> Any:
        return op.AveragePool(x, _outputs=["pooled"])

    def refuse(self, x: ir.Value, pooled: ir.Value) -> str | None:
        node = pooled.producer()
        assert node is not None
        kernel, image = node.attributes.get_ints("kernel_shape"), shape_of(x)[2:]
        if tuple(kernel or ()) != image:
            return f"the kernel {tuple(kernel or ())} does not cover the whole image {image}"
        if any(node.attributes.get_ints("pads", ())):
            return "the input is padded"
        return None

    def rewrite(self, op: Any, x: ir.Value, **_: Any) -> Any:
        return op.ReduceMean(x, _spatial_axes(op), keepdims=1)


class FlattenMean(Rule):
    """Reshape(ReduceMean(x, [2, 3], keepdims=1), (N, C)) -> ReduceMean(x, [2, 3], keepdims=0)."""

    def pattern(self, op: Any, x: Any, axes: Any, shape: Any) -> Any:
        mean = op.ReduceMean(x, axes, keepdims=1, _outputs=["mean"])
        return op.Reshape(mean, shape, _outputs=["flat"])

    def refuse(self, x: ir.Value, axes: ir.Value, flat: ir.Value, **_: Any) -> str | None:
        reduced, image = constant(axes), shape_of(x)
        if reduced is None or len(image) != 4 or {int(a) % 4 for a in reduced} != {2, 3}:
            return "the mean is not over height and width"
        if shape_of(flat) != image[:2]:
            return f"the result has the shape {shape_of(flat)}, expected {image[:2]}"
        return None

    def rewrite(self, op: Any, x: ir.Value, axes: ir.Value, **_: Any) -> Any:
        return op.ReduceMean(x, axes, keepdims=0)
