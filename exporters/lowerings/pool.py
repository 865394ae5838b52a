"""Pooling and means."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mobiledeploy.exporters.builder import Builder
from mobiledeploy.exporters.lowerings.conv import spatial_padding
from mobiledeploy.exporters.lowerings.registry import lowers
from mobiledeploy.exporters.tflite_graph import Tensor

__all__ = ["average_pool", "max_pool", "reduce_mean"]


def _pool(
    b: Builder, name: str, x: Tensor, padding: str, kernel: Sequence[int], strides: Sequence[int]
) -> Tensor:
    return b.op(
        name,
        b.same_params(x),
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
    """MAX_POOL_2D. ONNX pads with -inf; a PAD writes 0, which is the same only if no input is negative."""
    if ceil_mode or auto_pad != "NOTSET" or any(d != 1 for d in dilations):
        raise b.refuse("ceil_mode, dilation or auto_pad", "MAX_POOL_2D has none of them")
    padded, padding = spatial_padding(b, x, pads, kernel_shape, strides)
    if padded is not x and not _never_negative(b, x):
        raise b.refuse(f"pads {list(pads)} on values that may be negative", "put a ReLU before the pooling")
    return _pool(b, "MAX_POOL_2D", padded, padding, kernel_shape, strides)


def _never_negative(b: Builder, x: Tensor) -> bool:
    if x.params is not None:
        return x.params.low >= 0
    producer = b.graph.producer(x)
    if producer is None:
        return False
    return producer.name in ("RELU", "RELU6", "LOGISTIC") or producer.options.get(
        "fused_activation_function"
    ) in ("RELU", "RELU6")


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
    if ceil_mode or auto_pad != "NOTSET" or any(d != 1 for d in dilations):
        raise b.refuse("ceil_mode, dilation or auto_pad", "AVERAGE_POOL_2D has none of them")
    padded, padding = spatial_padding(b, x, pads, kernel_shape, strides)
    if any(pads) and count_include_pad != (padding == "VALID"):
        raise b.refuse(
            f"pads {list(pads)} with count_include_pad={count_include_pad}",
            "AVERAGE_POOL_2D expresses uncounted SAME padding or counted explicit padding",
        )
    return _pool(b, "AVERAGE_POOL_2D", padded, padding, kernel_shape, strides)


@lowers("ReduceMean")
def reduce_mean(
    b: Builder, x: Tensor, axes: Tensor | None = None, *, keepdims: int = 1, noop_with_empty_axes: int = 0
) -> Tensor:
    """MEAN. Without keepdims an NHWC input gives what is left of NCHW, so only (N, C) results come for free."""
    if axes is None or axes.data is None:
        raise b.refuse("no constant axes", "name the axes of the mean")
    chosen = sorted(x.axis(int(axis)) for axis in axes.data.reshape(-1))
    if not keepdims and chosen != [1, 2] and len(x.shape) == 4:
        x = b.onnx_order(x)
        chosen = sorted(x.axis(int(axis)) for axis in axes.data.reshape(-1))
    return b.op("MEAN", x, b.constant(np.array(chosen, np.int32), "axes"), keep_dims=bool(keepdims))
