"""Constant factors on their way into the weights of the next linear op."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from mobiledeploy.exporters.rewrites.carry_scale import CARRY_SCALE, SettleScale
from mobiledeploy.testing import array_of

SIXTH = "float c = {0.16666667}"


ABSORBING = {
    "Conv": ("float[1, 3, 5, 5] x", "float[4, 3, 3, 3] w, float[4] b", "Conv", "s, w, b"),
    "no bias": ("float[1, 3, 5, 5] x", "float[4, 3, 3, 3] w", "Conv<pads = [1, 1, 1, 1]>", "s, w"),
    "depthwise": (
        "float[1, 3, 5, 5] x",
        "float[3, 1, 3, 3] w",
        "Conv<group = 3, pads = [1, 1, 1, 1]>",
        "s, w",
    ),
    "SAME": (
        "float[1, 3, 5, 5] x",
        "float[4, 3, 3, 3] w, float[4] b",
        'Conv<auto_pad = "SAME_UPPER", strides = [2, 2]>',
        "s, w, b",
    ),
    "ConvTranspose": ("float[1, 3, 5, 5] x", "float[3, 4, 2, 2] w, float[4] b", "ConvTranspose", "s, w, b"),
    "Gemm": ("float[2, 3] x", "float[3, 4] w, float[4] b", "Gemm<alpha = 0.5, beta = 2.0>", "s, w, b"),
    "Gemm, transA": ("float[3, 2] x", "float[4, 3] w", "Gemm<transA = 1, transB = 1>", "s, w"),
    "MatMul": ("float[2, 5, 3] x", "float[3, 4] w", "MatMul", "s, w"),
}


@pytest.mark.parametrize("factor", ["0.16666667", "-2.0"])
@pytest.mark.parametrize(("x", "weights", "op", "inputs"), ABSORBING.values(), ids=ABSORBING)
def test_absorbed(rewrite: Any, x: str, weights: str, op: str, inputs: str, factor: str) -> None:
    text = f"({x}) => (float[] y) <{weights}, float c = {{{factor}}}> {{ s = Mul(x, c) y = {op}({inputs}) }}"
    result = rewrite(CARRY_SCALE, text)
    assert result.ops == [op.split("<")[0]]
    assert result.reasons == []


def test_absorbed_by_weights_that_another_convolution_reads(rewrite: Any) -> None:
    text = f"""(float[1, 3, 4, 4] x) => (float[] y, float[] z) <float[3, 3, 1, 1] w, {SIXTH}> {{
        s = Mul(c, x) y = Conv(s, w) z = Conv(x, w) }}"""
    result = rewrite(CARRY_SCALE, text)
    assert result.ops == ["Conv", "Conv"]
    ours, theirs = (array_of(node.inputs[1]) for node in result.model.graph)
    assert np.allclose(ours, theirs / 6)


def test_weights_at_run_time(rewrite: Any) -> None:
    text = f"""(float[1, 3, 4, 4] x, float[3, 3, 1, 1] w) => (float[] y) <{SIXTH}> {{
        s = Mul(x, c) y = Conv(s, w) }}"""
    result = rewrite(CARRY_SCALE, text)
    assert result.ops == ["Mul", "Conv"]
    assert result.reasons == ["the weights are computed at run time"]


@pytest.mark.parametrize("factor", ["float", "float[1]", "float[1, 1]", "float[1, 1, 1, 1]"])
def test_factor_of_one_element(rewrite: Any, factor: str) -> None:
    text = f"""(float[1, 3, 4, 4] x) => (float[] y) <float[4, 3, 1, 1] w, {factor} c = {{0.5}}> {{
        s = Mul(x, c) y = Conv(s, w) }}"""
    assert rewrite(CARRY_SCALE, text).ops == ["Conv"]


def test_factor_that_adds_dimensions_is_more_than_a_factor(rewrite: Any) -> None:
    text = """(float[3, 4, 4] x) => (float[] y) <float[4, 3, 1, 1] w, float[1, 1, 1, 1] c = {0.5}> {
        s = Mul(x, c) y = Conv(s, w) }"""
    assert rewrite(CARRY_SCALE, text).ops == ["Mul", "Conv"]


def test_factor_does_not_add_dimensions_to_what_has_fewer(rewrite: Any) -> None:
    text = """(float[2, 3, 4, 4] x) => (float[2, 3] y) <float[1, 1, 1, 1] c = {0.5}, int64[2] axes = {2, 3}> {
        s = Mul(x, c) y = ReduceMean<keepdims = 0>(s, axes) }"""
    assert rewrite(CARRY_SCALE, text).ops == ["ReduceMean", "Mul"]


def test_factor_per_channel_is_left_alone(rewrite: Any) -> None:
    text = """(float[1, 3, 4, 4] x) => (float[] y) <float[4, 3, 1, 1] w, float[3, 1, 1] c> {
        s = Mul(x, c) y = Conv(s, w) }"""
    result = rewrite(CARRY_SCALE, text)
    assert (result.ops, result.reasons) == (["Mul", "Conv"], [])


LINEAR = {
    "AveragePool": "AveragePool<kernel_shape = [2, 2], pads = [1, 0, 0, 1], count_include_pad = 1>(s)",
    "DepthToSpace": "DepthToSpace<blocksize = 2>(s)",
    "Flatten": "Flatten(s)",
    "ReduceMean": "ReduceMean(s, axes)",
    "ReduceSum": "ReduceSum<keepdims = 0>(s, axes)",
    "Reshape": "Reshape(s, shape)",
    "Slice": "Slice(s, axes, shape, axes)",
    "SpaceToDepth": "SpaceToDepth<blocksize = 2>(s)",
    "Squeeze": "Squeeze(s)",
    "Transpose": "Transpose<perm = [0, 2, 3, 1]>(s)",
    "Unsqueeze": "Unsqueeze(s, axes)",
}
POSITIVE = {
    "LeakyRelu": "LeakyRelu<alpha = 0.1>(s)",
    "MaxPool": "MaxPool<kernel_shape = [2, 2], pads = [1, 1, 1, 1]>(s)",
    "Relu": "Relu(s)",
}


def through(call: str, factor: float) -> str:
    return f"""(float[1, 4, 4, 6] x) => (float[] y) <float c = {{{factor}}}, int64[2] axes = {{2, 3}},
        int64[2] shape = {{4, -1}}> {{ s = Mul(x, c) y = {call} }}"""


@pytest.mark.parametrize("factor", [0.25, -3.0])
@pytest.mark.parametrize("op_type", LINEAR)
def test_through_linear(rewrite: Any, op_type: str, factor: float) -> None:
    assert rewrite(CARRY_SCALE, through(LINEAR[op_type], factor)).ops == [op_type, "Mul"]


@pytest.mark.parametrize("op_type", POSITIVE)
def test_through_positively_homogeneous(rewrite: Any, op_type: str) -> None:
    assert rewrite(CARRY_SCALE, through(POSITIVE[op_type], 0.25)).ops == [op_type, "Mul"]
    for factor in (-0.25, 0.0):
        result = rewrite(CARRY_SCALE, through(POSITIVE[op_type], factor))
        assert result.ops == ["Mul", op_type]
        assert result.reasons == [f"the factor {factor:g} is not positive, as {op_type} needs"]


def test_every_homogeneous_op_is_tested() -> None:
    rules = {rule.__name__ for rule in CARRY_SCALE}
    assert {f"ScaleThrough{op}" for op in (*LINEAR, *POSITIVE)} <= rules
    assert {f"AbsorbScaleIn{op}" for op in ("Conv", "ConvTranspose", "Gemm", "MatMul")} <= rules
    assert len(rules) == len(LINEAR) + len(POSITIVE) + 4 + 4


@pytest.mark.parametrize(
    "call", ["Sigmoid(s)", "Add(s, x)", "Clip(s, c)", "Conv(x, s)", "Concat<axis = 1>(x, s)"]
)
def test_not_through_others(rewrite: Any, call: str) -> None:
    text = f"(float[1, 1, 4, 4] x) => (float[] y) <{SIXTH}> {{ s = Mul(x, c) y = {call} }}"
    assert rewrite(CARRY_SCALE, text).ops == ["Mul", call.split("(")[0].split("<")[0]]


@pytest.mark.parametrize("nodes", ["m = Mul(x, c) y = Mul(m, d)", "m = Mul(c, x) y = Mul(d, m)"])
@pytest.mark.parametrize(
    "other", ["float d = {5.0}", "float[1] d = {-5.0}", "float[3, 1, 1] d", "float[1, 1, 1, 1, 1] d"]
)
def test_factors_merge(rewrite: Any, nodes: str, other: str) -> None:
    text = f"(float[1, 3, 4, 4] x) => (float[] y) <{SIXTH}, {other}> {{ {nodes} }}"
    assert rewrite(CARRY_SCALE, text).ops == ["Mul"]


@pytest.mark.parametrize(
    "order", ["m = Mul(x, c) p = Mul(m, g)", "m = Mul(c, x) p = Mul(g, m)", "m = Mul(g, c) p = Mul(x, m)"]
)
def test_through_the_product_of_a_gate(rewrite: Any, order: str) -> None:
    text = f"""(float[1, 3, 4, 4] x, float[1, 3, 1, 1] g) => (float[] y) <{SIXTH}, float[4, 3, 1, 1] w> {{
        {order} y = Conv(p, w) }}"""
    assert rewrite(CARRY_SCALE, text).ops == ["Mul", "Conv"]


def test_factors_on_both_sides_of_a_sum(rewrite: Any) -> None:
    text = f"""(float[1, 3, 4, 4] x, float[1, 3, 4, 4] z) => (float[] y)
        <{SIXTH}, float d = {{0.16666667}}> {{ a = Mul(x, c) b = Mul(z, d) y = Add(a, b) }}"""
    assert rewrite(CARRY_SCALE, text).ops == ["Add", "Mul"]
    other = rewrite(CARRY_SCALE, text.replace("d = {0.16666667}", "d = {0.5}"))
    assert other.ops == ["Mul", "Mul", "Add"]
    assert other.reasons == ["the two sides carry different factors, 0.166667 and 0.5"]


RESIDUAL = """(float[1, 3, 4, 4] x) => ({out}) <{c}, float[3, 1, 3, 3] v, float[3, 3, 1, 1] w, float[3] b> {{
    s = Mul(x, c) d = Conv<group = 3, pads = [1, 1, 1, 1]>(s, v) r = Relu(d) e = Conv(r, w, b) {add} }}"""


@pytest.mark.parametrize("add", ["y = Add(s, e)", "y = Add(e, s)"])
def test_through_a_residual_connection(rewrite: Any, add: str) -> None:
    """The first block of MobileNetV3-Large: the factor reaches both branches and leaves as one Mul."""
    result = rewrite(CARRY_SCALE, RESIDUAL.format(out="float[] y", c=SIXTH, add=add))
    assert result.ops == ["Conv", "Relu", "Conv", "Add", "Mul"]
    assert result.reasons == []


@pytest.mark.parametrize(
    ("out", "factor", "reason"),
    [
        ("float[] y, float[] e", "0.5", "the other branch, 'e', has more than one reader"),
        ("float[] y", "0.0", "the factor 0 has no reciprocal"),
        ("float[] y", "1e-45", "the factor 1.4013e-45 has no reciprocal"),
    ],
)
def test_residual_connection_that_keeps_its_factor(rewrite: Any, out: str, factor: str, reason: str) -> None:
    text = RESIDUAL.format(out=out, c=f"float c = {{{factor}}}", add="y = Add(s, e)")
    result = rewrite(CARRY_SCALE, text)
    assert result.ops.count("Mul") == 1
    assert result.ops[-1] == "Add"
    assert reason in result.reasons


def test_several_readers_take_their_shares(rewrite: Any) -> None:
    text = f"""(float[1, 3, 4, 4] x) => (float[] y, float[] z)
        <{SIXTH}, float[4, 3, 1, 1] w, float[4, 3, 1, 1] v> {{ s = Mul(x, c) y = Conv(s, w)
        z = Conv(s, v) }}"""
    assert rewrite(CARRY_SCALE, text).ops == ["Conv", "Conv"]


def test_reader_that_takes_no_share_keeps_the_product(rewrite: Any) -> None:
    text = f"""(float[1, 3, 4, 4] x) => (float[] y, float[1, 3, 4, 4] s) <{SIXTH}, float[4, 3, 1, 1] w> {{
        s = Mul(x, c) y = Conv(s, w) }}"""
    assert sorted(rewrite(CARRY_SCALE, text).ops) == ["Conv", "Mul"]


@pytest.mark.parametrize("nodes", ["y = Relu(s)", "y = Mul(s, x)", "b = Conv(x, w) y = Add(b, s)"])
def test_product_that_is_an_output_keeps_its_factor(rewrite: Any, nodes: str) -> None:
    text = f"""(float[1, 3, 4, 4] x) => (float[] y, float[1, 3, 4, 4] s) <{SIXTH}, float[3, 3, 1, 1] w> {{
        s = Mul(x, c) {nodes} }}"""
    result = rewrite(CARRY_SCALE, text)
    assert (result.fired, result.reasons) == ({}, ["'s' is an output of the model"])


def test_squeeze_excite_after_a_scaled_activation(rewrite: Any) -> None:
    """The scaled value feeds both the mean and the product; nothing is left of the factor but in weights."""
    text = f"""(float[1, 4, 5, 5] x) => (float[] y) <{SIXTH}, int64[2] axes = {{2, 3}}, float[2, 4, 1, 1] w1,
        float[4, 2, 1, 1] w2, float[3, 4, 1, 1] w3> {{
        s = Mul(x, c) m = ReduceMean(s, axes) z = Conv(m, w1) r = Relu(z) g = Conv(r, w2) h = Sigmoid(g)
        p = Mul(s, h) y = Conv(p, w3) }}"""
    result = rewrite(CARRY_SCALE, text)
    assert result.ops == ["ReduceMean", "Conv", "Relu", "Conv", "Sigmoid", "Mul", "Conv"]


@pytest.mark.parametrize("order", ["p = Mul(x, g) y = Mul(p, c)", "p = Mul(g, x) y = Mul(c, p)"])
def test_factor_without_a_goal_settles_on_the_gate(rewrite: Any, order: str) -> None:
    text = f"(float[1, 3, 4, 4] x, float[1, 3, 1, 1] g) => (float[] y) <{SIXTH}> {{ {order} }}"
    result = rewrite(SettleScale, text)
    assert result.ops == ["Mul", "Mul"]
    assert [node.outputs[0].shape.numpy() for node in result.model.graph] == [(1, 3, 1, 1), (1, 3, 4, 4)]


@pytest.mark.parametrize(
    ("text", "reasons"),
    [
        (
            f"""(float[1, 3, 4, 4] x, float[1, 3, 4, 4] g) => (float[] y) <{SIXTH}> {{
                p = Mul(x, g) y = Mul(p, c) }}""",
            [],
        ),
        (
            f"""(float[1, 3, 4, 4] x, float[1, 3, 1, 1] g) => (float[] y, float[1, 3, 4, 4] p) <{SIXTH}> {{
                p = Mul(x, g) y = Mul(p, c) }}""",
            ["'p' is an output of the model"],
        ),
    ],
)
def test_factor_that_stays(rewrite: Any, text: str, reasons: list[str]) -> None:
    result = rewrite(SettleScale, text)
    assert result.fired == {}
    assert result.reasons == reasons
