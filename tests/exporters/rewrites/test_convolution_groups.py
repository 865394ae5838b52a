"""Convolutions of the parts of a split, put together again, are one convolution in groups."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from mobiledeploy.exporters.rewrites.convolution_groups import MergeIntoGroups
from mobiledeploy.testing import array_of


def side_by_side(
    convolution: str = "Conv",
    weights: str = "5, 2, 1, 1",
    image: str = "1, 4, 6, 6",
    bias: str = "5",
    outputs: str = "float[] y",
    end: str = "y = Concat<axis = 1>(d, e)",
    split: str = "b, c = Split<axis = 1, num_outputs = 2>(x)",
) -> str:
    arguments = (", w, v", ", u, t") if bias else (", w", ", u")
    constants = f"<float[{weights}] w, float[{weights}] u, float[{bias or 1}] v, float[{bias or 1}] t>"
    return f"""(float[{image}] x) => ({outputs}) {constants} {{
        {split} d = {convolution}(b{arguments[0]}) e = {convolution}(c{arguments[1]}) {end} }}"""


MERGED = {
    "pointwise": (side_by_side(), 2),
    "no bias": (side_by_side(bias=""), 2),
    "batch": (side_by_side(image="3, 4, 6, 6"), 2),
    "3x3": (side_by_side("Conv<pads = [1, 1, 1, 1], strides = [2, 2]>", "5, 2, 3, 3"), 2),
    "of groups": (side_by_side("Conv<group = 2>", "6, 1, 1, 1", bias="6"), 4),
    "depthwise": (side_by_side("Conv<group = 2, pads = [1, 1, 1, 1]>", "2, 1, 3, 3", bias="2"), 4),
    "1-D": (side_by_side(weights="5, 2, 3", image="1, 4, 9"), 2),
}


@pytest.mark.parametrize(("text", "groups"), MERGED.values(), ids=MERGED)
def test_merged(rewrite: Any, text: str, groups: int) -> None:
    result = rewrite(MergeIntoGroups, text)
    assert result.ops == ["Conv"]
    (node,) = result.model.graph
    assert node.attributes.get_int("group", 1) == groups
    assert len(node.inputs) == 3 - ("(b, w)" in text)


def test_five_parts(rewrite: Any) -> None:
    parts = "\n".join(f"d{i} = Conv(c{i}, w{i})" for i in range(5))
    declared = ", ".join(f"float[3, 2, 1, 1] w{i}" for i in range(5))
    text = f"""(float[1, 10, 4, 4] x) => (float[] y) <{declared}> {{
        c0, c1, c2, c3, c4 = Split<axis = 1, num_outputs = 5>(x) {parts}
        y = Concat<axis = 1>(d0, d1, d2, d3, d4) }}"""
    result = rewrite(MergeIntoGroups, text)
    assert result.ops == ["Conv"]
    assert array_of(result.model.graph[0].inputs[1]).shape == (15, 2, 1, 1)


def test_one_constant_for_both(rewrite: Any) -> None:
    text = """(float[1, 4, 6, 6] x) => (float[] y) <float[5, 2, 1, 1] w> {
        b, c = Split<axis = 1, num_outputs = 2>(x) d = Conv(b, w) e = Conv(c, w)
        y = Concat<axis = 1>(d, e) }"""
    result = rewrite(MergeIntoGroups, text)
    assert result.ops == ["Conv"]
    first, second = np.split(array_of(result.model.graph[0].inputs[1]), 2)
    np.testing.assert_array_equal(first, second)


def test_parts_that_others_read_as_well(rewrite: Any) -> None:
    text = side_by_side(outputs="float[] y, float[] z", end="y = Concat<axis = 1>(d, e) z = Relu(b)")
    assert rewrite(MergeIntoGroups, text).ops == ["Split", "Conv", "Relu"]


LEFT_ALONE = {
    "another order": side_by_side(end="y = Concat<axis = 1>(e, d)"),
    "only one of them": side_by_side(end="y = Concat<axis = 1>(d, d)"),
    "put together along the height": side_by_side(end="y = Concat<axis = 2>(d, e)"),
    "parts of the height": side_by_side(
        weights="5, 4, 1, 1", split="b, c = Split<axis = 2, num_outputs = 2>(x)"
    ),
    "a third part": side_by_side(split="b, c, f = Split<axis = 1, num_outputs = 3>(x)", image="1, 6, 6, 6"),
    "no split": side_by_side(split="b = Relu(x) c = Neg(x)", image="1, 2, 6, 6"),
    "an activation between": side_by_side(end="f = Relu(e) y = Concat<axis = 1>(d, f)"),
    "a value of another kind": side_by_side(end="y = Concat<axis = 1>(d, e, x)"),
    "kernels of two sizes": """(float[1, 4, 6, 6] x) => (float[] y)
        <float[5, 2, 1, 1] w, float[5, 2, 3, 3] u> {
        b, c = Split<axis = 1, num_outputs = 2>(x) d = Conv(b, w) e = Conv<pads = [1, 1, 1, 1]>(c, u)
        y = Concat<axis = 1>(d, e) }""",
    "equal kernels, other dilations": """(float[1, 4, 6, 6] x) => (float[] y)
        <float[5, 2, 3, 3] w, float[5, 2, 3, 3] u> {
        b, c = Split<axis = 1, num_outputs = 2>(x) d = Conv<pads = [1, 1, 1, 1]>(b, w)
        e = Conv<pads = [2, 2, 2, 2], dilations = [2, 2]>(c, u) y = Concat<axis = 1>(d, e) }""",
    "one bias": """(float[1, 4, 6, 6] x) => (float[] y)
        <float[5, 2, 1, 1] w, float[5, 2, 1, 1] u, float[5] v> {
        b, c = Split<axis = 1, num_outputs = 2>(x) d = Conv(b, w, v) e = Conv(c, u)
        y = Concat<axis = 1>(d, e) }""",
    "unequal parts": """(float[1, 5, 6, 6] x) => (float[] y)
        <int64[2] sizes = {2, 3}, float[5, 2, 1, 1] w, float[5, 3, 1, 1] u> {
        b, c = Split<axis = 1>(x, sizes) d = Conv(b, w) e = Conv(c, u) y = Concat<axis = 1>(d, e) }""",
    "weights at run time": """(float[1, 4, 6, 6] x, float[5, 2, 1, 1] w) => (float[] y) {
        b, c = Split<axis = 1, num_outputs = 2>(x) d = Conv(b, w) e = Conv(c, w)
        y = Concat<axis = 1>(d, e) }""",
}


@pytest.mark.parametrize("text", LEFT_ALONE.values(), ids=LEFT_ALONE)
def test_left_alone(rewrite: Any, text: str) -> None:
    result = rewrite(MergeIntoGroups, text)
    assert result.fired == {}
    assert "Concat" in result.ops
    assert result.reasons == []


@pytest.mark.parametrize(
    ("outputs", "more"), [("float[] y, float[] e", ""), ("float[] y, float[] z", "z = Relu(d)")]
)
def test_a_result_that_others_read(rewrite: Any, outputs: str, more: str) -> None:
    result = rewrite(MergeIntoGroups, side_by_side(outputs=outputs, end=f"y = Concat<axis = 1>(d, e) {more}"))
    assert result.ops[:4] == ["Split", "Conv", "Conv", "Concat"]
    assert result.reasons == ["one of the convolutions has other readers"]
