"""Convolutions: CONV_2D, DEPTHWISE_CONV_2D, TRANSPOSE_CONV, and the padding before them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mobiledeploy.exporters.builder import Builder
from mobiledeploy.exporters.lowerings.registry import lowers
from mobiledeploy.exporters.tflite_graph import Tensor

__all__ = ["conv", "conv_transpose", "spatial_padding"]


def spatial_padding(
    b: Builder, x: Tensor, pads: Sequence[int], kernel: Sequence[int], strides: Sequence[int]
) -> tuple[Tensor, str]:
    """ONNX pads as (input, padding mode): SAME or VALID where that means the same, else an explicit PAD and VALID.

    Args:
        x: (N, H, W, C).
        pads: (top, left, bottom, right), as in ONNX.
        kernel: Extent of the kernel (height, width), dilation included.
    """
    if not any(pads):
        return x, "VALID"
    same = []
    for axis in (0, 1):
        size = x.shape[1 + axis]
        total = max((-(-size // strides[axis]) - 1) * strides[axis] + kernel[axis] - size, 0)
        same.append((total // 2, total - total // 2))
    if (pads[0], pads[2]) == same[0] and (pads[1], pads[3]) == same[1]:
        return x, "SAME"
    widths = np.array([[0, 0], [pads[0], pads[2]], [pads[1], pads[3]], [0, 0]], np.int32)
    n, h, w, c = x.shape
    padded = x.with_shape((n, h + pads[0] + pads[2], w + pads[1] + pads[3], c), "padded")
    return b.op("PAD", x, b.constant(widths, "paddings"), to=padded), "VALID"


def _require_constant_2d(b: Builder, weights: Tensor) -> np.ndarray[tuple[int, ...], np.dtype[np.generic]]:
    if weights.data is None or weights.data.ndim != 4:
        raise b.refuse(
            "weights that are no constant of rank 4", "only 2-D convolutions with fixed weights are supported"
        )
    return weights.data


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
    """ONNX weights (out, in/groups, kh, kw); CONV_2D takes (out, kh, kw, in/groups), depthwise (1, kh, kw, out)."""
    kernel = _require_constant_2d(b, weights)
    if auto_pad not in ("NOTSET", "VALID"):
        raise b.refuse(f"auto_pad={auto_pad}", "write the padding as explicit pads (onnxsim does)")
    out, per_group, kh, kw = kernel.shape
    extent = ((kh - 1) * dilations[0] + 1, (kw - 1) * dilations[1] + 1)
    options = {
        "stride_h": strides[0],
        "stride_w": strides[1],
        "dilation_h_factor": dilations[0],
        "dilation_w_factor": dilations[1],
    }
    depthwise = group > 1 and per_group == 1
    if depthwise:
        packed = b.weights(weights, kernel.reshape(1, out, kh, kw).transpose(0, 2, 3, 1), axis=3)
        options["depth_multiplier"] = out // group
    else:
        packed = b.weights(weights, kernel.transpose(0, 2, 3, 1), axis=0)
    offset = b.bias(bias, out, x, packed)
    x, padding = spatial_padding(b, x, pads, extent, strides)
    name = "DEPTHWISE_CONV_2D" if depthwise else "CONV_2D"
    return b.op(name, x, packed, offset, padding=padding, **options)


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
    """ONNX weights (in, out/groups, kh, kw); TRANSPOSE_CONV takes (out, kh, kw, in) and its output's shape."""
    kernel = _require_constant_2d(b, weights)
    if group != 1 or any(d != 1 for d in dilations) or auto_pad != "NOTSET" or output_shape is not None:
        raise b.refuse("groups, dilation or automatic padding", "TRANSPOSE_CONV has none of them")
    _, height, width, channels = b.result.shape
    size, step = kernel.shape[2:], strides
    expected = [(x.shape[1 + i] - 1) * step[i] + size[i] for i in (0, 1)]
    same = [x.shape[1 + i] * step[i] for i in (0, 1)]
    cut = [max(expected[i] - same[i], 0) for i in (0, 1)]
    if (height, width) == tuple(expected) and not any(pads):
        padding = "VALID"
    elif (height, width) == tuple(same) and list(pads[:2]) == [c // 2 for c in cut]:
        padding = "SAME"
    else:
        raise b.refuse(f"pads {list(pads)}", "TRANSPOSE_CONV expresses no padding, or what SAME implies")
    packed = b.weights(weights, kernel.transpose(1, 2, 3, 0), axis=0)
    shape = b.constant(np.array(b.result.shape, np.int32), "shape")
    offset = b.bias(bias, channels, x, packed)
    return b.op(
        "TRANSPOSE_CONV", shape, packed, x, offset, padding=padding, stride_h=step[0], stride_w=step[1]
    )
