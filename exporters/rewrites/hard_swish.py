"""Hard-swish: recognise its decomposed forms; lower it where the runtime has no HARD_SWISH in the precision.

    hard_swish(x) = x * relu6(x + 3) / 6

The 1/6 stays as a Mul, which `carry_scale` moves into the next convolution's weights.
"""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import onnx_ir as ir

from mobiledeploy.exporters.rewrites.rule import Rule, number

__all__ = [
    "HardSwishToRelu6",
    "RecogniseHardSwish",
    "RecogniseHardSwishDivLast",
    "RecogniseHardSwishMulFirst",
    "RecogniseHardSwishMulLast",
]


class RecogniseHardSwish(Rule):
    """x * HardSigmoid(x, 1/6, 1/2) -> HardSwish(x)."""

    commute = True

    def pattern(self, op: Any, x: Any) -> Any:
        return x * op.HardSigmoid(x, _outputs=["gate"])

    def refuse(self, gate: ir.Value, **_: Any) -> str | None:
        node = gate.producer()
        assert node is not None
        alpha, beta = node.attributes.get_float("alpha", 0.2), node.attributes.get_float("beta", 0.5)
        if np.float32(alpha) == np.float32(1 / 6) and beta == 0.5:
            return None
        return f"HardSigmoid has alpha {alpha:g} and beta {beta:g}, hard-swish needs 1/6 and 1/2"

    def rewrite(self, op: Any, x: ir.Value, **_: Any) -> Any:
        return op.HardSwish(x)


class _Recognise(Rule):
    commute = True

    def rewrite(self, op: Any, x: ir.Value) -> Any:
        return op.HardSwish(x)


class RecogniseHardSwishDivLast(_Recognise):
    """(x * Clip(x + 3, 0, 6)) / 6 -> HardSwish(x)."""

    def pattern(self, op: Any, x: Any) -> Any:
        return (x * op.Clip(op.Add(x, 3.0), 0.0, 6.0)) / 6.0


class RecogniseHardSwishMulLast(_Recognise):
    """(x * Clip(x + 3, 0, 6)) * (1/6) -> HardSwish(x)."""

    def pattern(self, op: Any, x: Any) -> Any:
        return (x * op.Clip(op.Add(x, 3.0), 0.0, 6.0)) * (1 / 6)


class RecogniseHardSwishMulFirst(_Recognise):
    """(x * (1/6)) * Clip(x + 3, 0, 6) -> HardSwish(x)."""

    def pattern(self, op: Any, x: Any) -> Any:
        return (x * (1 / 6)) * op.Clip(op.Add(x, 3.0), 0.0, 6.0)


class HardSwishToRelu6(Rule):
    """HardSwish(x) -> (x * Clip(x + 3, 0, 6)) * (1/6)."""

    unless_delegated: ClassVar[str | None] = "HARD_SWISH"

    def pattern(self, op: Any, x: Any) -> Any:
        return op.HardSwish(x)

    def rewrite(self, op: Any, x: ir.Value) -> Any:
        clipped = op.Clip(op.Add(x, number(op, 3.0)), number(op, 0.0), number(op, 6.0))
        return op.Mul(op.Mul(x, clipped), number(op, 1 / 6))
