"""Clamps in every form become one Clip or Relu, and only those that are clamps."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from mobiledeploy.exporters.rewrites.clamp import CLAMPS, clamp_bounds
from mobiledeploy.runtime.targets import LITERT_2_3
from mobiledeploy.testing import array_of, model_from_text

RELU6 = "<float zero = {0.0}, float six = {6.0}, float three = {3.0}, float top = {3.4028235e38}>"


@pytest.mark.parametrize(
    ("nodes", "ops", "bounds"),
    [
        ("y = Max(x, zero)", ["Relu"], (0, np.inf)),
        ("y = Max(zero, x)", ["Relu"], (0, np.inf)),
        ("y = Max(x, three)", ["Clip"], (3, np.inf)),
        ("y = Min(x, six)", ["Clip"], (-np.inf, 6)),
        ("y = Clip(x, zero)", ["Relu"], (0, np.inf)),
        ("y = Clip(x, zero, top)", ["Relu"], (0, np.inf)),
        ("m = Max(x, zero) y = Min(m, six)", ["Clip"], (0, 6)),
        ("m = Min(x, six) y = Max(m, zero)", ["Clip"], (0, 6)),
        ("m = Min(six, x) y = Max(zero, m)", ["Clip"], (0, 6)),
        ("m = Relu(x) y = Min(m, six)", ["Clip"], (0, 6)),
        ("m = Min(x, six) y = Relu(m)", ["Clip"], (0, 6)),
        ("m = Clip(x, zero) y = Clip(m, , six)", ["Clip"], (0, 6)),
        ("m = Clip(x, zero, six) y = Relu(m)", ["Clip"], (0, 6)),
        ("m = Clip(x, zero, six) y = Clip(m, zero, six)", ["Clip"], (0, 6)),
        ("m = Relu(x) y = Relu(m)", ["Relu"], (0, np.inf)),
        ("m = Clip(x, three, six) y = Clip(m, zero, three)", ["Clip"], (3, 3)),
        ("m = Clip(x, zero, three) y = Clip(m, three, six)", ["Clip"], (3, 3)),
        ("m = Clip(x, six, three) y = Relu(m)", ["Clip"], (3, 3)),
    ],
)
def test_one_form(rewrite: Any, nodes: str, ops: list[str], bounds: tuple[float, float]) -> None:
    result = rewrite(CLAMPS, f"(float[2, 3] x) => (float[2, 3] y) {RELU6} {{ {nodes} }}")
    assert result.ops == ops
    assert clamp_bounds(result.model.graph[0].outputs[0]) == bounds
    assert result.reasons == []


@pytest.mark.parametrize(
    ("nodes", "ops"),
    [
        ("y = Max(x, z)", ["Max"]),  # two activations
        ("y = Max(x, zero, three)", ["Max"]),
        ("y = Min(x, wide)", ["Min"]),  # gives the result a third dimension
        ("y = Min(x, many)", ["Min"]),  # a bound per column
        ("y = Clip(x, , six)", ["Clip"]),
        ("y = Clip(x, zero, six)", ["Clip"]),
    ],
)
def test_what_is_no_clamp_by_constants_or_has_its_form_already(
    rewrite: Any, nodes: str, ops: list[str]
) -> None:
    constants = RELU6.replace(">", ", float[1, 1, 1] wide = {6.0}, float[3] many = {1.0, 2.0, 3.0}>")
    result = rewrite(CLAMPS, f"(float[2, 3] x, float[2, 3] z) => (float[] y) {constants} {{ {nodes} }}")
    assert (result.ops, result.reasons) == (ops, [])


def test_bounds_at_run_time(rewrite: Any) -> None:
    text = "(float[2, 3] x, float low) => (float[2, 3] y) { m = Clip(x, low) y = Relu(m) }"
    result = rewrite(CLAMPS, text)
    assert result.ops == ["Clip", "Relu"]
    assert result.reasons == ["the bounds are computed at run time"]
    assert clamp_bounds(result.model.graph[0].outputs[0]) is None


def test_a_clamp_that_others_read_stays(rewrite: Any) -> None:
    text = f"(float[2, 3] x) => (float[2, 3] y, float[2, 3] m) {RELU6} {{ m = Relu(x) y = Min(m, six) }}"
    result = rewrite(CLAMPS, text)
    assert result.ops == ["Relu", "Clip"]
    assert result.reasons == ["'m' is an output of the model"]


def test_integer_maximum_is_left_alone() -> None:
    model = model_from_text("g (int64[2] x) => (int64[2] y) <int64 zero = {0}> { y = Max(x, zero) }")
    node = model.graph[0]
    assert not CLAMPS[0](LITERT_2_3).matches(x=node.inputs[0], bound=node.inputs[1])
    assert array_of(node.inputs[1]) == 0
