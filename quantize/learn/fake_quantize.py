"""Quantization as a differentiable function: what int8 makes of a number, with gradients straight through.

Rounding has no useful gradient; these functions pass gradients on as if it were not there, and to the scale
as in LSQ (Esser et al., arXiv 1902.08153, equations 3 and 5).
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

__all__ = ["along", "fake_quantize", "fake_quantize_bias", "fake_quantize_weights", "weight_steps"]


def fake_quantize(x: Tensor, scale: Tensor, zero_point: int) -> Tensor:
    """Real to int8 and back, per tensor, rounding half to even: the arithmetic of ONNX's Q and DQ in float32.

    Args:
        scale: One number; it gets a gradient, too.
        zero_point: An integer in [-128, 127].
    """
    result: Tensor = _Activation.apply(x, scale, zero_point)  # type: ignore[no-untyped-call]
    return result


class _Activation(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, scale: Tensor, zero_point: int) -> Tensor:
        steps = (x / scale).round_()
        low, high = -128 - zero_point, 127 - zero_point
        inside = (steps >= low) & (steps <= high) if any(ctx.needs_input_grad) else None
        y = steps.clamp_(low, high).mul_(scale)
        ctx.save_for_backward(x, y, inside, scale)
        return y

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        x, y, inside, scale = ctx.saved_tensors
        to_x = gradients[0] * inside
        to_scale = None
        if ctx.needs_input_grad[1]:
            # d y / d scale is (y - x) / scale inside of the range and y / scale outside.
            to_scale = (torch.sum(gradients[0] * y) - torch.sum(to_x * x)) / scale
            to_scale = to_scale.reshape(scale.shape)
        return to_x, to_scale, None


def weight_steps(weights: Tensor, scale: Tensor, axis: int) -> Tensor:
    """Weights in steps of their scale, not rounded, float64 as ``params.quantize`` has them.

    Args:
        scale: (channels,), along ``axis`` of the weights.
    """
    return weights.double() / along(axis, scale.double(), weights.ndim)


def along(axis: int, numbers: Tensor, rank: int) -> Tensor:
    """Numbers, one per channel, of a shape that broadcasts along that axis of a tensor."""
    return numbers.reshape([-1 if i == axis else 1 for i in range(rank)])


def fake_quantize_weights(weights: Tensor, scale: Tensor, axis: int) -> Tensor:
    """Symmetric int8 in [-127, 127] per channel and back.

    Args:
        scale: (channels,), along ``axis`` of the weights; it gets a gradient, too.
    """
    result: Tensor = _Weights.apply(weights, scale, axis)  # type: ignore[no-untyped-call]
    return result


class _Weights(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, weights: Tensor, scale: Tensor, axis: int) -> Tensor:
        steps = weight_steps(weights, scale, axis)
        rounded = steps.round()
        inside = rounded.abs() <= 127
        rounded.clamp_(-127, 127)
        ctx.save_for_backward((rounded - inside * steps).float(), inside)
        ctx.axis = axis
        return (rounded * along(axis, scale.double(), weights.ndim)).float()

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        along_scale, inside = ctx.saved_tensors
        others = [i for i in range(along_scale.ndim) if i != ctx.axis]
        to_scale = (gradients[0] * along_scale).sum(others) if ctx.needs_input_grad[1] else None
        return gradients[0] * inside, to_scale, None


def fake_quantize_bias(bias: Tensor, scale: Tensor) -> Tensor:
    """int32 per channel and back; the gradient is the bias's alone, since its rounding is far below all else.

    Args:
        bias: (channels,).
        scale: (channels,).
    """
    wide = scale.detach().double()
    steps = (bias.detach().double() / wide).round().clamp(-(2.0**31), 2.0**31 - 1)
    return (steps * wide).float() + (bias - bias.detach())
