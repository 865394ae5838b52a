"""Q and DQ nodes that no op absorbed: the boundaries between float and int8."""

from __future__ import annotations

from mobiledeploy.exporters.tflite.builder import Builder
from mobiledeploy.exporters.tflite.graph import Tensor
from mobiledeploy.exporters.tflite.lowerings.registry import lowers

_BOUNDARY = {"QuantizeLinear": "QUANTIZE", "DequantizeLinear": "DEQUANTIZE"}


@lowers(*_BOUNDARY)
def boundary(
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
    """The parameters are on the tensors already."""
    return b.op(_BOUNDARY[b.op_type], x)
