"""Global pooling in every form as one mean over height and width."""

from __future__ import annotations

from typing import Any

import pytest

from mobiledeploy.exporters.rewrites.global_pool import (
    FLATTEN_MEAN,
    GlobalAveragePoolToMean,
    MergeMeans,
    WholeAveragePoolToMean,
)

IMAGE = "(float[2, 3, 4, 5] x) => (float[2, 3, 1, 1] y)"
POOLS = (GlobalAveragePoolToMean, WholeAveragePoolToMean)


@pytest.mark.parametrize(
    "pool",
    [
        "GlobalAveragePool(x)",
        "AveragePool<kernel_shape = [4, 5]>(x)",
        "AveragePool<kernel_shape = [4, 5], strides = [4, 5], pads = [0, 0, 0, 0], count_include_pad = 1>(x)",
        'AveragePool<kernel_shape = [4, 5], auto_pad = "VALID", ceil_mode = 1>(x)',
        'AveragePool<kernel_shape = [4, 5], strides = [4, 5], auto_pad = "SAME_UPPER">(x)',
    ],
)
def test_whole_image(rewrite: Any, pool: str) -> None:
    result = rewrite(POOLS, f"{IMAGE} {{ y = {pool} }}")
    assert (result.ops, result.reasons) == (["ReduceMean"], [])


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (
            "(float[1, 3, 8, 8] x) => (float[] y) { y = AveragePool<kernel_shape = [7, 7]>(x) }",
            "the kernel (7, 7) does not cover the whole image (8, 8)",
        ),
        (
            """(float[1, 3, 8, 8] x) => (float[] y) {
                y = AveragePool<kernel_shape = [8, 8], pads = [1, 1, 1, 1]>(x) }""",
            "the input is padded",
        ),
        (
            """(float[1, 3, 8, 8] x) => (float[] y) {
                y = AveragePool<kernel_shape = [8, 8], auto_pad = "SAME_UPPER">(x) }""",
            "the input is padded",
        ),
        (
            "(float[1, 3, 8] x) => (float[] y) { y = AveragePool<kernel_shape = [8]>(x) }",
            "the input is not a batch of images (rank 4)",
        ),
        (
            "(float[1, 3, 8] x) => (float[] y) { y = GlobalAveragePool(x) }",
            "the input is not a batch of images (rank 4)",
        ),
        (
            "(float[1, 3, 2, 4, 4] x) => (float[] y) { y = GlobalAveragePool(x) }",
            "the input is not a batch of images (rank 4)",
        ),
    ],
)
def test_less_or_more_than_the_image(rewrite: Any, text: str, reason: str) -> None:
    result = rewrite(POOLS, text)
    assert result.ops == [text.split(" y = ")[1].split("<")[0].split("(")[0]]
    assert result.reasons == [reason]


@pytest.mark.parametrize(
    ("kept", "first", "second"),
    [(0, "3", "2"), (0, "2", "2"), (0, "-1", "-1"), (1, "3", "2"), (1, "-2", "-1")],
)
def test_means_after_one_another(rewrite: Any, kept: int, first: str, second: str) -> None:
    text = f"""(float[2, 3, 4, 5] x) => (float[] y) <int64[1] a = {{{first}}}, int64[1] b = {{{second}}}> {{
        m = ReduceMean<keepdims = {kept}>(x, a) y = ReduceMean<keepdims = {kept}>(m, b) }}"""
    assert rewrite(MergeMeans, text).ops == ["ReduceMean"]


@pytest.mark.parametrize(("first", "second"), [("1", "2"), ("3", "1")])
def test_means_of_channels(rewrite: Any, first: str, second: str) -> None:
    text = f"""(float[2, 3, 4, 5] x) => (float[] y) <int64[1] a = {{{first}}}, int64[1] b = {{{second}}}> {{
        m = ReduceMean<keepdims = 0>(x, a) y = ReduceMean<keepdims = 0>(m, b) }}"""
    assert rewrite(MergeMeans, text).ops == ["ReduceMean", "ReduceMean"]


@pytest.mark.parametrize(
    "flatten",
    [
        "shape = Constant<value_ints = [2, 3]>() y = Reshape(m, shape)",
        "shape = Constant<value_ints = [0, -1]>() y = Reshape(m, shape)",
        "y = Flatten(m)",
        "last = Constant<value_ints = [2, 3]>() y = Squeeze(m, last)",
    ],
)
@pytest.mark.parametrize("mean", ["ReduceMean<keepdims = 1>", "ReduceMean"])
def test_flattened(rewrite: Any, mean: str, flatten: str) -> None:
    text = f"""(float[2, 3, 4, 5] x) => (float[2, 3] y) <int64[2] axes = {{-1, 2}}> {{
        m = {mean}(x, axes) {flatten} }}"""
    result = rewrite(FLATTEN_MEAN, text)
    assert result.ops == ["ReduceMean"]


@pytest.mark.parametrize(
    ("text", "reasons"),
    [
        (
            """(float[1, 3, 4, 5] x) => (float[3, 1] y) <int64[2] axes = {2, 3}, int64[2] shape = {3, 1}> {
                m = ReduceMean(x, axes) y = Reshape(m, shape) }""",
            ["the result has the shape (3, 1), expected (1, 3)"],
        ),
        (
            """(float[1, 3, 4, 5] x) => (float[1, 20] y) <int64[1] axes = {1}> {
                m = ReduceMean(x, axes) y = Flatten(m) }""",
            [],
        ),
        (
            """(float[2, 3, 4, 5] x) => (float[2, 3] y, float[2, 3, 1, 1] m) <int64[2] axes = {2, 3}> {
                m = ReduceMean(x, axes) y = Flatten(m) }""",
            ["'m' is an output of the model"],
        ),
    ],
)
def test_flattened_otherwise(rewrite: Any, text: str, reasons: list[str]) -> None:
    result = rewrite(FLATTEN_MEAN, text)
    assert (len(result.ops), result.reasons) == (2, reasons)
