"""How each ONNX op is quantized.

Ops that are not listed quantize the standard way: inputs and outputs in int8 (or int16), each with
parameters of its own.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Any

import numpy as np
import onnx_ir as ir

from mobiledeploy.graph.params import QuantParams

__all__ = [
    "CONSTANT_OPERANDS",
    "FIXED_OUTPUT",
    "SAME_SCALE",
    "WEIGHTED",
    "WEIGHT_RANK",
    "channel_axis",
    "fixed_output",
]

SAME_SCALE = frozenset(
    [
        "MaxPool",
        "AveragePool",
        "Concat",
        "Gather",
        "Split",
        "Slice",
        "Pad",
        "Reshape",
        "Flatten",
        "Squeeze",
        "Unsqueeze",
        "Transpose",
        "Resize",
        "DepthToSpace",
        "SpaceToDepth",
    ]
)
"""Ops whose integer kernels demand that inputs and outputs share one scale and zero point."""

WEIGHTED = MappingProxyType({"Conv": 0, "ConvTranspose": 1, "Gemm": 0, "MatMul": 1})
"""Ops whose second input is weights -> their output channel axis (Gemm as with transB=1)."""


def channel_axis(node: ir.Node) -> int:
    """The output channel axis of a node's weights."""
    if node.op_type == "Gemm" and not node.attributes.get_int("transB", 0):
        return 1
    return WEIGHTED[node.op_type]


WEIGHT_RANK = MappingProxyType({"Conv": 4, "ConvTranspose": 4, "Gemm": 2, "MatMul": 2})
"""Rank of those weights; a constant of another rank is an operand like any other."""

CONSTANT_OPERANDS = frozenset(["Add", "Sub", "Mul", "MatMul", "PRelu"])
"""Ops whose constants are quantized as activations are: int8 (or int16) per tensor."""

_PROBABILITY = QuantParams(np.array([1 / 256], np.float32), np.array([-128], np.int64))

FIXED_OUTPUT = MappingProxyType(
    {
        "Sigmoid": _PROBABILITY,
        "Softmax": _PROBABILITY,
        "Tanh": QuantParams(np.array([1 / 128], np.float32), np.array([0], np.int64)),
    }
)
"""Ops whose int8 output parameters the TFLite specification fixes."""

_INT16_OUTPUT = QuantParams(
    np.array([1 / 32768], np.float32), np.array([0], np.int64), dtype=np.dtype(np.int16)
)


def fixed_output(op_type: str, dtype: np.dtype[Any]) -> QuantParams | None:
    """The output parameters that the TFLite specification fixes for an op in int8 or int16, or None."""
    if dtype == np.int16 and op_type in FIXED_OUTPUT:
        return _INT16_OUTPUT
    return FIXED_OUTPUT.get(op_type)
