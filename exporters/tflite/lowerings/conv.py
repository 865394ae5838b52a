"""Convolutions: CONV_2D, DEPTHWISE_CONV_2D, TRANSPOSE_CONV, and the padding before them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from mobiledeploy.exporters.tflite.builder import Builder
from mobiledeploy.exporters.tflite.graph import Tensor
from mobiledeploy.exporters.tflite.lowerings.registry import lowers
from mobiledeploy.graph.onnx_graph import required
from mobiledeploy.graph.params import quantize

__all__ = ["explicit_padding", "padding_mode"]


def padding_mode(
    b: Builder,
    x: Tensor,
    pads: Sequence[int],
    kernel: Sequence[int],
    strides: Sequence[int],
    auto_pad: str = "NOTSET",
) -> str:
    """Return SAME or VALID where that means the same as the ONNX pads, else EXPLICIT.

    Args:
        x: (N, H, W, C).
        pads: (top, left, bottom, right), as in ONNX.
        kernel: Extent of the kernel (height, width), dilation included.
        auto_pad: ONNX's attribute; SAME_UPPER is what TFLite calls SAME.
    """
    if auto_pad not in ("NOTSET", "VALID", "SAME_UPPER"):
        raise b.refuse(f"auto_pad={auto_pad}", "write the padding as explicit pads")
    if auto_pad == "SAME_UPPER":
        return "SAME"
    if auto_pad == "VALID" or not any(pads):
        return "VALID"
    same = [_same_padding(x.shape[1 + axis], kernel[axis], strides[axis]) for axis in (0, 1)]
    return "SAME" if [(pads[0], pads[2]), (pads[1], pads[3])] == same else "EXPLICIT"


def _same_padding(size: int, kernel: int, stride: int) -> tuple[int, int]:
    """Return what SAME adds (before, after): enough for ceil(size / stride) outputs, the odd one after."""
    total = max((math.ceil(size / stride) - 1) * stride + kernel - size, 0)
    return total // 2, total - total // 2


def explicit_padding(b: Builder, x: Tensor, pads: Sequence[int], value: float = 0.0) -> Tensor:
    """(N, H, W, C) padded by (top, left, bottom, right); by other values than 0 with PADV2, not delegated."""
    top, left, bottom, right = pads
    widths = b.constant(np.array([[0, 0], [top, bottom], [left, right], [0, 0]], np.int32), "paddings")
    n, h, w, c = x.shape
    padded = x.with_shape((n, h + top + bottom, w + left + right, c), "padded")
    if value == 0:
        return b.op("PAD", x, widths, to=padded)
    fill = np.array([value], np.float32)
    stored = fill if x.params is None else quantize(fill, x.params)
    return b.op("PADV2", x, widths, b.constant(stored, "fill", x.params), to=padded)


def _require_constant_2d(b: Builder, weights: Tensor) -> tuple[int, int, int, int]:
    """Return the shape of the weights."""
    if weights.data is None or len(weights.shape) != 4:
        raise b.refuse(
            "weights that are no constant of rank 4", "only 2-D convolutions with fixed weights are supported"
        )
    first, second, height, width = weights.shape
    return first, second, height, width


@lowers("Conv")
def conv(
    b: Builder,
    x: Tensor,
    weights: Tensor,
    bias: Tensor | None = None,
    *,
    auto_pad: str = "NOTSET",
    dilations: Sequence[int] = (1, 1),
    group: int = 1,
    kernel_shape: Sequence[int] | None = None,
    pads: Sequence[int] = (0, 0, 0, 0),
    strides: Sequence[int] = (1, 1),
) -> Tensor:
    """ONNX weights (out, in/groups, kh, kw); CONV_2D (out, kh, kw, in/groups), depthwise (1, kh, kw, out)."""
    out, per_group, kh, kw = _require_constant_2d(b, weights)
    depthwise = group > 1 and per_group == 1
    if depthwise and b.is_int8 and out == group and kh * kw > b.target.depthwise_taps:
        size = max(n for n in range(1, b.target.channels_per_group + 1) if out % n == 0)
        if size > 1:  # a prime number of channels has nothing to gain
            weights, depthwise = _block_diagonal(weights, size), False
    order, channel_axis = ((1, 2, 3, 0), 3) if depthwise else ((0, 2, 3, 1), 0)
    packed = b.weights(weights, order, channel_axis)
    offset = b.bias(bias, out, x, packed)
    extent = ((kh - 1) * dilations[0] + 1, (kw - 1) * dilations[1] + 1)
    padding = padding_mode(b, x, pads, extent, strides, auto_pad)
    if padding == "EXPLICIT":
        x, padding = explicit_padding(b, x, pads), "VALID"
    multiplier: dict[str, Any] = {"depth_multiplier": out // group} if depthwise else {}
    return b.op(
        "DEPTHWISE_CONV_2D" if depthwise else "CONV_2D",
        x,
        packed,
        offset,
        padding=padding,
        stride_h=strides[0],
        stride_w=strides[1],
        dilation_h_factor=dilations[0],
        dilation_w_factor=dilations[1],
        **multiplier,
    )


def _block_diagonal(weights: Tensor, size: int) -> Tensor:
    """Return depthwise weights (C, 1, kh, kw) as those of a convolution in groups, (C, size, kh, kw).

    With more taps than its fast kernels have, XNNPACK runs a depthwise convolution as one in groups of a
    channel, which leaves most of each multiply-add instruction idle. Groups of several channels, most of the
    weights 0, give the same integers many times faster.
    """
    channels = weights.shape[0]
    blocks = np.zeros((channels, size, *weights.shape[2:]), weights.dtype)
    every = np.arange(channels)
    blocks[every, every % size] = required(weights.data)[:, 0]
    return replace(weights, shape=blocks.shape, data=blocks)


@lowers("ConvTranspose")
def conv_transpose(
    b: Builder,
    x: Tensor,
    weights: Tensor,
    bias: Tensor | None = None,
    *,
    auto_pad: str = "NOTSET",
    dilations: Sequence[int] = (1, 1),
    group: int = 1,
    kernel_shape: Sequence[int] | None = None,
    output_padding: Sequence[int] = (0, 0),
    output_shape: Sequence[int] | None = None,
    pads: Sequence[int] = (0, 0, 0, 0),
    strides: Sequence[int] = (1, 1),
) -> Tensor:
    """ONNX weights (in, out/groups, kh, kw); TRANSPOSE_CONV takes (out, kh, kw, in) and its output's shape.

    ONNX cuts ``pads`` off the full result. SAME does that for some pads; else VALID and a SLICE do it.
    """
    _, channels, *kernel = _require_constant_2d(b, weights)
    if group != 1 or any(d != 1 for d in dilations) or auto_pad != "NOTSET" or output_shape is not None:
        raise b.refuse(
            "groups, dilation, auto_pad or output_shape",
            "TRANSPOSE_CONV has none of them, use explicit pads and one group",
        )
    packed = b.weights(weights, (1, 2, 3, 0), axis=0)
    offset = b.bias(bias, channels, x, packed)

    def transpose_conv(to: Tensor, padding: str) -> Tensor:
        shape = b.constant(np.array(to.shape, np.int32), "shape")
        inputs = (shape, packed, x, offset)
        return b.op(
            "TRANSPOSE_CONV", *inputs, to=to, padding=padding, stride_h=strides[0], stride_w=strides[1]
        )

    n, *size, _ = b.result.shape
    same = [_same_padding(size[i], kernel[i], strides[i]) for i in (0, 1)]
    if size == [x.shape[1 + i] * strides[i] for i in (0, 1)] and list(pads[:2]) == [
        before for before, _ in same
    ]:
        return transpose_conv(b.result, "SAME")
    if not any(pads):
        return transpose_conv(b.result, "VALID")
    reach = [(x.shape[1 + i] - 1) * strides[i] + kernel[i] for i in (0, 1)]
    full = (n, *(max(reach[i], pads[i] + size[i]) for i in (0, 1)), channels)
    begin = b.constant(np.array([0, pads[0], pads[1], 0], np.int32), "begin")
    whole = transpose_conv(b.result.with_shape(full, "whole"), "VALID")
    return b.op("SLICE", whole, begin, b.constant(np.array(b.result.shape, np.int32), "size"))
