"""Quantization parameters and the affine mapping between real and integer values.

``real = scale * (q - zero_point)``, with the ranges of the TFLite 8-bit quantization specification
(https://ai.google.dev/edge/litert/conversion/tensorflow/quantization/quantization_spec) and of its 16x8 form.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mobiledeploy.graph.op_traits import FIXED_OUTPUT

__all__ = [
    "QuantParams",
    "activation_params",
    "dequantize",
    "fixed_output",
    "quantize",
    "weight_params",
    "with_room_for_bias",
]

_INT8, _INT16 = np.dtype(np.int8), np.dtype(np.int16)
_TINY = float(np.finfo(np.float32).tiny)


@dataclass(frozen=True, eq=False)
class QuantParams:
    """How a tensor's integers stand for real numbers.

    Attributes:
        scale: float32, shape (1,) per tensor or (channels,) per channel.
        zero_point: int64, same shape as ``scale``; all zero for symmetric parameters.
        axis: The channel axis of per-channel parameters; None per tensor.
        dtype: int8 for activations and weights, int32 for biases, uint8 for a model's inputs and outputs;
            int16 for activations of the 16x8 form, whose biases are int64.
    """

    scale: NDArray[np.float32]
    zero_point: NDArray[np.int64]
    axis: int | None = None
    dtype: np.dtype[Any] = _INT8

    @property
    def low(self) -> float:
        """The smallest real number a per-tensor mapping can represent."""
        return float(self.scale[0]) * float(np.iinfo(self.dtype).min - self.zero_point[0])

    @property
    def high(self) -> float:
        """The largest real number a per-tensor mapping can represent."""
        return float(self.scale[0]) * float(np.iinfo(self.dtype).max - self.zero_point[0])

    def same_as(self, other: QuantParams) -> bool:
        """Return whether both map every integer to the same real number."""
        return (
            self.axis == other.axis
            and self.dtype == other.dtype
            and np.array_equal(self.scale, other.scale)
            and np.array_equal(self.zero_point, other.zero_point)
        )


def activation_params(low: float, high: float, dtype: np.dtype[Any] = _INT8) -> QuantParams:
    """Return parameters that cover [low, high] and represent 0 exactly, as padding needs.

    Args:
        low: Smallest value to represent; widened to include 0.
        high: Largest value to represent; widened to include 0.
        dtype: int8 gives asymmetric parameters, int16 symmetric ones.
    """
    low, high = min(low, 0.0), max(high, 0.0)
    if low == high:
        # Nothing but 0 was seen: some usual scale, since a tiny one would overflow what is computed from it.
        high = 1.0
    if dtype == np.int16:
        bound = np.float32(max(-low, high, _TINY * 2.0**15) / 32767.0)
        return QuantParams(np.array([bound], np.float32), np.zeros(1, np.int64), dtype=dtype)
    scale = np.float32(max((high - low) / 255.0, _TINY))
    zero_point = min(max(round(-128 - low / float(scale)), -128), 127)
    return QuantParams(np.array([scale], np.float32), np.array([zero_point], np.int64))


def weight_params(weights: NDArray[np.float32], axis: int | None) -> QuantParams:
    """Return symmetric int8 parameters in [-127, 127], per channel along ``axis`` or per tensor.

    A channel that is smaller than 2^-16 of the largest counts as that: it stays far below one step of the
    output, and a scale near zero would leave its bias no room in int32.
    """
    other = None if axis is None else tuple(i for i in range(weights.ndim) if i != axis)
    bound = np.atleast_1d(np.abs(weights).max(axis=other))
    if bound.max() < _TINY * 2.0**32:
        bound = np.ones_like(bound)
    scale = (np.maximum(bound, bound.max() * 2.0**-16) / 127.0).astype(np.float32)
    return QuantParams(scale, np.zeros(scale.shape, np.int64), axis)


@cache
def fixed_output(op_type: str, dtype: np.dtype[Any]) -> QuantParams | None:
    """Return the output parameters that the TFLite specification fixes for an op in that type, or None."""
    if op_type not in FIXED_OUTPUT:
        return None
    scale, zero_point = (1 / 32768, 0) if dtype == _INT16 else FIXED_OUTPUT[op_type]
    return QuantParams(np.array([scale], np.float32), np.array([zero_point], np.int64), dtype=dtype)


def with_room_for_bias(
    params: QuantParams, bias: NDArray[np.float32], input_scale: NDArray[np.float32], most: float = 2.0**30
) -> QuantParams:
    """Return weight parameters with scales raised where the bias has too many steps of its scale.

    Args:
        bias: One number per channel.
        input_scale: Scale of the linear op's input, shape (1,).
        most: Steps that a bias may have; the default is for int32.
    """
    smallest = np.abs(bias.astype(np.float64)) / (float(input_scale[0]) * most)
    smallest = smallest if params.axis is not None else smallest.max(keepdims=True)
    return replace(params, scale=np.maximum(params.scale, smallest).astype(np.float32))


def _broadcast(values: NDArray[Any], params: QuantParams, ndim: int) -> NDArray[Any]:
    if params.axis is None:
        return values
    return values.reshape([-1 if i == params.axis else 1 for i in range(ndim)])


def quantize(real: NDArray[np.floating[Any]], params: QuantParams) -> NDArray[Any]:
    """Map real numbers to integers, rounding half to even and saturating at the range of ``params.dtype``."""
    info = np.iinfo(params.dtype)
    scale = _broadcast(params.scale.astype(np.float64), params, real.ndim)
    zero_point = _broadcast(params.zero_point, params, real.ndim)
    low = -127 if params.dtype == np.int8 and params.axis is not None else info.min
    clipped: NDArray[Any] = np.clip(np.rint(real / scale) + zero_point, low, info.max)
    return clipped.astype(params.dtype)


def dequantize(integers: NDArray[Any], params: QuantParams) -> NDArray[np.float32]:
    """Map integers to real numbers."""
    scale = _broadcast(params.scale.astype(np.float64), params, integers.ndim)
    zero_point = _broadcast(params.zero_point, params, integers.ndim)
    real: NDArray[np.float64] = (integers.astype(np.float64) - zero_point) * scale
    return real.astype(np.float32)
