"""Bring clamps into one form: Clip with constant bounds, and Relu for [0, inf).

Max(x, c) = Clip(x, c, inf)        Min(x, c) = Clip(x, -inf, c)        Clip(x, 0, inf) = Relu(x)
Clip(Clip(x, a, b), c, d) = Clip(x, Clip(a, c, d), Clip(b, c, d))
"""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import onnx_ir as ir

from mobiledeploy.exporters.rewrites.rule import Rule, is_number_beside
from mobiledeploy.graph.constants import number
from mobiledeploy.graph.onnx_graph import producer_of, required, scalar

__all__ = ["CLAMPS", "clamp_bounds"]

_INFINITY = float("inf")
_LARGEST = float(np.finfo(np.float32).max)


def clamp_bounds(result: ir.Value) -> tuple[float, float] | None:
    """Return the bounds of the Relu or Clip that computes ``result``; None if they are not constant."""
    node = producer_of(result)
    if node.op_type == "Relu":
        return 0.0, _INFINITY
    bounds = [-_INFINITY, _INFINITY]
    for index, value in enumerate(node.inputs[1:]):
        if value is not None:
            bound = scalar(value)
            if bound is None:
                return None
            # Exporters write the largest finite number for "no bound".
            bounds[index] = bound if abs(bound) < _LARGEST else np.copysign(_INFINITY, bound)
    low, high = bounds
    return min(low, high), high  # as ONNX has it: Min(Max(x, low), high)


def _clamp(op: Any, x: ir.Value, low: float, high: float) -> Any:
    if (low, high) == (0.0, _INFINITY):
        return op.Relu(x)
    lower, upper = (number(op, bound) if np.isfinite(bound) else None for bound in (low, high))
    return op.Clip(x, lower, upper) if upper is not None else op.Clip(x, lower)


class _ToClip(Rule):
    """Max(x, c) -> Clip(x, c); Min(x, c) -> Clip(x, , c)."""

    commute = True
    op_type: ClassVar[str]

    def pattern(self, op: Any, x: Any, bound: Any) -> Any:
        return getattr(op, self.op_type)(x, bound)

    def matches(self, x: ir.Value, bound: ir.Value) -> bool:
        return is_number_beside(bound, x)

    def rewrite(self, op: Any, x: ir.Value, bound: ir.Value) -> Any:
        limit = required(scalar(bound))
        return _clamp(op, x, *((limit, _INFINITY) if self.op_type == "Max" else (-_INFINITY, limit)))


class ClipToRelu(Rule):
    """Clip(x, 0) -> Relu(x), with an upper bound of infinity, too."""

    def pattern(self, op: Any, x: Any) -> Any:
        return op.Clip(x, _allow_other_inputs=True, _outputs=["clipped"])

    def matches(self, clipped: ir.Value, **_: Any) -> bool:
        return clamp_bounds(clipped) == (0.0, _INFINITY)

    def rewrite(self, op: Any, x: ir.Value, **_: Any) -> Any:
        return op.Relu(x)


class _MergeClamps(Rule):
    """outer(inner(x)) -> one clamp."""

    outer: ClassVar[str]
    inner: ClassVar[str]

    def pattern(self, op: Any, x: Any) -> Any:
        clamped = getattr(op, self.inner)(x, _allow_other_inputs=True, _outputs=["first"])
        return getattr(op, self.outer)(clamped, _allow_other_inputs=True, _outputs=["second"])

    def refuse(self, first: ir.Value, second: ir.Value, **_: Any) -> str | None:
        if clamp_bounds(first) is None or clamp_bounds(second) is None:
            return "the bounds are computed at run time"
        return None

    def rewrite(self, op: Any, x: ir.Value, first: ir.Value, second: ir.Value) -> Any:
        inside, outside = required(clamp_bounds(first)), required(clamp_bounds(second))
        low, high = (min(max(bound, outside[0]), outside[1]) for bound in inside)
        return _clamp(op, x, low, high)


CLAMPS: tuple[type[Rule], ...] = (
    _ToClip.variant("MaxToClip", op_type="Max"),
    _ToClip.variant("MinToClip", op_type="Min"),
    ClipToRelu,
    _MergeClamps.variant("MergeReluIntoRelu", inner="Relu", outer="Relu"),
    _MergeClamps.variant("MergeClipIntoRelu", inner="Clip", outer="Relu"),
    _MergeClamps.variant("MergeReluIntoClip", inner="Relu", outer="Clip"),
    _MergeClamps.variant("MergeClipIntoClip", inner="Clip", outer="Clip"),
)
