"""Carry a constant factor downstream to where it costs nothing: the weights of the next linear op.

    Conv(c*x, w, b)      = Conv(x, c*w, b)            and so for every op with weights
    (c*x) * y            = c * (x*y)                  (c*x) * d       = (c*d) * x
    F(c*x)               = c * F(x)      for F that is linear, or positively homogeneous and c > 0
    c*x + c*y            = c * (x + y)
    c*x + Conv(y, w, b)  = c * (x + Conv(y, w/c, b/c))

A factor that meets an op which none of these covers stays where it is, as one Mul by a constant; at the end
it settles on the smaller side of a product (`SettleScale`).
"""

from __future__ import annotations

from math import prod
from typing import Any, ClassVar

import numpy as np
import onnx_ir as ir

from mobiledeploy.exporters.rewrites.rule import Rule, is_number_beside
from mobiledeploy.graph.constants import initializer, number
from mobiledeploy.graph.linear import scale_and_shift, scale_input, why_not_constant
from mobiledeploy.graph.onnx_graph import constant, float_array, known_sizes, producer_of, required, scalar
from mobiledeploy.graph.op_traits import TRAITS

__all__ = ["CARRY_SCALE", "SettleScale"]


def _factor(factor: ir.Value) -> float:
    return required(scalar(factor))


class _Carry(Rule):
    """Base: ``x * factor`` with a scalar constant, anywhere in the pattern.

    The product may have several readers: each takes its share, and the emptied Mul disappears.
    """

    commute = True
    keeps_matched = True

    def matches(self, *_: Any, **values: Any) -> bool:
        return is_number_beside(values["factor"], values["x"])


def _why_stay(scaled: ir.Value) -> str | None:
    """Return why a factor must stay: a product that is an output of the model is computed in any case."""
    return f"{scaled.name!r} is an output of the model" if scaled.is_graph_output() else None


class MergeScales(_Carry):
    """(x * c) * d -> x * (c*d), for d a constant of any shape."""

    def pattern(self, op: Any, x: Any, factor: Any, other: Any) -> Any:
        return op.Mul(op.Mul(x, factor), other)

    def matches(self, x: ir.Value, factor: ir.Value, other: ir.Value) -> bool:
        return float_array(other) is not None and is_number_beside(factor, x)

    def rewrite(self, op: Any, x: ir.Value, factor: ir.Value, other: ir.Value) -> Any:
        array = required(float_array(other)).astype(np.float64)
        return op.Mul(x, initializer(op, other, array * _factor(factor)))


class ScaleThroughMul(_Carry):
    """(x * c) * y -> (x * y) * c, for y that is computed, such as the gate of a squeeze-excite block."""

    def pattern(self, op: Any, x: Any, factor: Any, y: Any) -> Any:
        return op.Mul(op.Mul(x, factor, _outputs=["scaled"]), y)

    def matches(self, x: ir.Value, factor: ir.Value, y: ir.Value, **_: Any) -> bool:
        return constant(y) is None and is_number_beside(factor, x)

    def refuse(self, scaled: ir.Value, **_: Any) -> str | None:
        return _why_stay(scaled)

    def rewrite(self, op: Any, x: ir.Value, factor: ir.Value, y: ir.Value, **_: Any) -> Any:
        return op.Mul(op.Mul(x, y), number(op, _factor(factor)))


class ScaleThroughAdd(_Carry):
    """x * c + y * c -> (x + y) * c."""

    def pattern(self, op: Any, x: Any, factor: Any, y: Any, other: Any) -> Any:
        return op.Add(op.Mul(x, factor), op.Mul(y, other))

    def matches(self, x: ir.Value, factor: ir.Value, y: ir.Value, other: ir.Value) -> bool:
        return is_number_beside(factor, x) and is_number_beside(other, y)

    def refuse(self, factor: ir.Value, other: ir.Value, **_: Any) -> str | None:
        low, high = sorted([_factor(factor), _factor(other)])
        return None if low == high else f"the two sides carry different factors, {low:g} and {high:g}"

    def rewrite(self, op: Any, x: ir.Value, factor: ir.Value, y: ir.Value, **_: Any) -> Any:
        return op.Mul(op.Add(x, y), number(op, _factor(factor)))


class ScaleThroughResidual(_Carry):
    """x * c + Conv(y, w, b) -> (x + Conv(y, w/c, b/c)) * c, where the convolution feeds nothing else."""

    def pattern(self, op: Any, x: Any, factor: Any, y: Any) -> Any:
        branch = op.Conv(y, _allow_other_inputs=True, _outputs=["branch"])
        return op.Add(op.Mul(x, factor, _outputs=["scaled"]), branch)

    def refuse(self, factor: ir.Value, scaled: ir.Value, branch: ir.Value, **_: Any) -> str | None:
        if len(branch.uses()) > 1 or branch.is_graph_output():
            return f"the other branch, {branch.name!r}, has more than one reader"
        if abs(_factor(factor)) < np.finfo(np.float32).tiny:
            return f"the factor {_factor(factor):g} has no reciprocal"
        return _why_stay(scaled) or why_not_constant(branch)

    def rewrite(self, op: Any, x: ir.Value, factor: ir.Value, y: ir.Value, branch: ir.Value, **_: Any) -> Any:
        c = _factor(factor)
        return op.Mul(op.Add(x, scale_and_shift(op, y, branch, 1 / c, 0.0)), number(op, c))


