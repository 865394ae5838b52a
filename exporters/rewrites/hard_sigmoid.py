"""Hard-sigmoid: recognise its decomposed forms; lower it to a ReLU6 whose +3 and 1/6 cost nothing.

    hard_sigmoid(x) = clip(alpha*x + beta, 0, 1)
                    = relu6(6*alpha*x + 6*beta) / 6           (alpha 1/6, beta 1/2 in MobileNetV3)

After a convolution, ``6*alpha`` goes into its weights and ``6*beta`` into its bias; the 1/6 stays as a Mul that
`carry_scale` moves downstream.
"""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import onnx_ir as ir

from mobiledeploy.exporters.onnx_graph import float_array
from mobiledeploy.exporters.rewrites.rule import Rule, initializer, number

__all__ = [
    "HardSigmoidAfterConvToRelu6",
    "HardSigmoidToRelu6",
    "RecogniseHardSigmoidDiv",
    "RecogniseHardSigmoidMul",
    "RecogniseHardSigmoidScaledFirst",
]


class _Recognise(Rule):
    commute = True

    def rewrite(self, op: Any, x: ir.Value) -> Any:
        return op.HardSigmoid(x, alpha=1 / 6, beta=0.5)


class RecogniseHardSigmoidDiv(_Recognise):
    """Clip(x + 3, 0, 6) / 6 -> HardSigmoid(x)."""

    def pattern(self, op: Any, x: Any) -> Any:
        return op.Clip(op.Add(x, 3.0), 0.0, 6.0) / 6.0


class RecogniseHardSigmoidMul(_Recognise):
    """Clip(x + 3, 0, 6) * (1/6) -> HardSigmoid(x)."""

    def pattern(self, op: Any, x: Any) -> Any:
        return op.Clip(op.Add(x, 3.0), 0.0, 6.0) * (1 / 6)


class RecogniseHardSigmoidScaledFirst(_Recognise):
    """Clip(x * (1/6) + 1/2, 0, 1) -> HardSigmoid(x)."""

    def pattern(self, op: Any, x: Any) -> Any:
        return op.Clip(op.Add(op.Mul(x, 1 / 6), 0.5), 0.0, 1.0)


def _slope_and_offset(gate: ir.Value) -> tuple[float, float]:
    """(6*alpha, 6*beta) of a HardSigmoid, with ONNX's defaults 0.2 and 0.5."""
    node = gate.producer()
    assert node is not None
    alpha, beta = node.attributes.get_float("alpha", 0.2), node.attributes.get_float("beta", 0.5)
    # 1/6 has no float32; what is within a rounding error of it is meant to be it.
    slope = 6.0 * (1 / 6 if np.float32(alpha) == np.float32(1 / 6) else alpha)
    return slope, 6.0 * beta


def _relu6_sixth(op: Any, shifted: ir.Value) -> Any:
    """relu6(shifted) / 6."""
    return op.Mul(op.Clip(shifted, number(op, 0.0), number(op, 6.0)), number(op, 1 / 6))


class HardSigmoidAfterConvToRelu6(Rule):
    """HardSigmoid(Conv(x, w, b)) -> Clip(Conv(x, 6*alpha*w, 6*alpha*b + 6*beta), 0, 6) * (1/6)."""

    unless_delegated: ClassVar[str | None] = "HARD_SIGMOID"

    def pattern(self, op: Any, x: Any, w: Any) -> Any:
        z = op.Conv(x, w, _allow_other_inputs=True, _outputs=["z"])
        return op.HardSigmoid(z, _outputs=["gate"])

    def refuse(self, z: ir.Value, w: ir.Value, **_: Any) -> str | None:
        conv = z.producer()
        assert conv is not None
        bias = conv.inputs[2] if len(conv.inputs) > 2 else None
        if float_array(w) is None or (bias is not None and float_array(bias) is None):
            return "the convolution's weights or bias are computed at run time"
        return None

    def rewrite(self, op: Any, x: ir.Value, w: ir.Value, z: ir.Value, gate: ir.Value) -> Any:
        conv = z.producer()
        weights = float_array(w)
        assert conv is not None and weights is not None
        bias = float_array(conv.inputs[2]) if len(conv.inputs) > 2 else None
        slope, offset = _slope_and_offset(gate)
        shifted = (np.zeros(weights.shape[0]) if bias is None else bias.astype(np.float64)) * slope + offset
        scaled = w if slope == 1 else initializer(op, w, weights * slope)
        moved = op.Conv(x, scaled, initializer(op, w, shifted), **conv.attributes)
        return _relu6_sixth(op, moved)


class HardSigmoidToRelu6(Rule):
    """HardSigmoid(x) -> Clip(6*alpha*x + 6*beta, 0, 6) * (1/6), where no convolution can take the +3."""

    unless_delegated: ClassVar[str | None] = "HARD_SIGMOID"

    def pattern(self, op: Any, x: Any) -> Any:
        return op.HardSigmoid(x, _outputs=["gate"])

    def rewrite(self, op: Any, x: ir.Value, gate: ir.Value) -> Any:
        slope, offset = _slope_and_offset(gate)
        scaled = x if slope == 1 else op.Mul(x, number(op, slope))
        return _relu6_sixth(op, op.Add(scaled, number(op, offset)))
