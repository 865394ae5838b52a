"""Convolutions, float and int8."""

from __future__ import annotations

from typing import Any

CASES = {
    "3x3": ("y = Conv<pads=[1,1,1,1]>(x[1,3,8,8], w[4,3,3,3], b[4])", "CONV_2D"),
    "no bias": ("y = Conv<pads=[1,1,1,1]>(x[1,3,8,8], w[4,3,3,3])", "CONV_2D"),
    "1x1": ("y = Conv(x[1,6,5,5], w[4,6,1,1], b[4])", "CONV_2D"),
    "batch 2": ("y = Conv(x[2,6,5,5], w[4,6,1,1], b[4])", "CONV_2D"),
    "valid": ("y = Conv(x[1,3,8,8], w[4,3,3,3], b[4])", "CONV_2D"),
    "stride 2, symmetric pads": (
        "y = Conv<pads=[1,1,1,1], strides=[2,2]>(x[1,3,8,8], w[4,3,3,3], b[4])",
        "PAD CONV_2D",
    ),
    "stride 2, pads as SAME": (
        "y = Conv<pads=[0,0,1,1], strides=[2,2]>(x[1,3,8,8], w[4,3,3,3], b[4])",
        "CONV_2D",
    ),
    "stride 2, odd size": (
        "y = Conv<pads=[1,1,1,1], strides=[2,2]>(x[1,3,9,9], w[4,3,3,3], b[4])",
        "CONV_2D",
    ),
    "strides of two kinds": (
        "y = Conv<pads=[1,0,1,2], strides=[1,2]>(x[1,3,8,9], w[4,3,3,3], b[4])",
        "PAD CONV_2D",
    ),
    "SAME_UPPER": (
        'y = Conv<auto_pad="SAME_UPPER", strides=[2,2]>(x[1,3,8,8], w[4,3,3,3], b[4])',
        "CONV_2D",
    ),
    "dilated": ("y = Conv<pads=[2,2,2,2], dilations=[2,2]>(x[1,3,9,9], w[4,3,3,3], b[4])", "CONV_2D"),
    "15x1": ("y = Conv<pads=[7,0,7,0]>(x[1,3,16,8], w[4,3,15,1], b[4])", "CONV_2D"),
    "grouped": ("y = Conv<pads=[1,1,1,1], group=2>(x[1,6,8,8], w[4,3,3,3], b[4])", "CONV_2D"),
    "depthwise": (
        "y = Conv<pads=[1,1,1,1], group=6>(x[1,6,8,8], w[6,1,3,3], b[6])",
        "DEPTHWISE_CONV_2D",
    ),
    "depthwise, stride 2": (
        "y = Conv<pads=[1,1,1,1], strides=[2,2], group=6>(x[1,6,8,8], w[6,1,3,3], b[6])",
        "PAD DEPTHWISE_CONV_2D",
    ),
    "depthwise, multiplier 2": (
        "y = Conv<pads=[1,1,1,1], group=3>(x[1,3,8,8], w[6,1,3,3], b[6])",
        "DEPTHWISE_CONV_2D",
    ),
    "depthwise, dilated": (
        "y = Conv<pads=[2,2,2,2], dilations=[2,2], group=6>(x[1,6,9,9], w[6,1,3,3], b[6])",
        "DEPTHWISE_CONV_2D",
    ),
    "depthwise, 7x7": (
        "y = Conv<pads=[3,3,3,3], group=6>(x[1,6,9,9], w[6,1,7,7], b[6])",
        "DEPTHWISE_CONV_2D",
        "CONV_2D",
    ),
    "depthwise, 9x9, stride 2, no bias": (
        "y = Conv<pads=[4,4,4,4], strides=[2,2], group=34>(x[1,34,10,11], w[34,1,9,9])",
        "PAD DEPTHWISE_CONV_2D",
        "PAD CONV_2D",
    ),
    "depthwise, 7x7, ReLU6": (
        "c = Conv<pads=[3,3,3,3], group=6>(x[1,6,9,9], w[6,1,7,7], b[6]); y = Clip(c, {0.0}, {6.0})",
        "DEPTHWISE_CONV_2D",
        "CONV_2D",
    ),
    "depthwise, 7x7, multiplier 2": (
        "y = Conv<pads=[3,3,3,3], group=3>(x[1,3,9,9], w[6,1,7,7], b[6])",
        "DEPTHWISE_CONV_2D",
    ),
    "depthwise, 7x7, a prime number of channels": (
        "y = Conv<pads=[3,3,3,3], group=17>(x[1,17,9,9], w[17,1,7,7], b[17])",
        "DEPTHWISE_CONV_2D",
    ),
    "one channel": ("y = Conv<pads=[1,1,1,1]>(x[1,1,8,8], w[4,1,3,3], b[4])", "CONV_2D"),
    "one output channel": ("y = Conv<pads=[1,1,1,1]>(x[1,3,8,8], w[1,3,3,3], b[1])", "CONV_2D"),
    "ReLU": ("c = Conv(x[1,6,5,5], w[4,6,1,1], b[4]); y = Relu(c)", "CONV_2D"),
    "ReLU6": ("c = Conv(x[1,6,5,5], w[4,6,1,1], b[4]); y = Clip(c, {0.0}, {6.0})", "CONV_2D"),
    "clip to [-1, 1]": ("c = Conv(x[1,6,5,5], w[4,6,1,1], b[4]); y = Clip(c, {-1.0}, {1.0})", "CONV_2D"),
    "two in a row": (
        "c = Conv<pads=[1,1,1,1]>(x[1,3,8,8], w[4,3,3,3], b[4]); y = Conv(c, v[2,4,1,1])",
        "CONV_2D CONV_2D",
    ),
    "weights shared by two": (
        "c = Conv(x[1,4,8,8], w[4,4,1,1], b[4]); y = Conv(c, w, b)",
        "CONV_2D CONV_2D",
    ),
    "transposed, 2x2 by 2": (
        "y = ConvTranspose<strides=[2,2]>(x[1,3,4,4], w[3,5,2,2], b[5])",
        "TRANSPOSE_CONV",
    ),
    "transposed, no bias": ("y = ConvTranspose<strides=[2,2]>(x[1,3,4,4], w[3,5,2,2])", "TRANSPOSE_CONV"),
    "transposed, 3x3 by 2, no pads": (
        "y = ConvTranspose<strides=[2,2]>(x[1,3,4,4], w[3,5,3,3], b[5])",
        "TRANSPOSE_CONV",
    ),
    "transposed, 4x4 by 2, pads 1": (
        "y = ConvTranspose<strides=[2,2], pads=[1,1,1,1]>(x[1,3,4,4], w[3,5,4,4], b[5])",
        "TRANSPOSE_CONV",
    ),
    "transposed, 3x3 by 2, pads 1": (
        "y = ConvTranspose<strides=[2,2], pads=[1,1,1,1]>(x[1,3,4,4], w[3,5,3,3], b[5])",
        "TRANSPOSE_CONV SLICE",
    ),
    "transposed, 3x3 by 2, pads 1, output_padding": (
        "y = ConvTranspose<strides=[2,2], pads=[1,1,1,1], output_padding=[1,1]>"
        "(x[1,3,4,4], w[3,5,3,3], b[5])",
        "TRANSPOSE_CONV SLICE",
    ),
    "transposed, output_padding beyond the kernel": (
        "y = ConvTranspose<strides=[2,2], output_padding=[1,1]>(x[1,3,4,4], w[3,5,2,2], b[5])",
        "TRANSPOSE_CONV",
    ),
    "transposed, stride 1": (
        "y = ConvTranspose<pads=[1,1,1,1]>(x[1,3,4,4], w[3,5,3,3], b[5])",
        "TRANSPOSE_CONV",
    ),
    "transposed, unequal pads": (
        "y = ConvTranspose<strides=[2,3], pads=[0,1,1,2]>(x[1,3,4,5], w[3,5,3,4], b[5])",
        "TRANSPOSE_CONV SLICE",
    ),
}


def test_in_float(float_case: Any) -> None:
    float_case.check()


def test_in_int8(int8_case: Any) -> None:
    int8_case.check()
