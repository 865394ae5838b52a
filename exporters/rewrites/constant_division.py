"""Division by a constant as a multiplication, which every op around it knows how to absorb."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx_ir as ir

from mobiledeploy.exporters.rewrites.rule import Rule
from mobiledeploy.graph.constants import initializer
from mobiledeploy.graph.onnx_graph import float_array, required

__all__ = ["DivideByConstant"]


class DivideByConstant(Rule):
    """x / c -> x * (1/c)."""

    def pattern(self, op: Any, x: Any, divisor: Any) -> Any:
        return op.Div(x, divisor)

    def matches(self, divisor: ir.Value, **_: Any) -> bool:
        return float_array(divisor) is not None

    def refuse(self, divisor: ir.Value, **_: Any) -> str | None:
        array = required(float_array(divisor))
        with np.errstate(divide="ignore", over="ignore"):
            return None if np.all(np.isfinite(np.float32(1) / array)) else "the divisor has no reciprocal"

    def rewrite(self, op: Any, x: ir.Value, divisor: ir.Value) -> Any:
        array = required(float_array(divisor)).astype(np.float64)
        return op.Mul(x, initializer(op, divisor, 1 / array))
