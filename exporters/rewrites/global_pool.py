"""Global pooling in any form -> one ReduceMean over height and width, in TFLite a MEAN, which runs fast."""

from __future__ import annotations

from typing import Any, ClassVar

import onnx_ir as ir

from mobiledeploy.exporters.rewrites.rule import Rule
from mobiledeploy.graph.constants import axes_list
from mobiledeploy.graph.onnx_graph import constant, known_sizes, producer_of, rank

__all__ = ["FLATTEN_MEAN", "GlobalAveragePoolToMean", "MergeMeans", "WholeAveragePoolToMean"]

_SPATIAL = (2, 3)  # height and width in NCHW


class GlobalAveragePoolToMean(Rule):
    """GlobalAveragePool(x) -> ReduceMean(x, [2, 3])."""

    def pattern(self, op: Any, x: Any) -> Any:
        return op.GlobalAveragePool(x)

    def refuse(self, x: ir.Value) -> str | None:
        return _why_no_images(x)

    def rewrite(self, op: Any, x: ir.Value) -> Any:
        return op.ReduceMean(x, axes_list(op, _SPATIAL), keepdims=1)


class WholeAveragePoolToMean(Rule):
    """AveragePool(x) with a kernel as large as its unpadded input -> ReduceMean(x, [2, 3])."""

    def pattern(self, op: Any, x: Any) -> Any:
        return op.AveragePool(x, _outputs=["pooled"])

    def refuse(self, x: ir.Value, pooled: ir.Value) -> str | None:
        node = producer_of(pooled)
        if reason := _why_no_images(x):
            return reason
        kernel, image = tuple(node.attributes.get_ints("kernel_shape", ())), _sizes(x)[2:]
        if kernel != image:
            return f"the kernel {kernel} does not cover the whole image {image}"
        if any(node.attributes.get_ints("pads", ())) or _sizes(pooled)[2:] != (1, 1):
            return "the input is padded"
        return None

    def rewrite(self, op: Any, x: ir.Value, **_: Any) -> Any:
        return op.ReduceMean(x, axes_list(op, _SPATIAL), keepdims=1)


class MergeMeans(Rule):
    """ReduceMean(ReduceMean(x, [3], keepdims=0), [2], keepdims=0) -> ReduceMean(x, [2, 3], keepdims=0)."""

    def pattern(self, op: Any, x: Any, first: Any, second: Any) -> Any:
        mean = op.ReduceMean(x, first, _outputs=["inner"])
        return op.ReduceMean(mean, second, _outputs=["outer"])

    def matches(self, x: ir.Value, inner: ir.Value, outer: ir.Value, **_: Any) -> bool:
        return rank(x) == 4 and _kept(inner) == _kept(outer) and _merged_axes(inner, outer) == [2, 3]

    def rewrite(self, op: Any, x: ir.Value, outer: ir.Value, **_: Any) -> Any:
        return op.ReduceMean(x, axes_list(op, _SPATIAL), keepdims=_kept(outer))


class _FlattenMean(Rule):
    """Op(ReduceMean(x, [2, 3], keepdims=1)) of shape (N, C) -> ReduceMean(x, [2, 3], keepdims=0)."""

    op_type: ClassVar[str]

    def pattern(self, op: Any, x: Any, axes: Any) -> Any:
        mean = op.ReduceMean(x, axes, _outputs=["mean"])
        return getattr(op, self.op_type)(mean, _allow_other_inputs=True, _outputs=["flat"])

    def matches(self, x: ir.Value, axes: ir.Value, mean: ir.Value, **_: Any) -> bool:
        return rank(x) == 4 and _kept(mean) == 1 and _axes(axes, 4) == [2, 3]

    def refuse(self, x: ir.Value, flat: ir.Value, **_: Any) -> str | None:
        if _sizes(flat) == _sizes(x)[:2]:
            return None
        return f"the result has the shape {_sizes(flat)}, expected {_sizes(x)[:2]}"

    def rewrite(self, op: Any, x: ir.Value, **_: Any) -> Any:
        return op.ReduceMean(x, axes_list(op, _SPATIAL), keepdims=0)


FLATTEN_MEAN: tuple[type[Rule], ...] = (
    _FlattenMean.variant("ReshapeMean", op_type="Reshape"),
    _FlattenMean.variant("FlattenMean", op_type="Flatten"),
    _FlattenMean.variant("SqueezeMean", op_type="Squeeze"),
)


def _sizes(value: ir.Value) -> tuple[int, ...]:
    return known_sizes(value) or ()


def _why_no_images(x: ir.Value) -> str | None:
    return None if rank(x) == 4 else "the input is not a batch of images (rank 4)"


def _kept(mean: ir.Value) -> int:
    return producer_of(mean).attributes.get_int("keepdims", 1)


def _axes(axes: ir.Value | None, of_rank: int) -> list[int] | None:
    array = constant(axes)
    return None if array is None else sorted(int(axis) % of_rank for axis in array.reshape(-1))


def _merged_axes(inner: ir.Value, outer: ir.Value) -> list[int] | None:
    """Return the axes of the 4-D input that two means after one another reduce."""
    first = _axes(producer_of(inner).inputs[1], 4)
    if first is None:
        return None
    left = list(range(4)) if _kept(inner) else [axis for axis in range(4) if axis not in first]
    second = _axes(producer_of(outer).inputs[1], len(left))
    return None if second is None else sorted({*first, *(left[axis] for axis in second)})
