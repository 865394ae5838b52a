"""Activation functions that stand alone; those that follow a linear op are fused into it before lowering."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from mobiledeploy.exporters.rewrites.clamp import clamp_bounds
from mobiledeploy.exporters.rewrites.fuse_activation import CLAMPS_OF_TFLITE
from mobiledeploy.exporters.tflite.builder import Builder
from mobiledeploy.exporters.tflite.graph import Tensor
from mobiledeploy.exporters.tflite.lowerings.registry import lowers
from mobiledeploy.graph.params import fixed_output


@lowers("Relu", "Clip")
def clamp(b: Builder, x: Tensor, minimum: Tensor | None = None, maximum: Tensor | None = None) -> Tensor:
    """An int8 output that reaches no further than the bounds, up to rounding, clamps by saturating."""
    bounds = clamp_bounds(b.node.outputs[0])
    if bounds is None:
        raise b.refuse("bounds that are computed at run time", "make them constants")
    (low, high), params, x = bounds, b.result.params, b.same_params(x)
    if params is not None:
        rounding = float(params.scale[0]) * 0.501
        if params.low >= low - rounding and params.high <= high + rounding:
            return x
    name = CLAMPS_OF_TFLITE.get(bounds)
    if name is not None and (name, b.precision) != ("RELU_N1_TO_1", "int16"):  # which has no kernel
        return b.op(name, x)
    lower = b.same_params(b.constant(np.array(low, np.float32), "min"))
    upper = b.same_params(b.constant(np.array(high, np.float32), "max"))
    if np.isinf(low):
        return b.op("MINIMUM", x, upper)
    if np.isinf(high):
        return b.op("MAXIMUM", x, lower)
    return b.op("MINIMUM", b.op("MAXIMUM", x, lower, to=b.result.with_shape(x.shape, "raised")), upper)


@lowers("HardSwish", int16=False)
def hard_swish(b: Builder, x: Tensor) -> Tensor:
    return b.op("HARD_SWISH", x)


@lowers("HardSigmoid", int8=False)
def hard_sigmoid(b: Builder, x: Tensor, *, alpha: float = 0.2, beta: float = 0.5) -> Tensor:
    """max(0, min(1, alpha x + beta)) = relu6(6 alpha x + 6 beta) / 6, since TFLite clamps to 6 in one op.

    A float network has it rewritten before (``rewrites/hard_sigmoid.py``); a user's QDQ model may hold it.
    """
    if abs(6 * alpha - 1) > 1e-6:  # 1/6 is no float32
        slope = b.constant(np.array(6 * alpha, np.float32), "slope")
        x = b.op("MUL", x, slope, to=b.result.with_shape(x.shape, "sloped"))
    offset = b.constant(np.array(6 * beta, np.float32), "offset")
    clamped = b.result.with_shape(x.shape, "clamped")
    b.op("ADD", x, offset, to=clamped, fused_activation_function="RELU6")
    return b.op("MUL", clamped, b.constant(np.array(1 / 6, np.float32), "sixth"))


def _fixed_output(b: Builder, name: str, x: Tensor, **options: Any) -> Tensor:
    """An op whose integer kernels demand output parameters; QUANTIZE to the node's own if they differ."""
    fixed = fixed_output(b.op_type, b.result.dtype)
    if b.result.params is None or fixed is None or b.result.params.same_as(fixed):
        return b.op(name, x, **options)
    inner = replace(b.result, name=f"{b.result.name}/fixed", params=fixed)
    return b.op("QUANTIZE", b.op(name, x, to=inner, **options))


@lowers("Sigmoid")
def sigmoid(b: Builder, x: Tensor) -> Tensor:
    return _fixed_output(b, "LOGISTIC", x)


@lowers("Tanh")
def tanh(b: Builder, x: Tensor) -> Tensor:
    return _fixed_output(b, "TANH", x)


@lowers("LeakyRelu")
def leaky_relu(b: Builder, x: Tensor, *, alpha: float = 0.01) -> Tensor:
    return b.op("LEAKY_RELU", x, alpha=alpha)


@lowers("Elu", int16=False)
def elu(b: Builder, x: Tensor, *, alpha: float = 1.0) -> Tensor:
    if alpha != 1.0:
        raise b.refuse(f"alpha={alpha:g}", "TFLite's ELU has alpha 1")
    return b.op("ELU", x)


@lowers("Softmax")
def softmax(b: Builder, x: Tensor, *, axis: int = -1) -> Tensor:
    """SOFTMAX works on the last axis in memory."""
    if x.axis(axis) != len(x.shape) - 1:
        raise b.refuse(
            f"axis {axis}", "TFLite's SOFTMAX works on the channel axis of images, else the last axis"
        )
    return _fixed_output(b, "SOFTMAX", x, beta=1.0)


@lowers("PRelu", int16=False)  # its int16 kernel gives wrong results
def prelu(b: Builder, x: Tensor, slope: Tensor) -> Tensor:
    if slope.data is None:
        raise b.refuse("slopes that are computed at run time", "make them constants")
    return b.op("PRELU", x, b.operand(b.broadcastable(slope)))
