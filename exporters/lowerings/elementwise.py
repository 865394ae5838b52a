"""Element-wise arithmetic with broadcasting."""

from __future__ import annotations

from mobiledeploy.exporters.builder import Builder
from mobiledeploy.exporters.lowerings.registry import lowers
from mobiledeploy.exporters.tflite_graph import Tensor

__all__ = ["binary", "binary_in_float", "unary_in_float"]

_BINARY = {"Add": "ADD", "Sub": "SUB", "Mul": "MUL"}
_BINARY_IN_FLOAT = {"Div": "DIV", "Max": "MAXIMUM", "Min": "MINIMUM"}
_UNARY_IN_FLOAT = {"Abs": "ABS", "Neg": "NEG", "Exp": "EXP", "Sqrt": "SQRT"}


@lowers(*_BINARY)
def binary(b: Builder, x: Tensor, y: Tensor) -> Tensor:
    assert b.node is not None
    return b.op(_BINARY[b.node.op_type], b.operand(b.broadcastable(x)), b.operand(b.broadcastable(y)))


@lowers(*_BINARY_IN_FLOAT, int8=False)
def binary_in_float(b: Builder, x: Tensor, y: Tensor) -> Tensor:
    assert b.node is not None
    return b.op(_BINARY_IN_FLOAT[b.node.op_type], b.broadcastable(x), b.broadcastable(y))


@lowers(*_UNARY_IN_FLOAT, int8=False)
def unary_in_float(b: Builder, x: Tensor) -> Tensor:
    assert b.node is not None
    return b.op(_UNARY_IN_FLOAT[b.node.op_type], x)
