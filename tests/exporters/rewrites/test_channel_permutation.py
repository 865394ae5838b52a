"""A channel shuffle, however it is written, becomes one Gather of channels."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from mobiledeploy.exporters.rewrites.channel_permutation import RecogniseChannelPermutation
from mobiledeploy.testing import array_of


def shuffle(x: str, inner: str, perm: str, outer: str, result: str = "float[] y", more: str = "") -> str:
    sizes = (len(inner.split(",")), len(outer.split(",")))
    return f"""(float[{x}] x) => ({result})
        <int64[{sizes[0]}] a = {{{inner}}}, int64[{sizes[1]}] b = {{{outer}}}> {{
        r = Reshape(x, a) t = Transpose<perm = [{perm}]>(r) y = Reshape(t, b) {more} }}"""


DEALT_3 = [0, 4, 8, 1, 5, 9, 2, 6, 10, 3, 7, 11]  # 12 channels in 3 groups

PERMUTATIONS = {
    "shuffle": (shuffle("1, 12, 3, 2", "1, 3, 4, 3, 2", "0, 2, 1, 3, 4", "1, 12, 3, 2"), DEALT_3),
    "with -1": (shuffle("1, 12, 3, 2", "1, 3, 4, 3, 2", "0, 2, 1, 3, 4", "1, -1, 3, 2"), DEALT_3),
    "height and width merged": (shuffle("1, 12, 3, 2", "1, 3, 4, 6", "0, 2, 1, 3", "1, 12, 3, 2"), DEALT_3),
    "without the batch": (shuffle("1, 12, 3, 2", "3, 4, 6", "1, 0, 2", "1, 12, 3, 2"), DEALT_3),
    "batch": (shuffle("2, 12, 3, 2", "2, 3, 4, 3, 2", "0, 2, 1, 3, 4", "2, 12, 3, 2"), DEALT_3),
    "batch, merged": (shuffle("2, 12, 3, 2", "2, 3, 4, 6", "0, 2, 1, 3", "2, 12, 3, 2"), DEALT_3),
    "back again": (
        shuffle("1, 12, 3, 2", "1, 4, 3, 6", "0, 2, 1, 3", "1, 12, 3, 2"),
        np.argsort(DEALT_3).tolist(),
    ),
    "channels in three factors": (
        shuffle("1, 8, 3, 2", "1, 2, 2, 2, 6", "0, 3, 2, 1, 4", "1, 8, 3, 2"),
        [0, 4, 2, 6, 1, 5, 3, 7],
    ),
    "one group": (shuffle("1, 4, 3, 2", "1, 1, 4, 3, 2", "0, 2, 1, 3, 4", "1, 4, 3, 2"), [0, 1, 2, 3]),
    "one pixel": (shuffle("1, 4, 1, 1", "2, 2", "1, 0", "1, 4, 1, 1"), [0, 2, 1, 3]),
}


@pytest.mark.parametrize(("text", "permutation"), PERMUTATIONS.values(), ids=PERMUTATIONS)
def test_recognised(rewrite: Any, text: str, permutation: list[int]) -> None:
    result = rewrite(RecogniseChannelPermutation, text)
    assert result.ops == ["Gather"]
    (node,) = result.model.graph
    assert node.attributes.get_int("axis", 0) == 1
    assert array_of(node.inputs[1]).tolist() == permutation


LEFT_ALONE = {
    "PixelShuffle": shuffle("1, 8, 3, 2", "1, 2, 2, 2, 3, 2", "0, 1, 4, 2, 5, 3", "1, 2, 6, 4"),
    "PixelUnshuffle": shuffle("1, 2, 6, 4", "1, 2, 3, 2, 2, 2", "0, 1, 3, 5, 2, 4", "1, 8, 3, 2"),
    "to windows": shuffle("1, 4, 6, 4", "1, 4, 2, 3, 4", "0, 2, 1, 3, 4", "2, 4, 3, 4"),
    "channels and rows": shuffle("1, 4, 3, 2", "1, 4, 3, 2", "0, 2, 1, 3", "1, 4, 3, 2"),
    "rows": shuffle("1, 4, 6, 2", "1, 4, 2, 3, 2", "0, 1, 3, 2, 4", "1, 4, 6, 2"),
    "across the batch": shuffle("2, 4, 3, 2", "2, 2, 2, 6", "1, 0, 2, 3", "2, 4, 3, 2"),
    "another image shape": shuffle("1, 4, 3, 2", "1, 2, 2, 6", "0, 2, 1, 3", "1, 4, 2, 3"),
    "attention heads": shuffle("1, 4, 3, 2", "1, 4, 6", "0, 2, 1", "1, 6, 4"),
    "rank 3": shuffle("1, 12, 6", "1, 3, 4, 6", "0, 2, 1, 3", "1, 12, 6"),
}


@pytest.mark.parametrize("text", LEFT_ALONE.values(), ids=LEFT_ALONE)
def test_left_alone(rewrite: Any, text: str) -> None:
    result = rewrite(RecogniseChannelPermutation, text)
    assert result.ops == ["Reshape", "Transpose", "Reshape"]
    assert result.reasons == []


def test_shapes_that_are_not_known(rewrite: Any) -> None:
    text = shuffle("1, 4, 3, 2", "1, 2, -1, 6", "0, 2, 1, 3", "1, -1, 3, 2")
    text = text.replace("> {", ", bool[4] keep> { c = Compress<axis = 1>(x, keep)").replace(
        "(x, a)", "(c, a)"
    )
    result = rewrite(RecogniseChannelPermutation, text, keep=True)
    assert result.ops == ["Compress", "Reshape", "Transpose", "Reshape"]


def test_inner_values_that_others_read(rewrite: Any) -> None:
    text = shuffle("1, 4, 3, 2", "1, 2, 2, 6", "0, 2, 1, 3", "1, 4, 3, 2", "float[] y, float[] t")
    result = rewrite(RecogniseChannelPermutation, text)
    assert result.ops == ["Reshape", "Transpose", "Reshape"]
    assert result.reasons == ["'t' is an output of the model"]


def test_megvii_shuffle_is_left_to_routing(rewrite: Any) -> None:
    """Both halves of the result are read by themselves; it is no permutation of one value."""
    text = """(float[1, 4, 3, 2] x) => (float[] y, float[] z)
        <int64[3] a = {2, 2, 6}, int64[5] b = {2, 1, 2, 3, 2}, int64 zero = {0}, int64 one = {1}> {
        r = Reshape(x, a) t = Transpose<perm = [1, 0, 2]>(r) s = Reshape(t, b)
        y = Gather(s, zero) z = Gather(s, one) }"""
    assert "Transpose" in rewrite(RecogniseChannelPermutation, text).ops
