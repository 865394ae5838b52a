"""Pooling and means, float and int8."""

from __future__ import annotations

from typing import Any

CASES = {
    "max, 2x2": ("y = MaxPool<kernel_shape=[2,2], strides=[2,2]>(x[1,3,8,8])", "MAX_POOL_2D"),
    "max, 3x3 as SAME": (
        "y = MaxPool<kernel_shape=[3,3], pads=[1,1,1,1]>(x[1,3,8,8])",
        "MAX_POOL_2D",
    ),
    "max, pads after ReLU": (
        "c = Conv(x[1,3,8,8], w[4,3,1,1], b[4]); r = Relu(c);"
        "y = MaxPool<kernel_shape=[3,3], strides=[2,2], pads=[1,1,1,1]>(r)",
        "CONV_2D PAD MAX_POOL_2D",
    ),
    "max, pads on negative values": (
        "y = MaxPool<kernel_shape=[3,3], strides=[2,2], pads=[1,1,1,1]>(x[1,3,8,8])",
        "PADV2 MAX_POOL_2D",
    ),
    "max, ceil_mode that reaches further": (
        "y = MaxPool<kernel_shape=[3,3], strides=[2,2], ceil_mode=1>(x[1,3,8,8])",
        "MAX_POOL_2D",
    ),
    "max, ceil_mode with pads": (
        "r = Relu(x[1,3,12,12]);"
        "y = MaxPool<kernel_shape=[3,3], strides=[4,4], pads=[1,1,0,0], ceil_mode=1>(r)",
        "RELU PAD MAX_POOL_2D",
        "QUANTIZE PAD MAX_POOL_2D",
    ),
    "max, ceil_mode without effect": (
        "y = MaxPool<kernel_shape=[3,3], strides=[2,2], ceil_mode=1>(x[1,3,9,9])",
        "MAX_POOL_2D",
    ),
    "average, 2x2": ("y = AveragePool<kernel_shape=[2,2], strides=[2,2]>(x[1,3,8,8])", "AVERAGE_POOL_2D"),
    "average, SAME, pads do not count": (
        "y = AveragePool<kernel_shape=[3,3], pads=[1,1,1,1]>(x[1,3,8,8])",
        "AVERAGE_POOL_2D",
    ),
    "average, pads count": (
        "y = AveragePool<kernel_shape=[3,3], pads=[1,1,1,1], count_include_pad=1>(x[1,3,8,8])",
        "PAD AVERAGE_POOL_2D",
    ),
    "average, stride 2, pads count": (
        "y = AveragePool<kernel_shape=[3,3], strides=[2,2], pads=[1,1,1,1], count_include_pad=1>(x[1,3,8,8])",
        "PAD AVERAGE_POOL_2D",
    ),
    "global average": ("y = GlobalAveragePool(x[1,3,8,8])", "MEAN"),
    "mean, keepdims": ("y = ReduceMean<keepdims=1>(x[1,3,8,8], {2,3})", "MEAN"),
    "mean, no keepdims": ("y = ReduceMean<keepdims=0>(x[1,3,8,8], {2,3})", "MEAN"),
    "mean, negative axes": ("y = ReduceMean<keepdims=0>(x[1,3,8,8], {-1,-2})", "MEAN"),
    "mean of channels": ("y = ReduceMean<keepdims=1>(x[1,3,8,8], {1})", "MEAN"),
    "mean of channels, no keepdims": ("y = ReduceMean<keepdims=0>(x[1,3,8,8], {1})", "TRANSPOSE MEAN"),
    "mean of width, no keepdims": ("y = ReduceMean<keepdims=0>(x[1,3,8,8], {3})", "TRANSPOSE MEAN"),
    "mean, rank 2": ("y = ReduceMean<keepdims=1>(x[3,8], {1})", "MEAN"),
    "mean, rank 3": ("y = ReduceMean<keepdims=0>(x[2,3,8], {1})", "MEAN"),
}

INT16 = {"max, ceil_mode with pads": "QUANTIZE RELU PAD MAX_POOL_2D"}


def test_in_float(float_case: Any) -> None:
    float_case.check()


def test_in_int8(int8_case: Any) -> None:
    int8_case.check()


def test_in_int16(int16_case: Any) -> None:
    int16_case.check()
