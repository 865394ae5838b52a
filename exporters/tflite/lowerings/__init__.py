"""One ONNX op, one short function. Files group ops by family; importing this package registers all."""

from mobiledeploy.exporters.tflite.lowerings import (  # noqa: F401  # each registers what it holds
    activation,
    conv,
    elementwise,
    linear,
    pool,
    quantization,
    shape,
)
from mobiledeploy.exporters.tflite.lowerings.registry import lowering_for, lowers, supported_ops

__all__ = ["lowering_for", "lowers", "supported_ops"]
