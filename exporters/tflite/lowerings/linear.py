"""Fully connected layers and matrix products."""

from __future__ import annotations

from mobiledeploy.exporters.tflite.builder import Builder
from mobiledeploy.exporters.tflite.graph import Tensor
from mobiledeploy.exporters.tflite.lowerings.registry import lowers


def _fully_connected(
    b: Builder, x: Tensor, weights: Tensor, bias: Tensor | None, order: tuple[int, int]
) -> Tensor:
    """FULLY_CONNECTED takes weights (out, in); ``order`` says which of their axes is which."""
    packed = b.weights(weights, order, axis=0)
    offset = b.bias(bias, packed.shape[0], x, packed)
    return b.op("FULLY_CONNECTED", x, packed, offset, to=b.onnx_result, keep_num_dims=len(x.shape) > 2)


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
    if transA or alpha != 1.0 or beta != 1.0 or weights.data is None or x.data is not None:
        raise b.refuse(
            "a transposed or scaled operand, or computed weights",
            "use a plain linear layer with fixed weights",
        )
    return _fully_connected(b, x, weights, bias, order=(0, 1) if transB else (1, 0))


@lowers("MatMul")
def matmul(b: Builder, x: Tensor, y: Tensor) -> Tensor:
    """By constant weights (in, out) a FULLY_CONNECTED, else a BATCH_MATMUL."""
    x, y = b.onnx_order(x), b.onnx_order(y)
    if y.data is not None and len(y.shape) == 2 and x.data is None:
        return _fully_connected(b, x, y, None, order=(1, 0))
    if min(len(x.shape), len(y.shape)) < 2:
        raise b.refuse("an operand of rank 1", "reshape it to a matrix")
    if any(t.params is not None and t.params.axis is not None for t in (x, y)):
        raise b.refuse("a constant of rank above 2 with a scale per channel", "quantize it per tensor")
    return b.op("BATCH_MATMUL", b.operand(x), b.operand(y), to=b.onnx_result)
