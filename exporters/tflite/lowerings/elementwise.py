"""Element-wise arithmetic with broadcasting."""

from __future__ import annotations

from typing import Any

from mobiledeploy.exporters.tflite.builder import Builder
from mobiledeploy.exporters.tflite.graph import Tensor
from mobiledeploy.exporters.tflite.lowerings.registry import lowers

_BINARY = {"Add": "ADD", "Sub": "SUB", "Mul": "MUL"}
_BINARY_IN_FLOAT = {"Div": "DIV", "Max": "MAXIMUM", "Min": "MINIMUM"}


@lowers(*_BINARY)
@lowers(*_BINARY_IN_FLOAT, int8=False)
def binary(b: Builder, x: Tensor, y: Tensor) -> Tensor:
    name = (_BINARY | _BINARY_IN_FLOAT)[b.op_type]
    # Without it the int16 kernels of sums take scales for powers of two.
    any_scale: dict[str, Any] = {"pot_scale_int16": False} if b.precision == "int16" and name != "MUL" else {}
    return b.op(name, b.operand(b.broadcastable(x)), b.operand(b.broadcastable(y)), **any_scale)


@lowers("Abs", "Neg", "Exp", "Sqrt", int8=False)
def unary_in_float(b: Builder, x: Tensor) -> Tensor:
    return b.op(b.op_type.upper(), x)
