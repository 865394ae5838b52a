"""Hard-sigmoid: recognise its decomposed forms; lower it to a ReLU6 whose +3 and 1/6 cost nothing.

    hard_sigmoid(x) = clip(alpha*x + beta, 0, 1)
                    = relu6(6*alpha*x + 6*beta) / 6           (alpha 1/6, beta 1/2 in MobileNetV3)

After a linear op, ``6*alpha`` goes into its weights and ``6*beta`` into its bias; the 1/6 stays as a Mul
that `carry_scale` moves downstream.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, ClassVar

import onnx_ir as ir

from mobiledeploy.exporters.rewrites.rule import Rule, near
from mobiledeploy.graph.constants import number
from mobiledeploy.graph.linear import scale_and_shift, why_not_constant
from mobiledeploy.graph.onnx_graph import constant, producer_of, rank, scalar

__all__ = ["RECOGNISE_HARD_SIGMOID", "SHIFT_HARD_SIGMOID_INTO_LINEAR", "HardSigmoidToRelu6"]


class _Recognise(Rule):
    """Base of the forms; ``constants`` says which number each constant of the pattern must be."""

    commute = True
    constants: ClassVar[Mapping[str, float]] = MappingProxyType(
        {"shift": 3.0, "low": 0.0, "high": 6.0, "factor": 1 / 6}
    )

    def matches(self, **values: ir.Value) -> bool:
        return all(scalar(values[name]) is not None for name in self.constants)

    def refuse(self, **values: ir.Value) -> str | None:
        ranks = [array.ndim for name in self.constants if (array := constant(values[name])) is not None]
        if any(max(ranks) > (rank(values[name]) or 0) for name in ("x", "y") if name in values):
            return "the constants broadcast the input to another rank"
        for name, wanted in self.constants.items():
            if not near(got := scalar(values[name]), wanted):
                return f"the {name} is {got:g}, hard-sigmoid needs {wanted:g}"
        return None

    def rewrite(self, op: Any, x: ir.Value, *_: Any, **__: Any) -> Any:
        return op.HardSigmoid(x, alpha=1 / 6, beta=0.5)


class RecogniseGate(_Recognise):
    """Clip(x + 3, 0, 6) * (1/6) -> HardSigmoid(x)."""

    def pattern(self, op: Any, x: Any, shift: Any, low: Any, high: Any, factor: Any) -> Any:
        return op.Clip(op.Add(x, shift), low, high) * factor


class RecogniseGateScaledInside(_Recognise):
    """Clip((x + 3) * (1/6), 0, 1) -> HardSigmoid(x)."""

    constants = MappingProxyType({"shift": 3.0, "low": 0.0, "high": 1.0, "factor": 1 / 6})

    def pattern(self, op: Any, x: Any, shift: Any, low: Any, high: Any, factor: Any) -> Any:
        return op.Clip(op.Mul(op.Add(x, shift), factor), low, high)


class RecogniseGateScaledFirst(_Recognise):
    """Clip(x * (1/6) + 1/2, 0, 1) -> HardSigmoid(x)."""

    constants = MappingProxyType({"shift": 0.5, "low": 0.0, "high": 1.0, "factor": 1 / 6})

    def pattern(self, op: Any, x: Any, shift: Any, low: Any, high: Any, factor: Any) -> Any:
        return op.Clip(op.Add(op.Mul(x, factor), shift), low, high)


class RecogniseGatedScaledLast(_Recognise):
    """(y * Clip(x + 3, 0, 6)) * (1/6) -> y * HardSigmoid(x)."""

    def pattern(self, op: Any, x: Any, y: Any, shift: Any, low: Any, high: Any, factor: Any) -> Any:
        return (y * op.Clip(op.Add(x, shift), low, high)) * factor

    def rewrite(self, op: Any, x: ir.Value, y: ir.Value, **_: Any) -> Any:
        return op.Mul(y, op.HardSigmoid(x, alpha=1 / 6, beta=0.5))


class RecogniseGatedScaledFirst(RecogniseGatedScaledLast):
    """(y * (1/6)) * Clip(x + 3, 0, 6) -> y * HardSigmoid(x)."""

    def pattern(self, op: Any, x: Any, y: Any, shift: Any, low: Any, high: Any, factor: Any) -> Any:
        return (y * factor) * op.Clip(op.Add(x, shift), low, high)


RECOGNISE_HARD_SIGMOID: tuple[type[Rule], ...] = (
    RecogniseGate,
    RecogniseGateScaledInside,
    RecogniseGateScaledFirst,
    RecogniseGatedScaledLast,
    RecogniseGatedScaledFirst,
)


def _slope_and_offset(gate: ir.Value) -> tuple[float, float]:
    """Return (6*alpha, 6*beta) of a HardSigmoid, with ONNX's defaults 0.2 and 0.5."""
    attributes = producer_of(gate).attributes
    alpha, beta = attributes.get_float("alpha", 0.2), attributes.get_float("beta", 0.5)
    # 1/6 has no float32; what is within a rounding error of it is meant to be it.
    return (1.0 if near(alpha, 1 / 6) else 6.0 * alpha), 6.0 * beta


def _relu6_sixth(op: Any, shifted: ir.Value) -> Any:
    """Return relu6(shifted) / 6."""
    return op.Mul(op.Clip(shifted, number(op, 0.0), number(op, 6.0)), number(op, 1 / 6))


class _ShiftHardSigmoid(Rule):
    """HardSigmoid(Linear(x, w, b)) -> relu6(Linear(x, 6*alpha*w, 6*alpha*b + 6*beta)) * (1/6)."""

    unless_delegated = "HARD_SIGMOID"
    op_type: ClassVar[str]

    def pattern(self, op: Any, x: Any) -> Any:
        z = getattr(op, self.op_type)(x, _allow_other_inputs=True, _outputs=["z"])
        return op.HardSigmoid(z, _outputs=["gate"])

    def refuse(self, z: ir.Value, **_: Any) -> str | None:
        return why_not_constant(z)

    def rewrite(self, op: Any, x: ir.Value, z: ir.Value, gate: ir.Value) -> Any:
        return _relu6_sixth(op, scale_and_shift(op, x, z, *_slope_and_offset(gate)))


SHIFT_HARD_SIGMOID_INTO_LINEAR: tuple[type[Rule], ...] = (
    _ShiftHardSigmoid.variant("ShiftHardSigmoidIntoConv", op_type="Conv"),
    _ShiftHardSigmoid.variant("ShiftHardSigmoidIntoConvTranspose", op_type="ConvTranspose"),
    _ShiftHardSigmoid.variant("ShiftHardSigmoidIntoGemm", op_type="Gemm"),
)


class HardSigmoidToRelu6(Rule):
    """HardSigmoid(x) -> Clip(6*alpha*x + 6*beta, 0, 6) * (1/6), where no linear op can take the +3."""

    unless_delegated = "HARD_SIGMOID"

    def pattern(self, op: Any, x: Any) -> Any:
        return op.HardSigmoid(x, _outputs=["gate"])

    def rewrite(self, op: Any, x: ir.Value, gate: ir.Value) -> Any:
        slope, offset = _slope_and_offset(gate)
        scaled = x if slope == 1 else op.Mul(x, number(op, slope))
        return _relu6_sixth(op, op.Add(scaled, number(op, offset)))
