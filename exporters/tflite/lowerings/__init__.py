"""One ONNX op, one short function. Files group ops by family; importing this package registers all."""

from mobiledeploy.exporters.tflite.lowerings import (
    activation,
    conv,
    elementwise,
    linear,
    pool,
    quantization,
    shape,
)
from mobiledeploy.exporters.tflite.lowerings.registry import lowering_for, lowers, supported_ops

__all__ = [
    "activation",
    "conv",
    "elementwise",
    "linear",
    "lowering_for",
    "lowers",
    "pool",
    "quantization",
    "shape",
    "supported_ops",
]
