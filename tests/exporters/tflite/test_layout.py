"""Which values lie in memory as NHWC."""

from __future__ import annotations

import pytest

from mobiledeploy.exporters.tflite.layout import Layout, choose_layouts, nhwc_shape
from mobiledeploy.testing import model_from_text


def nhwc(text: str) -> set[str]:
    """Names of the values that are laid out as NHWC; all others are as in ONNX."""
    model = model_from_text(f"g {text}")
    layouts = choose_layouts(model.graph)
    values = [*model.graph.inputs, *(value for node in model.graph for value in node.outputs)]
    assert set(layouts) == set(values)
    return {value.name or "" for value, layout in layouts.items() if layout is Layout.NHWC}


def test_shape() -> None:
    assert nhwc_shape((1, 3, 8, 9)) == (1, 8, 9, 3)


def test_convolution_net_is_nhwc_until_it_is_flattened() -> None:
    text = """(float[1, 3, 8, 8] x) => (float[1, 5] y)
        <float[4, 3, 3, 3] w, int64[2] axes = {2, 3}, float[4, 5] v> {
        c = Conv(x, w) r = Relu(c) s = Sigmoid(r) p = Mul(r, s) m = ReduceMean<keepdims = 0>(p, axes)
        y = Gemm(m, v) }"""
    assert nhwc(text) == {"x", "c", "r", "s", "p"}


def test_reshape_in_the_middle_of_a_convolution_net() -> None:
    """A channel shuffle: rank 4 on both sides of a rank-5 part in ONNX's own order."""
    text = """(float[1, 4, 8, 8] x) => (float[1, 4, 8, 8] y)
        <float[4, 4, 1, 1] w, int64[5] split = {1, 2, 2, 8, 8}, int64[4] join = {1, 4, 8, 8}> {
        c = Conv(x, w) a = Reshape(c, split) t = Transpose<perm = [0, 2, 1, 3, 4]>(a) r = Reshape(t, join)
        y = Conv(r, w) }"""
    assert nhwc(text) == {"x", "c", "r", "y"}


def test_rank_4_that_no_image_op_touches_keeps_its_order() -> None:
    """Attention between a token input and output: the heads make rank 4, but there is no image."""
    text = """(float[1, 16, 8] x) => (float[1, 16, 8] y)
        <int64[4] heads = {1, 16, 2, 4}, int64[3] tokens = {1, 16, 8}> {
        h = Reshape(x, heads) q = Transpose<perm = [0, 2, 1, 3]>(h) k = Transpose<perm = [0, 2, 3, 1]>(h)
        a = MatMul(q, k) s = Softmax(a) b = MatMul(s, q) t = Transpose<perm = [0, 2, 1, 3]>(b)
        y = Reshape(t, tokens) }"""
    assert nhwc(text) == set()


@pytest.mark.parametrize(
    "op", ["Relu(x)", "Add(x, x)", "Transpose<perm = [0, 2, 3, 1]>(x)", "Reshape(x, shape)"]
)
def test_inputs_and_outputs_of_rank_4_are_nhwc_whatever_is_between(op: str) -> None:
    text = f"(float[1, 2, 3, 4] x) => (float[] y) <int64[4] shape = {{1, 4, 3, 2}}> {{ y = {op} }}"
    assert nhwc(text) == {"x", "y"}


def test_other_ranks_keep_their_order() -> None:
    text = """(float[2, 3, 4] x, float[2, 3] z, float[1, 2, 3, 4, 5] v) =>
        (float[2, 3, 4] y, float[2, 3] a, float[1, 2, 3, 4, 5] b) { y = Relu(x) a = Relu(z) b = Relu(v) }"""
    assert nhwc(text) == set()


def test_groups_reach_through_element_wise_ops_and_stop_at_layout_bound_ones() -> None:
    text = """(float[4, 12] x) => (float[4, 12] y)
        <int64[4] image = {1, 4, 3, 4}, int64[2] flat = {4, 12}, float[4, 1, 1, 1] w> {
        a = Reshape(x, image) b = Relu(a) c = Transpose<perm = [0, 1, 3, 2]>(b) d = Sigmoid(c) e = Tanh(d)
        f = Transpose<perm = [0, 1, 3, 2]>(e) g = Conv<group = 4>(f, w) h = Neg(g) y = Reshape(h, flat) }"""
    assert nhwc(text) == {"f", "g", "h"}


def test_gather_follows_its_input_unless_it_changes_the_rank() -> None:
    text = """(float[4, 12] x) => (float[4, 12] y, float[1, 1, 2, 3, 4] z)
        <int64[4] image = {1, 4, 3, 4}, int64[2] flat = {4, 12}, int64[4] list = {3, 2, 1, 0},
        int64[1, 2] table = {0, 1}, float[4, 1, 1, 1] w> {
        a = Reshape(x, image) b = Gather<axis = 1>(a, list) c = Conv<group = 4>(b, w)
        d = Reshape(x, image) z = Gather<axis = 1>(d, table) y = Reshape(c, flat) }"""
    assert nhwc(text) == {"a", "b", "c"}


def test_constants_join_nothing() -> None:
    """A channel-wise constant of rank 4 is shared by an image and by a group that is none."""
    text = """(float[1, 3, 4, 4] x, float[3, 16] z) => (float[1, 3, 4, 4] y, float[3, 16] v)
        <float[1, 3, 1, 1] k, int64[4] shape = {1, 3, 4, 4}, int64[2] flat = {3, 16}> {
        y = Mul(x, k) a = Reshape(z, shape) b = Add(a, k) v = Reshape(b, flat) }"""
    assert nhwc(text) == {"x", "y"}


def test_several_outputs_and_inputs_join() -> None:
    text = """(float[1, 4, 4, 4] x) => (float[1, 4, 4, 4] y) <float[2, 2, 1, 1] w> {
        a, b = Split<axis = 1, num_outputs = 2>(x) c = Conv(a, w) y = Concat<axis = 1>(b, c) }"""
    assert nhwc(text) == {"x", "a", "b", "c", "y"}
