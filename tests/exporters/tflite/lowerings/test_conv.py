"""Convolutions, float and int8."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mobiledeploy.exporters.tflite.onnx_to_tflite import lower
from mobiledeploy.exporters.tflite.op_versions import op_version
from mobiledeploy.quantize.quantize_model import quantize_model
from mobiledeploy.quantize.recipe import QuantizeRecipe
from mobiledeploy.runtime.partitions import forecast_partitions, measure_partitions
from mobiledeploy.runtime.targets import LITERT_2_3

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

INT16 = {  # what groups of channels make faster is a kernel of XNNPACK, which takes nothing in int16
    "depthwise, 7x7": "DEPTHWISE_CONV_2D",
    "depthwise, 9x9, stride 2, no bias": "PAD DEPTHWISE_CONV_2D",
    "depthwise, 7x7, ReLU6": "DEPTHWISE_CONV_2D",
}


def test_in_float(float_case: Any) -> None:
    float_case.check()


def test_in_int8(int8_case: Any) -> None:
    int8_case.check()


def test_in_int16(int16_case: Any) -> None:
    int16_case.check()


LARGE = {
    "7x7": ("pads=[3,3,3,3]", 32, "7,7", 16),
    "9x9": ("pads=[4,4,4,4]", 12, "9,9", 12),
    "11x11": ("pads=[5,5,5,5]", 10, "11,11", 10),
    "5x7": ("pads=[2,3,2,3]", 6, "5,7", 6),
    "no pads": ("strides=[1,1]", 6, "7,7", 6),
    "stride 2": ("pads=[3,3,3,3], strides=[2,2]", 48, "7,7", 16),
    "dilation 2": ("pads=[6,6,6,6], dilations=[2,2]", 6, "7,7", 6),
    "twice a prime number": ("pads=[3,3,3,3]", 38, "7,7", 2),
}


@pytest.mark.parametrize(("attributes", "channels", "kernel", "size"), LARGE.values(), ids=LARGE)
def test_large_depthwise_in_groups_gives_the_same_integers(
    attributes: str, channels: int, kernel: str, size: int, onnx_text: Any, tmp_path: Path
) -> None:
    """As DEPTHWISE_CONV_2D gives in XNNPACK, in a fraction of the time."""
    c = channels
    model = onnx_text["model_of"](
        f"y = Conv<{attributes}, group={c}>(x[1,{c},13,12], w[{c},1,{kernel}], b[{c}])"
    )
    samples = onnx_text["samples_for"](model)
    quantize_model(model, samples, LITERT_2_3, QuantizeRecipe(calibrator="min-max"))
    grouped, depthwise = (
        lower(model, target) for target in (LITERT_2_3, replace(LITERT_2_3, depthwise_taps=1000))
    )
    assert [op.name for op in depthwise.ops if "CONV" in op.name] == ["DEPTHWISE_CONV_2D"]
    (convolution,) = (op for op in grouped.ops if op.name == "CONV_2D")
    weights = convolution.inputs[1]
    assert weights is not None and weights.shape[3] == size
    assert op_version(convolution) == (6 if size < channels else 3)
    path, result = tmp_path / "net.tflite", depthwise.ops[-1].inputs[0]
    assert result is not None and result.params is not None
    for sample in samples:
        for delegate in (True, False):  # the builtin kernels break ties in two ways
            one, other = (
                onnx_text["run_tflite"](graph, path, sample, delegate)["y"] for graph in (depthwise, grouped)
            )
            steps = (one - other) / float(result.params.scale[0])
            assert np.abs(steps).max() < (0.01 if delegate else 1.01)
    measured = measure_partitions(path, LITERT_2_3)
    assert forecast_partitions(path, LITERT_2_3) == measured
    assert measured.outside == ()