class _AbsorbScale(_Carry):
    """Op(x * c, w, ...) -> Op(x, c*w, ...), whatever the groups and the (zero) padding."""

    op_type: ClassVar[str]

    def pattern(self, op: Any, x: Any, factor: Any) -> Any:
        call = getattr(op, self.op_type)
        return call(op.Mul(x, factor), _allow_other_inputs=True, _outputs=["result"])

    def refuse(self, result: ir.Value, **_: Any) -> str | None:
        weights = producer_of(result).inputs[1]
        return "the weights are computed at run time" if float_array(weights) is None else None

    def rewrite(self, op: Any, x: ir.Value, factor: ir.Value, result: ir.Value) -> Any:
        return scale_input(op, x, result, _factor(factor))


class _ScaleThrough(_Carry):
    """F(x * c, ...) -> F(x, ...) * c for the first input of a homogeneous op F."""

    op_type: ClassVar[str]

    def pattern(self, op: Any, x: Any, factor: Any) -> Any:
        call = getattr(op, self.op_type)
        scaled = op.Mul(x, factor, _outputs=["scaled"])
        return call(scaled, _allow_other_inputs=True, _outputs=["result"])

    def refuse(self, factor: ir.Value, scaled: ir.Value, **_: Any) -> str | None:
        if TRAITS[self.op_type].homogeneous == "linear" or _factor(factor) > 0:
            return _why_stay(scaled)
        return f"the factor {_factor(factor):g} is not positive, as {self.op_type} needs"

    def rewrite(self, op: Any, x: ir.Value, factor: ir.Value, result: ir.Value, **_: Any) -> Any:
        node = producer_of(result)
        moved = getattr(op, self.op_type)(x, *node.inputs[1:], **node.attributes)
        return op.Mul(moved, number(op, _factor(factor)))


class SettleScale(Rule):
    """(x * y) * c -> x * (y * c), for y smaller than the product: a factor with nowhere to go."""

    commute = True

    def pattern(self, op: Any, x: Any, y: Any, factor: Any) -> Any:
        return op.Mul(op.Mul(x, y, _outputs=["product"]), factor)

    def matches(self, x: ir.Value, y: ir.Value, factor: ir.Value, product: ir.Value) -> bool:
        return constant(x) is None and is_number_beside(factor, y) and _elements(y) < _elements(product)

    def rewrite(self, op: Any, x: ir.Value, y: ir.Value, factor: ir.Value, **_: Any) -> Any:
        return op.Mul(x, op.Mul(y, number(op, _factor(factor))))


def _elements(value: ir.Value) -> float:
    return prod(sizes) if (sizes := known_sizes(value)) is not None else float("nan")


CARRY_SCALE: tuple[type[Rule], ...] = (
    MergeScales,
    _AbsorbScale.variant("AbsorbScaleInConv", op_type="Conv"),
    _AbsorbScale.variant("AbsorbScaleInConvTranspose", op_type="ConvTranspose"),
    _AbsorbScale.variant("AbsorbScaleInGemm", op_type="Gemm"),
    _AbsorbScale.variant("AbsorbScaleInMatMul", op_type="MatMul"),
    ScaleThroughMul,
    ScaleThroughAdd,
    ScaleThroughResidual,
    _ScaleThrough.variant("ScaleThroughAveragePool", op_type="AveragePool"),
    _ScaleThrough.variant("ScaleThroughDepthToSpace", op_type="DepthToSpace"),
    _ScaleThrough.variant("ScaleThroughFlatten", op_type="Flatten"),
    _ScaleThrough.variant("ScaleThroughReduceMean", op_type="ReduceMean"),
    _ScaleThrough.variant("ScaleThroughReduceSum", op_type="ReduceSum"),
    _ScaleThrough.variant("ScaleThroughReshape", op_type="Reshape"),
    _ScaleThrough.variant("ScaleThroughSlice", op_type="Slice"),
    _ScaleThrough.variant("ScaleThroughSpaceToDepth", op_type="SpaceToDepth"),
    _ScaleThrough.variant("ScaleThroughSqueeze", op_type="Squeeze"),
    _ScaleThrough.variant("ScaleThroughTranspose", op_type="Transpose"),
    _ScaleThrough.variant("ScaleThroughUnsqueeze", op_type="Unsqueeze"),
    _ScaleThrough.variant("ScaleThroughLeakyRelu", op_type="LeakyRelu"),
    _ScaleThrough.variant("ScaleThroughMaxPool", op_type="MaxPool"),
    _ScaleThrough.variant("ScaleThroughRelu", op_type="Relu"),
)
