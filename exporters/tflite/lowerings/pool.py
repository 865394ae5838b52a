"""Pooling and means."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mobiledeploy.exporters.tflite.builder import Builder
from mobiledeploy.exporters.tflite.graph import Tensor
from mobiledeploy.exporters.tflite.lowerings.conv import explicit_padding, padding_mode
from mobiledeploy.exporters.tflite.lowerings.registry import lowers


def _pool(
    b: Builder, name: str, x: Tensor, padding: str, kernel: Sequence[int], strides: Sequence[int]
) -> Tensor:
    return b.op(
        name,
        x,
        padding=padding,
        filter_height=kernel[0],
        filter_width=kernel[1],
        stride_h=strides[0],
        stride_w=strides[1],
    )


@lowers("MaxPool")
def max_pool(
    b: Builder,
    x: Tensor,
    *,
    auto_pad: str = "NOTSET",
    ceil_mode: int = 0,
    dilations: Sequence[int] = (1, 1),
    kernel_shape: Sequence[int] = (),
    pads: Sequence[int] = (0, 0, 0, 0),
    storage_order: int = 0,
    strides: Sequence[int] = (1, 1),
) -> Tensor:
    """MAX_POOL_2D. ONNX pads with -inf; where no input is negative 0 does as well, and PAD is delegated."""
    if any(d != 1 for d in dilations):
        raise b.refuse(f"dilations {list(dilations)}", "MAX_POOL_2D has none, use dilation 1")
    x = b.same_params(x)
    if ceil_mode:
        pads = _pads_up_to_result(b, x, pads, kernel_shape, strides)
    padding = padding_mode(b, x, pads, kernel_shape, strides, auto_pad)
    if padding == "EXPLICIT":
        lowest = x.params.low if x.params is not None else float(np.finfo(np.float32).min)
        value = 0.0 if lowest == 0 or _is_rectified(b, x) else lowest
        x, padding = explicit_padding(b, x, pads, value), "VALID"
    return _pool(b, "MAX_POOL_2D", x, padding, kernel_shape, strides)


def _pads_up_to_result(
    b: Builder, x: Tensor, pads: Sequence[int], kernel: Sequence[int], strides: Sequence[int]
) -> list[int]:
    """With ceil_mode the last window may reach further than the padding: pad as far as the result needs."""
    after = [(b.result.shape[1 + i] - 1) * strides[i] + kernel[i] - x.shape[1 + i] - pads[i] for i in (0, 1)]
    return [pads[0], pads[1], max(after[0], 0), max(after[1], 0)]


def _is_rectified(b: Builder, x: Tensor) -> bool:
    op = b.graph.producer(x)
    rectifying = ("RELU", "RELU6", "LOGISTIC")
    return op is not None and (
        op.name in rectifying or op.options.get("fused_activation_function") in rectifying
    )


@lowers("AveragePool")
def average_pool(
    b: Builder,
    x: Tensor,
    *,
    auto_pad: str = "NOTSET",
    ceil_mode: int = 0,
    count_include_pad: int = 0,
    dilations: Sequence[int] = (1, 1),
    kernel_shape: Sequence[int] = (),
    pads: Sequence[int] = (0, 0, 0, 0),
    strides: Sequence[int] = (1, 1),
) -> Tensor:
    """AVERAGE_POOL_2D divides by the number of elements inside the image: counted padding becomes a PAD."""
    if ceil_mode or any(d != 1 for d in dilations):
        raise b.refuse(
            "ceil_mode or dilations", "AVERAGE_POOL_2D has none of them, choose a size that divides"
        )
    x = b.same_params(x)
    padding = padding_mode(b, x, pads, kernel_shape, strides, auto_pad)
    if count_include_pad and any(pads):
        x, padding = explicit_padding(b, x, pads), "VALID"
    elif padding == "EXPLICIT":
        raise b.refuse(
            f"pads {list(pads)} that do not count in the mean", "set count_include_pad, or pad as SAME does"
        )
    return _pool(b, "AVERAGE_POOL_2D", x, padding, kernel_shape, strides)


@lowers("GlobalAveragePool")
def global_average_pool(b: Builder, x: Tensor) -> Tensor:
    return b.op("MEAN", x, b.constant(np.array([1, 2], np.int32), "axes"), keep_dims=True)


@lowers("ReduceMean")
def reduce_mean(
    b: Builder, x: Tensor, axes: Tensor | None = None, *, keepdims: int = 1, noop_with_empty_axes: int = 0
) -> Tensor:
    """MEAN. Without keepdims what is left of NHWC is not in ONNX's order, unless it is (N, C)."""
    if axes is None or axes.data is None:
        raise b.refuse("no constant axes", "name the axes of the mean")
    onnx_axes = [int(axis) for axis in axes.data.reshape(-1)]
    if not keepdims and {axis % len(x.shape) for axis in onnx_axes} != {2, 3}:
        x = b.onnx_order(x)
    in_memory = np.array(sorted(x.axis(axis) for axis in onnx_axes), np.int32)
    return b.op("MEAN", x, b.constant(in_memory, "axes"), keep_dims=bool(keepdims))
