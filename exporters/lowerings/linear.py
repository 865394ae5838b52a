"""Fully connected layers and matrix products."""

from __future__ import annotations

import numpy as np

from mobiledeploy.exporters.builder import Builder
from mobiledeploy.exporters.lowerings.registry import lowers
from mobiledeploy.exporters.tflite_graph import Tensor

__all__ = ["gemm", "matmul"]


def _fully_connected(b: Builder, x: Tensor, weights: Tensor, bias: Tensor | None, transpose: bool) -> Tensor:
    """FULLY_CONNECTED takes weights (out, in); ``transpose`` says that they come as (in, out)."""
    assert weights.data is not None
    packed = b.weights(weights, weights.data.T if transpose else weights.data, axis=0)
    offset = b.bias(bias, packed.shape[0], x, packed)
    return b.op("FULLY_CONNECTED", x, packed, offset, keep_num_dims=len(x.shape) > 2)


@lowers("Gemm")
def gemm(
    b: Builder,
    x: Tensor,
    weights: Tensor,
    bias: Tensor | None = None,
    *,
    alpha: float = 1.0,
    beta: float = 1.0,
    transA: int = 0,  # noqa: N803  # ONNX's name
    transB: int = 0,  # noqa: N803
) -> Tensor:
    """x (batch, in) by weights (in, out), or (out, in) with transB."""
    if transA or alpha != 1.0 or beta != 1.0 or weights.data is None:
        raise b.refuse(
            "a transposed or scaled operand, or computed weights",
            "use a plain linear layer with fixed weights",
        )
    if bias is not None and bias.data is not None and bias.data.size == 1:
        raise b.refuse("one bias for all outputs", "write the bias out, one number per output")
    return _fully_connected(b, x, weights, bias, transpose=not transB)


@lowers("MatMul")
def matmul(b: Builder, x: Tensor, y: Tensor) -> Tensor:
    """By constant weights (in, out) a FULLY_CONNECTED, else a BATCH_MATMUL."""
    x, y = b.onnx_order(x), b.onnx_order(y)
    if y.data is not None and len(y.shape) == 2:
        return _fully_connected(b, x, y, None, transpose=True)
    if y.data is not None and y.data.dtype != np.float32:
        raise b.refuse("a quantized constant of rank above 2", "leave it in float")
    return b.op("BATCH_MATMUL", x, y)
