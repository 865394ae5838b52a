"""Large depthwise kernels as a sum of tiles, which all see a part of the image."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from mobiledeploy.exporters.rewrites.large_depthwise import TileLargeDepthwise
from mobiledeploy.graph.onnx_graph import shape_of
from mobiledeploy.testing import array_of


def depthwise(image: str, kernel: str, attributes: str, bias: bool = True) -> str:
    """A depthwise convolution of 4 channels."""
    inputs = "x, w, b" if bias else "x, w"
    return f"""(float[{image}] x) => (float[] y) <float[4, 1, {kernel}] w, float[4] b> {{
        y = Conv<group = 4, {attributes}>({inputs}) }}"""


def tiles(result: Any) -> list[tuple[int, int]]:
    """Height and width of the kernel of each convolution."""
    kernels = [shape_of(node.inputs[1]) for node in result.model.graph if node.op_type == "Conv"]
    return [(height, width) for _, _, height, width in kernels]


SEVEN = [(3, 7), (3, 7), (1, 7)]


KERNELS = {
    "7x7": (depthwise("1, 4, 12, 12", "7, 7", "pads = [3, 3, 3, 3]"), SEVEN),
    "9x9": (depthwise("1, 4, 12, 12", "9, 9", "pads = [4, 4, 4, 4]"), [(5, 5), (5, 4), (4, 5), (4, 4)]),
    "11x11": (depthwise("1, 4, 12, 12", "11, 11", "pads = [5, 5, 5, 5]"), [*[(2, 11)] * 5, (1, 11)]),
    "7x5": (depthwise("1, 4, 12, 12", "7, 5", "pads = [3, 2, 3, 2]"), [(5, 5), (2, 5)]),
    "5x7": (depthwise("1, 4, 12, 12", "5, 7", "pads = [2, 3, 2, 3]"), [(3, 7), (2, 7)]),
    "27x1": (depthwise("1, 4, 30, 3", "27, 1", "pads = [13, 0, 13, 0]"), [(25, 1), (2, 1)]),
    "1x27": (depthwise("1, 4, 3, 30", "1, 27", "pads = [0, 13, 0, 13]"), [(1, 25), (1, 2)]),
    "no pads": (depthwise("1, 4, 12, 12", "7, 7", "strides = [1, 1]"), SEVEN),
    "kernel as large as the image": (depthwise("1, 4, 7, 7", "7, 7", "strides = [1, 1]"), SEVEN),
    "batch": (depthwise("3, 4, 9, 9", "7, 7", "pads = [3, 3, 3, 3]"), SEVEN),
    "stride 2": (depthwise("1, 4, 13, 12", "7, 7", "pads = [3, 3, 3, 3], strides = [2, 2]"), SEVEN),
    "strides of two kinds": (
        depthwise("1, 4, 13, 12", "7, 7", "pads = [3, 3, 3, 3], strides = [3, 1]"),
        SEVEN,
    ),
    "stride 2, rows at the end that nothing sees": (
        depthwise("1, 4, 14, 14", "7, 7", "pads = [2, 2, 2, 2], strides = [2, 2]"),
        SEVEN,
    ),
    "dilation 2": (depthwise("1, 4, 16, 16", "7, 7", "pads = [6, 6, 6, 6], dilations = [2, 2]"), SEVEN),
    "dilations of two kinds": (
        depthwise("1, 4, 16, 16", "7, 7", "pads = [9, 3, 9, 3], dilations = [3, 1]"),
        SEVEN,
    ),
    "unequal pads": (depthwise("1, 4, 12, 12", "7, 7", "pads = [0, 1, 5, 2], strides = [2, 2]"), SEVEN),
    "kernel_shape": (
        depthwise("1, 4, 12, 12", "7, 7", "kernel_shape = [7, 7], pads = [3, 3, 3, 3]"),
        SEVEN,
    ),
    "no bias": (depthwise("1, 4, 12, 12", "7, 7", "pads = [3, 3, 3, 3]", bias=False), SEVEN),
}


@pytest.mark.parametrize(("text", "sizes"), KERNELS.values(), ids=KERNELS)
def test_tiles(rewrite: Any, text: str, sizes: list[tuple[int, int]]) -> None:
    result = rewrite(TileLargeDepthwise, text, "float32")
    assert tiles(result) == sizes
    assert result.ops.count("Add") == len(sizes) - 1
    assert set(result.ops) <= {"Conv", "Add", "Slice"}
    biases = [node for node in result.model.graph if node.op_type == "Conv" and len(node.inputs) > 2]
    assert len(biases) == ("x, w, b" in text)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("height", [1, 2, 3, 4, 5, 6])
@pytest.mark.parametrize(
    ("kernel", "attributes"),
    [
        ("7, 7", "pads = [3, 3, 3, 3]"),
        ("9, 9", "pads = [4, 4, 4, 4]"),
        ("11, 11", "pads = [5, 5, 5, 5], strides = [2, 2]"),
        ("7, 7", "pads = [6, 6, 6, 6], dilations = [2, 2]"),
        ("7, 7", "pads = [9, 3, 0, 3]"),
    ],
)
def test_images_smaller_than_the_kernel(
    rewrite: Any, kernel: str, attributes: str, height: int, bias: bool
) -> None:
    """Tiles that see padding only are left out; an empty slice is none that TFLite would take."""
    text = depthwise(f"1, 4, {height}, 12", kernel, attributes, bias)
    result = rewrite(TileLargeDepthwise, text, "float32")
    assert result.fired == {"TileLargeDepthwise": 1}
    for node in result.model.graph:
        if node.op_type == "Slice":
            begin, end, axis = (int(array_of(value)[0]) for value in node.inputs[1:4])
            assert 0 <= begin < end <= (height if axis == 2 else 12)
    assert sum(len(node.inputs) > 2 for node in result.model.graph if node.op_type == "Conv") == bias


LEFT_ALONE = {
    "5x5": depthwise("1, 4, 12, 12", "5, 5", "pads = [2, 2, 2, 2]"),
    "no depthwise": "(float[1, 4, 12, 12] x) => (float[] y) <float[4, 4, 7, 7] w> { y = Conv(x, w) }",
    "groups": "(float[1, 4, 12, 12] x) => (float[] y) <float[4, 2, 7, 7] w> { y = Conv<group = 2>(x, w) }",
    "one channel": "(float[1, 1, 12, 12] x) => (float[] y) <float[4, 1, 7, 7] w> { y = Conv(x, w) }",
    "1-D": "(float[1, 4, 60] x) => (float[] y) <float[4, 1, 27] w> { y = Conv<group = 4>(x, w) }",
    "weights at run time": """(float[1, 4, 12, 12] x, float[4, 1, 7, 7] w) => (float[] y) {
        y = Conv<group = 4>(x, w) }""",
}


@pytest.mark.parametrize("text", LEFT_ALONE.values(), ids=LEFT_ALONE)
def test_left_alone(rewrite: Any, text: str) -> None:
    result = rewrite(TileLargeDepthwise, text, "float32")
    assert result.ops == ["Conv"]
    assert result.reasons == []


def test_multiplier(rewrite: Any) -> None:
    text = """(float[1, 4, 12, 12] x) => (float[] y) <float[8, 1, 7, 7] w> { y = Conv<group = 4>(x, w) }"""
    assert tiles(rewrite(TileLargeDepthwise, text, "float32")) == SEVEN


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (depthwise("1, 4, 12, 12", "7, 7", 'auto_pad = "SAME_UPPER"'), "its padding is not explicit"),
        (
            """(float[1, 4, 12, 12] x, float[4] b) => (float[] y) <float[4, 1, 7, 7] w> {
            y = Conv<group = 4>(x, w, b) }""",
            "the bias is computed at run time",
        ),
        (
            depthwise("1, 4, 1, 12", "7, 7", "pads = [5, 6, 7, 6], dilations = [2, 2]"),
            "it sees nothing but padding",
        ),
    ],
)
def test_refused(rewrite: Any, text: str, reason: str) -> None:
    result = rewrite(TileLargeDepthwise, text, "float32")
    assert result.ops == ["Conv"]
    assert result.reasons == [reason]


def test_int8_is_left_to_the_lowering(rewrite: Any) -> None:
    """There every partial sum would be rounded."""
    result = rewrite(TileLargeDepthwise, KERNELS["7x7"][0], "int8")
    assert result.ops == ["Conv"]
    assert result.reasons == []


def test_weights_are_cut_and_not_changed(rewrite: Any) -> None:
    weights = np.arange(4 * 49, dtype=np.float32).reshape(4, 1, 7, 7)
    result = rewrite(TileLargeDepthwise, KERNELS["7x7"][0], "float32", w=weights)
    parts = [array_of(node.inputs[1]) for node in result.model.graph if node.op_type == "Conv"]
    np.testing.assert_array_equal(np.concatenate(parts, axis=2), weights)
