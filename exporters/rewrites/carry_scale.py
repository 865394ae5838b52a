"""Carry a constant factor downstream to where it costs nothing: the weights of the next linear op.

    Conv(c*x, w, b)      = Conv(x, c*w, b)            Gemm(c*x, w, b)   = Gemm(x, c*w, b)
    (c*x) * y            = c * (x*y)                  c * (d*x)         = (c*d) * x
    F(c*x)               = c * F(x)      for F that is linear, or positively homogeneous and c > 0
    c*x + Conv(y, w, b)  = c * (x + Conv(y, w/c, b/c))

A factor that meets an op which none of these covers stays where it is, as one Mul by a constant.
"""

from __future__ import annotations

from typing import Any

import onnx_ir as ir

from mobiledeploy.exporters.onnx_graph import constant, float_array, scalar
from mobiledeploy.exporters.rewrites.rule import Rule, initializer, number

__all__ = [
    "CARRY_SCALE",
    "AbsorbScaleInConv",
    "AbsorbScaleInGemm",
    "MergeScales",
    "ScaleThroughAdd",
    "ScaleThroughMul",
]


def _factor(factor: ir.Value) -> float | None:
    """The positive constant factor, or None."""
    number = scalar(factor)
    return number if number is not None and number > 0 else None


def _why_no_factor(factor: ir.Value, **weights: ir.Value) -> str | None:
    if _factor(factor) is None:
        return "the factor is no positive constant"
    missing = next((name for name, value in weights.items() if float_array(value) is None), None)
    return f"the {missing} are computed at run time" if missing else None


class _Carry(Rule):
    """A factor may have several consumers: each takes its share, the emptied Mul disappears."""

    commute = True
    keeps_matched = True


class AbsorbScaleInConv(_Carry):
    """Conv(x * c, w, b) -> Conv(x, c*w, b), whatever the groups and the (zero) padding."""

    def pattern(self, op: Any, x: Any, factor: Any, w: Any) -> Any:
        return op.Conv(op.Mul(x, factor), w, _allow_other_inputs=True, _outputs=["conv"])

    def refuse(self, factor: ir.Value, w: ir.Value, **_: Any) -> str | None:
        return _why_no_factor(factor, weights=w)

    def rewrite(self, op: Any, x: ir.Value, factor: ir.Value, w: ir.Value, conv: ir.Value) -> Any:
        node, weights, number = conv.producer(), float_array(w), _factor(factor)
        assert node is not None and weights is not None and number is not None
        scaled = initializer(op, w, weights.astype("float64") * number)
        return op.Conv(x, scaled, *node.inputs[2:], **node.attributes)


class AbsorbScaleInGemm(_Carry):
    """Gemm(x * c, w, b) -> Gemm(x, c*w, b)."""

    def pattern(self, op: Any, x: Any, factor: Any, w: Any) -> Any:
        return op.Gemm(op.Mul(x, factor), w, _allow_other_inputs=True, _outputs=["gemm"])

    def refuse(self, factor: ir.Value, w: ir.Value, **_: Any) -> str | None:
        return _why_no_factor(factor, weights=w)

    def rewrite(self, op: Any, x: ir.Value, factor: ir.Value, w: ir.Value, gemm: ir.Value) -> Any:
        node, weights, number = gemm.producer(), float_array(w), _factor(factor)
        assert node is not None and weights is not None and number is not None
        scaled = initializer(op, w, weights.astype("float64") * number)
        return op.Gemm(x, scaled, *node.inputs[2:], **node.attributes)


class MergeScales(_Carry):
    """(x * c) * d -> x * (c*d)."""

    def pattern(self, op: Any, x: Any, first: Any, second: Any) -> Any:
        return op.Mul(op.Mul(x, first), second)

    def refuse(self, x: ir.Value, first: ir.Value, second: ir.Value) -> str | None:
        if constant(x) is not None:
            return "the whole product is constant"
        return _why_no_factor(first) or _why_no_factor(second)

    def rewrite(self, op: Any, x: ir.Value, first: ir.Value, second: ir.Value) -> Any:
        one, two = _factor(first), _factor(second)
        assert one is not None and two is not None
        return op.Mul(x, number(op, one * two))


