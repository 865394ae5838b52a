"""Q and DQ nodes that no op absorbed: the boundaries between float and int8."""

from __future__ import annotations

from mobiledeploy.exporters.tflite.builder import Builder
from mobiledeploy.exporters.tflite.graph import Tensor
from mobiledeploy.exporters.tflite.lowerings.registry import lowers

__all__ = ["dequantize_linear", "quantize_linear"]


@lowers("QuantizeLinear")
def quantize_linear(
    b: Builder,
    x: Tensor,
    scale: Tensor,
    zero_point: Tensor | None = None,
    *,
    axis: int = 1,
    block_size: int = 0,
    output_dtype: int = 0,
    precision: int = 0,
    saturate: int = 1,
) -> Tensor:
    """From float, or from int8 with other parameters. The parameters are on the result already."""
    return b.op("QUANTIZE", x)


@lowers("DequantizeLinear")
def dequantize_linear(
    b: Builder,
    x: Tensor,
    scale: Tensor,
    zero_point: Tensor | None = None,
    *,
    axis: int = 1,
    block_size: int = 0,
    output_dtype: int = 0,
) -> Tensor:
    """To float; the parameters are on the input already."""
    return b.op("DEQUANTIZE", x)
