"""Hard-sigmoid gates: recognised in every form, and their +3 and 1/6 moved to where they cost nothing."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from mobiledeploy.exporters.rewrites.hard_sigmoid import (
    RECOGNISE_HARD_SIGMOID,
    SHIFT_HARD_SIGMOID_INTO_LINEAR,
    HardSigmoidToRelu6,
)
from mobiledeploy.testing import array_of

CONSTANTS = """float three = {3.0}, float zero = {0.0}, float six = {6.0}, float sixth = {0.16666667},
    float half = {0.5}, float one = {1.0}"""

FORMS = {
    "relu6(x + 3) (1/6)": "a = Add(x, three) r = Clip(a, zero, six) y = Mul(r, sixth)",
    "(1/6) relu6(3 + x)": "a = Add(three, x) r = Clip(a, zero, six) y = Mul(sixth, r)",
    "clip((x + 3) (1/6))": "a = Add(x, three) s = Mul(a, sixth) y = Clip(s, zero, one)",
    "clip(x (1/6) + 1/2)": "s = Mul(sixth, x) a = Add(s, half) y = Clip(a, zero, one)",
}


@pytest.mark.parametrize("nodes", FORMS.values(), ids=FORMS)
def test_recognised(rewrite: Any, nodes: str) -> None:
    text = f"(float[1, 4, 1, 1] x) => (float[1, 4, 1, 1] y) <{CONSTANTS}> {{ {nodes} }}"
    result = rewrite(RECOGNISE_HARD_SIGMOID, text)
    assert result.ops == ["HardSigmoid"]
    attributes = result.model.graph[0].attributes
    assert attributes.get_float("alpha") == np.float32(1 / 6)
    assert attributes.get_float("beta") == 0.5


@pytest.mark.parametrize("order", ["m = Mul(x, r) y = Mul(m, sixth)", "m = Mul(sixth, x) y = Mul(r, m)"])
def test_recognised_around_what_it_gates(rewrite: Any, order: str) -> None:
    text = f"""(float[1, 4, 5, 5] x, float[1, 4, 1, 1] z) => (float[1, 4, 5, 5] y) <{CONSTANTS}> {{
        a = Add(z, three) r = Clip(a, zero, six) {order} }}"""
    assert rewrite(RECOGNISE_HARD_SIGMOID, text).ops == ["HardSigmoid", "Mul"]


@pytest.mark.parametrize(
    ("nodes", "reason"),
    [
        (
            "a = Add(x, half) r = Clip(a, zero, six) y = Mul(r, sixth)",
            "the shift is 0.5, hard-sigmoid needs 3",
        ),
        ("a = Add(x, three) r = Clip(a, zero, one) y = Mul(r, sixth)", "the high is 1, hard-sigmoid needs 6"),
        (
            "a = Add(x, three) r = Clip(a, zero, six) y = Mul(r, half)",
            "the factor is 0.5, hard-sigmoid needs 0.166667",
        ),
        (
            "s = Mul(x, sixth) a = Add(s, three) y = Clip(a, zero, one)",
            "the shift is 3, hard-sigmoid needs 0.5",
        ),
    ],
)
def test_other_constants(rewrite: Any, nodes: str, reason: str) -> None:
    text = f"(float[1, 4, 1, 1] x) => (float[1, 4, 1, 1] y) <{CONSTANTS}> {{ {nodes} }}"
    result = rewrite(RECOGNISE_HARD_SIGMOID, text)
    assert "HardSigmoid" not in result.ops
    assert result.reasons == [reason]


LINEAR = {
    "Conv": "(float[1, 3, 4, 4] x) => (float[1, 5, 2, 2] y) <float[5, 3, 3, 3] w{b}> {{ z = Conv(x, w{c})",
    "Conv, SAME": """(float[1, 3, 4, 4] x) => (float[1, 6, 4, 4] y) <float[6, 1, 3, 3] w{b}> {{
        z = Conv<auto_pad = "SAME_UPPER", group = 3>(x, w{c})""",
    "ConvTranspose": """(float[1, 4, 3, 3] x) => (float[1, 6, 5, 5] y) <float[4, 3, 3, 3] w{b}> {{
        z = ConvTranspose<group = 2>(x, w{c})""",
    "Gemm": "(float[2, 3] x) => (float[2, 5] y) <float[3, 5] w{b}> {{ z = Gemm(x, w{c})",
    "Gemm, transB": """(float[2, 3] x) => (float[2, 5] y) <float[5, 3] w{b}> {{
        z = Gemm<transB = 1, alpha = 0.5, beta = 2.0>(x, w{c})""",
}


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("slope", [1 / 6, 0.2, 0.1667, -0.25])
@pytest.mark.parametrize("linear", LINEAR.values(), ids=LINEAR)
def test_shift_into_linear(rewrite: Any, linear: str, slope: float, bias: bool) -> None:
    channels = 6 if "6, 4, 4]" in linear or "6, 5, 5]" in linear else 5
    start = linear.format(b=f", float[{channels}] b" if bias else "", c=", b" if bias else "")
    text = f"{start} y = HardSigmoid<alpha = {slope:.8f}, beta = 0.4>(z) }}"
    result = rewrite(SHIFT_HARD_SIGMOID_INTO_LINEAR, text)
    assert result.ops[1:] == ["Clip", "Mul"]
    assert array_of(result.model.graph[0].inputs[2]).shape == (channels,)


@pytest.mark.parametrize("shape", ["", "[1]", "[1, 1]", "[2, 1]", "[1, 5]", "[2, 5]"])
def test_gemm_with_bias_of_any_shape(rewrite: Any, shape: str) -> None:
    text = f"""(float[2, 3] x) => (float[2, 5] y) <float[3, 5] w, float{shape} b> {{
        z = Gemm(x, w, b) y = HardSigmoid(z) }}"""
    assert rewrite(SHIFT_HARD_SIGMOID_INTO_LINEAR, text).ops == ["Gemm", "Clip", "Mul"]


def test_weights_stay_the_same_where_the_slope_is_a_sixth(rewrite: Any) -> None:
    weights = np.random.default_rng(0).normal(size=(5, 3, 1, 1)).astype(np.float32)
    text = """(float[1, 3, 1, 1] x) => (float[1, 5, 1, 1] y) <float[5, 3, 1, 1] w, float[5] b> {
        z = Conv(x, w, b) y = HardSigmoid<alpha = 0.16666667>(z) }"""
    result = rewrite(SHIFT_HARD_SIGMOID_INTO_LINEAR, text, w=weights, b=np.arange(5))
    conv = result.model.graph[0]
    assert np.array_equal(array_of(conv.inputs[1]), weights)
    assert np.array_equal(array_of(conv.inputs[2]), np.arange(5) + 3)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (
            """(float[1, 3, 2, 2] x) => (float[1, 5, 2, 2] y, float[1, 5, 2, 2] z) <float[5, 3, 1, 1] w> {
                z = Conv(x, w) y = HardSigmoid(z) }""",
            "'z' is an output of the model",
        ),
        (
            """(float[1, 3, 2, 2] x) => (float[1, 5, 2, 2] y) <float[5, 3, 1, 1] w> {
                z = Conv(x, w) g = HardSigmoid(z) y = Mul(z, g) }""",
            "'z' has other readers",
        ),
        (
            """(float[1, 3, 2, 2] x, float[5] b) => (float[1, 5, 2, 2] y) <float[5, 3, 1, 1] w> {
                z = Conv(x, w, b) y = HardSigmoid(z) }""",
            "the bias is computed at run time",
        ),
        (
            """(float[1, 3, 2, 2] x, float[5, 3, 1, 1] w) => (float[1, 5, 2, 2] y) {
                z = Conv(x, w) y = HardSigmoid(z) }""",
            "the weights are computed at run time",
        ),
    ],
)
def test_shift_that_a_convolution_cannot_take(rewrite: Any, text: str, reason: str) -> None:
    result = rewrite(SHIFT_HARD_SIGMOID_INTO_LINEAR, text)
    assert result.ops[:2] == ["Conv", "HardSigmoid"]
    assert result.reasons == [reason]


@pytest.mark.parametrize(
    ("alpha", "ops"), [(1 / 6, ["Add", "Clip", "Mul"]), (0.2, ["Mul", "Add", "Clip", "Mul"])]
)
def test_stand_alone(rewrite: Any, alpha: float, ops: list[str]) -> None:
    text = f"(float[2, 3] x) => (float[2, 3] y) {{ y = HardSigmoid<alpha = {alpha:.8f}>(x) }}"
    assert rewrite(HardSigmoidToRelu6, text).ops == ops
