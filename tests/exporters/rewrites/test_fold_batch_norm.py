"""Batch norm folded into the linear op before it, or left as one factor and one offset."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from mobiledeploy.exporters.rewrites.fold_batch_norm import FOLD_BATCH_NORM, BatchNormToAffine
from mobiledeploy.exporters.rewrites.rule import apply_rules
from mobiledeploy.runtime.targets import LITERT_2_3
from mobiledeploy.testing import model_from_text, op_types

RULES = (*FOLD_BATCH_NORM, BatchNormToAffine)
NORM = "BatchNormalization<epsilon = 0.01>(z, gamma, beta, mean, var)"


def statistics(channels: int) -> dict[str, Any]:
    rng = np.random.default_rng(1)
    return {
        "gamma": rng.normal(size=channels),
        "beta": rng.normal(size=channels),
        "mean": rng.normal(size=channels),
        "var": rng.uniform(0.1, 2, channels),
    }


def declared(channels: int, *others: str) -> str:
    names = [f"float[{channels}] {name}" for name in ("gamma", "beta", "mean", "var")]
    return f"<{', '.join([*others, *names])}>"


LINEAR = {
    "Conv": ("float[1, 3, 4, 4] x", "float[6, 3, 3, 3] w", "Conv"),
    "depthwise": ("float[1, 3, 4, 4] x", "float[6, 1, 3, 3] w", "Conv<group = 3, pads = [1, 1, 1, 1]>"),
    "SAME": ("float[1, 3, 4, 4] x", "float[6, 3, 3, 3] w", 'Conv<auto_pad = "SAME_LOWER", strides = [2, 2]>'),
    "Conv 1-D": ("float[1, 3, 4] x", "float[6, 3, 3] w", "Conv"),
    "ConvTranspose": ("float[1, 4, 3, 3] x", "float[4, 6, 3, 3] w", "ConvTranspose<strides = [2, 2]>"),
    "ConvTranspose, groups": ("float[1, 4, 3, 3] x", "float[4, 3, 3, 3] w", "ConvTranspose<group = 2>"),
    "Gemm": ("float[2, 3] x", "float[3, 6] w", "Gemm<alpha = 2.0, beta = 0.5>"),
    "Gemm, transB": ("float[2, 3] x", "float[6, 3] w", "Gemm<transB = 1>"),
}


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize(("x", "w", "linear"), LINEAR.values(), ids=LINEAR)
def test_folds(rewrite: Any, x: str, w: str, linear: str, bias: bool) -> None:
    constants = declared(6, w, *(["float[6] b"] if bias else []))
    text = f"({x}) => (float[] y) {constants} {{ z = {linear}(x, w{', b' if bias else ''}) y = {NORM} }}"
    result = rewrite(RULES, text, **statistics(6))
    assert result.ops == [linear.split("<")[0]]
    assert result.reasons == []
    names = [value.name for value in result.model.graph[0].inputs[1:]]
    assert names == ["w", "b" if bias else "beta"]


def test_weights_of_two_convolutions(rewrite: Any) -> None:
    text = f"""(float[1, 3, 4, 4] x) => (float[] y, float[] v) {declared(3, "float[3, 3, 1, 1] w")} {{
        z = Conv(x, w) y = {NORM} v = Conv(y, w) }}"""
    result = rewrite(RULES, text, **statistics(3))
    assert result.ops == ["Conv", "Conv"]
    assert [node.inputs[1].name for node in result.model.graph] == ["w:1", "w"]


@pytest.mark.parametrize("x", ["float[2, 6]", "float[1, 6, 4]", "float[1, 6, 4, 4]", "float[1, 6, 2, 3, 3]"])
def test_without_a_linear_op(rewrite: Any, x: str) -> None:
    text = f"({x} x) => ({x} y) {declared(6)} {{ z = Relu(x) y = {NORM} }}"
    assert rewrite(RULES, text, **statistics(6)).ops == ["Relu", "Mul", "Add"]


@pytest.mark.parametrize(
    ("outputs", "more", "reason"),
    [
        ("float[] y, float[] v", "v = Relu(z)", "'z' has other readers"),
        ("float[] y, float[] z", "", "'z' is an output of the model"),
    ],
)
def test_convolution_that_others_read(rewrite: Any, outputs: str, more: str, reason: str) -> None:
    text = f"""(float[1, 3, 4, 4] x) => ({outputs}) {declared(6, "float[6, 3, 1, 1] w")} {{
        z = Conv(x, w) y = {NORM} {more} }}"""
    folding = rewrite(FOLD_BATCH_NORM, text, **statistics(6))
    assert "BatchNormalization" in folding.ops
    assert folding.reasons == [reason]
    assert "BatchNormalization" not in rewrite(RULES, text, **statistics(6)).ops


def test_statistics_at_run_time(rewrite: Any) -> None:
    text = f"""(float[1, 6, 4, 4] z, float[6] mean) => (float[] y)
        {declared(6).replace("float[6] mean, ", "")} {{ y = {NORM} }}"""
    rest = statistics(6)
    del rest["mean"]
    result = rewrite(RULES, text, **rest)
    assert result.ops == ["BatchNormalization"]
    assert result.reasons == ["the statistics are computed at run time"]


def test_statistics_of_the_batch() -> None:
    norm = "y, m, v = BatchNormalization<training_mode = 1>(z, gamma, beta, mean, var)"
    text = f"g (float[1, 6, 4, 4] z) => (float[] y) {declared(6)} {{ {norm} }}"
    model = model_from_text(text, **statistics(6))
    log = apply_rules(model, RULES, LITERT_2_3, "float32")
    assert op_types(model) == ["BatchNormalization"]
    assert "training_mode=1" in log.refused[0].reason
