"""Hard-swish: recognise it; lower it where the runtime has no HARD_SWISH in the precision.

    hard_swish(x) = x * hard_sigmoid(x) = x * relu6(x + 3) / 6

`hard_sigmoid` recognises the gate in its decomposed forms. The 1/6 stays as a Mul, which `carry_scale` moves
into the next convolution's weights.
"""

from __future__ import annotations

from typing import Any

import onnx_ir as ir

from mobiledeploy.exporters.rewrites.rule import Rule, near
from mobiledeploy.graph.constants import number
from mobiledeploy.graph.onnx_graph import producer_of

__all__ = ["HardSwishToRelu6", "RecogniseHardSwish"]


class RecogniseHardSwish(Rule):
    """x * HardSigmoid(x, 1/6, 1/2) -> HardSwish(x)."""

    commute = True

    def pattern(self, op: Any, x: Any, z: Any) -> Any:
        return x * op.HardSigmoid(z, _outputs=["gate"])

    def matches(self, x: ir.Value, z: ir.Value, **_: Any) -> bool:
        return x is z or (
            x.shape is not None and x.shape == z.shape
        )  # else the gate of a squeeze-excite block

    def refuse(self, x: ir.Value, z: ir.Value, gate: ir.Value) -> str | None:
        if x is not z:
            return f"the gate is computed from {z.name!r} and multiplies {x.name!r}"
        attributes = producer_of(gate).attributes
        alpha, beta = attributes.get_float("alpha", 0.2), attributes.get_float("beta", 0.5)
        if near(alpha, 1 / 6) and near(beta, 0.5):
            return None
        return f"HardSigmoid has alpha {alpha:g} and beta {beta:g}, hard-swish needs 1/6 and 1/2"

    def rewrite(self, op: Any, x: ir.Value, **_: Any) -> Any:
        return op.HardSwish(x)


class HardSwishToRelu6(Rule):
    """HardSwish(x) -> (x * Clip(x + 3, 0, 6)) * (1/6)."""

    unless_delegated = "HARD_SWISH"

    def pattern(self, op: Any, x: Any) -> Any:
        return op.HardSwish(x)

    def rewrite(self, op: Any, x: ir.Value) -> Any:
        clipped = op.Clip(op.Add(x, number(op, 3.0)), number(op, 0.0), number(op, 6.0))
        return op.Mul(op.Mul(x, clipped), number(op, 1 / 6))
