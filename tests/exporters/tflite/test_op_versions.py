"""Versions are the lowest that cover the form of the op."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from mobiledeploy.exporters.tflite.graph import Op, Tensor
from mobiledeploy.exporters.tflite.op_versions import op_version
from mobiledeploy.graph.params import QuantParams


def tensor(shape: tuple[int, ...], dtype: type, scale: float = 0.1) -> Tensor:
    params = QuantParams(np.array([scale], np.float32), np.zeros(1, np.int64)) if dtype is np.int8 else None
    return Tensor("t", shape, np.dtype(dtype), params=params)


IMAGE, WEIGHTS, HALF, BIAS = (1, 4, 4, 8), (8, 3, 3, 8), (8, 3, 3, 4), (8,)


@pytest.mark.parametrize(
    ("name", "shapes", "options", "in_float", "in_int8"),
    [
        ("CONV_2D", [IMAGE, WEIGHTS, BIAS], {}, 1, 3),
        ("CONV_2D", [IMAGE, HALF, BIAS], {}, 6, 6),
        ("DEPTHWISE_CONV_2D", [IMAGE, (1, 3, 3, 8), BIAS], {}, 1, 3),
        ("DEPTHWISE_CONV_2D", [IMAGE, (1, 3, 3, 8), BIAS], {"dilation_w_factor": 2}, 2, 3),
        ("FULLY_CONNECTED", [(1, 8), (4, 8), (4,)], {}, 1, 4),
        ("FULLY_CONNECTED", [(1, 2, 8), (4, 8), (4,)], {"keep_num_dims": True}, 5, 5),
        ("TRANSPOSE_CONV", [(4,), WEIGHTS, IMAGE, BIAS], {}, 3, 3),
        ("TRANSPOSE_CONV", [(4,), WEIGHTS, IMAGE, BIAS], {"fused_activation_function": "RELU"}, 4, 4),
        ("SPLIT", [(), IMAGE], {}, 1, 2),
        ("RESIZE_BILINEAR", [IMAGE], {}, 1, 2),
        ("RESIZE_BILINEAR", [IMAGE], {"half_pixel_centers": True}, 3, 3),
        ("TRANSPOSE", [(1, 2, 3, 4, 5)], {}, 4, 4),
        ("SUB", [(1, 2, 3, 4, 5), (5,)], {}, 3, 3),
        ("ADD", [IMAGE, IMAGE], {}, 1, 2),
        ("PAD", [IMAGE], {}, 1, 2),
        ("MEAN", [IMAGE], {}, 1, 2),
        ("STRIDED_SLICE", [IMAGE], {}, 1, 2),
        ("QUANTIZE", [IMAGE], {}, 1, 1),
        ("DEQUANTIZE", [IMAGE], {}, 1, 2),
        ("GATHER", [IMAGE], {}, 1, 2),
        ("RESHAPE", [IMAGE], {}, 1, 1),
        ("ELU", [IMAGE], {}, 1, 1),
        ("HARD_SWISH", [IMAGE], {}, 1, 1),
    ],
)
def test_version(
    name: str, shapes: list[tuple[int, ...]], options: dict[str, Any], in_float: int, in_int8: int
) -> None:
    for dtype, expected in ((np.float32, in_float), (np.int8, in_int8)):
        inputs: list[Tensor | None] = [tensor(shape, dtype) for shape in shapes]
        if name in ("SPLIT", "TRANSPOSE_CONV"):
            inputs[0] = tensor(shapes[0], np.int32)
        assert op_version(Op(name, inputs, [tensor(IMAGE, dtype)], options)) == expected


INT16 = [
    ("CONV_2D", [IMAGE, WEIGHTS, BIAS], 4),
    ("DEPTHWISE_CONV_2D", [IMAGE, (1, 3, 3, 8), BIAS], 5),
    ("FULLY_CONNECTED", [(1, 8), (4, 8), (4,)], 7),
    ("ADD", [IMAGE, IMAGE], 3),
    ("SUB", [IMAGE, IMAGE], 5),
    ("MUL", [IMAGE, IMAGE], 4),
    ("MEAN", [IMAGE], 3),
    ("TRANSPOSE", [IMAGE], 5),
    ("RESHAPE", [IMAGE], 1),
]


@pytest.mark.parametrize(("name", "shapes", "expected"), INT16)
def test_version_with_int16_activations(name: str, shapes: list[tuple[int, ...]], expected: int) -> None:
    inputs: list[Tensor | None] = [tensor(shape, np.int16) for shape in shapes]
    if len(shapes) == 3:
        inputs[1], inputs[2] = tensor(shapes[1], np.int8), tensor(shapes[2], np.int64)
    assert op_version(Op(name, inputs, [tensor(IMAGE, np.int16)])) == expected


@pytest.mark.parametrize(
    ("name", "shapes", "expected"),
    [
        ("CONV_2D", [IMAGE, WEIGHTS, BIAS], 5),
        ("CONV_2D", [IMAGE, HALF, BIAS], 6),
        ("FULLY_CONNECTED", [(1, 8), (4, 8), (4,)], 12),
        ("TRANSPOSE_CONV", [(4,), WEIGHTS, IMAGE, BIAS], 3),
    ],
)
def test_version_with_int8_weights_alone(name: str, shapes: list[tuple[int, ...]], expected: int) -> None:
    inputs: list[Tensor | None] = [tensor(shape, np.float32) for shape in shapes]
    inputs[1] = tensor(shapes[1], np.int8)
    assert op_version(Op(name, inputs, [tensor(IMAGE, np.float32)])) == expected


def test_boundaries_of_other_types() -> None:
    image = tensor(IMAGE, np.float32)
    per_channel = tensor(WEIGHTS, np.int8)
    per_channel.params = QuantParams(np.ones(8, np.float32), np.zeros(8, np.int64), axis=0)
    assert op_version(Op("QUANTIZE", [image], [tensor(IMAGE, np.int16)])) == 2
    assert op_version(Op("DEQUANTIZE", [tensor(IMAGE, np.int16)], [image])) == 3
    assert op_version(Op("DEQUANTIZE", [tensor(IMAGE, np.float16)], [image])) == 3
    assert op_version(Op("DEQUANTIZE", [per_channel], [image])) == 5


def test_mul_that_scales_up() -> None:
    inputs: list[Tensor | None] = [tensor(IMAGE, np.int8, 0.5), tensor(IMAGE, np.int8, 0.5)]
    assert op_version(Op("MUL", inputs, [tensor(IMAGE, np.int8, 0.5)])) == 2
    assert op_version(Op("MUL", inputs, [tensor(IMAGE, np.int8, 0.25)])) == 3