class ScaleThroughMul(_Carry):
    """(x * c) * y -> (x * y) * c, for y that is computed, such as the gate of a squeeze-excite block."""

    def pattern(self, op: Any, x: Any, factor: Any, y: Any) -> Any:
        return op.Mul(op.Mul(x, factor), y)

    def refuse(self, x: ir.Value, factor: ir.Value, y: ir.Value) -> str | None:
        if constant(x) is not None or constant(y) is not None:
            return "the other operand is constant, too"
        return _why_no_factor(factor)

    def rewrite(self, op: Any, x: ir.Value, factor: ir.Value, y: ir.Value) -> Any:
        return op.Mul(op.Mul(x, y), factor)


class ScaleThroughAdd(_Carry):
    """x * c + Conv(y, w, b) -> (x + Conv(y, w/c, b/c)) * c, where the convolution feeds nothing else."""

    def pattern(self, op: Any, x: Any, factor: Any, y: Any, w: Any) -> Any:
        branch = op.Conv(y, w, _allow_other_inputs=True, _outputs=["branch"])
        return op.Add(op.Mul(x, factor), branch)

    def refuse(self, factor: ir.Value, w: ir.Value, branch: ir.Value, **_: Any) -> str | None:
        node = branch.producer()
        assert node is not None
        if len(branch.uses()) > 1 or branch.is_graph_output():
            return "the other branch has more than one consumer"
        if len(node.inputs) > 2 and node.inputs[2] is not None and float_array(node.inputs[2]) is None:
            return "the other branch's bias is computed at run time"
        return _why_no_factor(factor, weights=w)

    def rewrite(
        self, op: Any, x: ir.Value, factor: ir.Value, y: ir.Value, w: ir.Value, branch: ir.Value
    ) -> Any:
        node, weights, number = branch.producer(), float_array(w), _factor(factor)
        assert node is not None and weights is not None and number is not None
        bias = float_array(node.inputs[2]) if len(node.inputs) > 2 else None
        constants = [initializer(op, w, weights.astype("float64") / number)]
        if bias is not None:
            constants.append(initializer(op, node.inputs[2], bias.astype("float64") / number))
        return op.Mul(op.Add(x, op.Conv(y, *constants, **node.attributes)), factor)


def _through(op_type: str) -> type[Rule]:
    """The rule F(x * c, ...) -> F(x, ...) * c for the first input of a homogeneous op F."""

    class ScaleThrough(_Carry):
        def pattern(self, op: Any, x: Any, factor: Any) -> Any:
            call = getattr(op, op_type)
            return call(op.Mul(x, factor), _allow_other_inputs=True, _outputs=["result"])

        def refuse(self, factor: ir.Value, **_: Any) -> str | None:
            return _why_no_factor(factor)

        def rewrite(self, op: Any, x: ir.Value, factor: ir.Value, result: ir.Value) -> Any:
            node = result.producer()
            assert node is not None
            return op.Mul(getattr(op, op_type)(x, *node.inputs[1:], **node.attributes), factor)

    ScaleThrough.__name__ = ScaleThrough.__qualname__ = f"ScaleThrough{op_type}"
    ScaleThrough.__doc__ = f"{op_type}(x * c) -> {op_type}(x) * c."
    return ScaleThrough


# Linear ops, and those that are positively homogeneous (Relu, MaxPool); more are one word each.
_HOMOGENEOUS = ("ReduceMean", "AveragePool", "Relu", "MaxPool", "Reshape", "Flatten", "Squeeze", "Transpose")

CARRY_SCALE: tuple[type[Rule], ...] = (
    MergeScales,
    AbsorbScaleInConv,
    AbsorbScaleInGemm,
    ScaleThroughMul,
    ScaleThroughAdd,
    *map(_through, _HOMOGENEOUS),
)
