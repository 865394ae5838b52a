"""Batch norm and activations behind a concatenation go to where they cost nothing."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from mobiledeploy.exporters.rewrites.fold_batch_norm import FOLD_BATCH_NORM, BatchNormToAffine
from mobiledeploy.exporters.rewrites.through_concat import THROUGH_CONCAT
from mobiledeploy.testing import array_of

NORM = "BatchNormalization<epsilon = 0.01>"
SIX = {"low": 0.0, "high": 6.0}


def joined(
    end: str,
    parts: tuple[str, ...] = ("Conv(x, w)", "Conv(x, v, b)"),
    axis: int = 1,
    outputs: str = "float[] y",
) -> str:
    """A graph of parts `p0`, `p1`, ..., their concatenation `c` of 5 channels, and its `end`."""
    nodes = "\n".join(f"p{i} = {part}" for i, part in enumerate(parts))
    names = ", ".join(f"p{i}" for i in range(len(parts)))
    return f"""(float[1, 3, 4, 4] x) => ({outputs})
        <float[2, 3, 1, 1] w, float[3, 3, 1, 1] v, float[3] b, float[5] gamma, float[5] beta, float[5] mean,
        float[5] var, float low, float high> {{
        {nodes} c = Concat<axis = {axis}>({names}) {end} }}"""


def statistics() -> dict[str, Any]:
    rng = np.random.default_rng(1)
    return {name: rng.normal(size=5) for name in ("gamma", "beta", "mean")} | {
        "var": rng.uniform(0.1, 2, 5),
        **SIX,
    }


ENDS = {
    "batch norm": (f"y = {NORM}(c, gamma, beta, mean, var)", ["Conv", "Conv", "Concat"]),
    "two batch norms": (
        f"n = {NORM}(c, gamma, beta, mean, var) y = {NORM}(n, beta, gamma, mean, var)",
        ["Conv", "Conv", "Concat"],
    ),
    "batch norm and ReLU": (
        f"n = {NORM}(c, gamma, beta, mean, var) y = Relu(n)",
        ["Conv", "Relu", "Conv", "Relu", "Concat"],
    ),
    "ReLU6": ("y = Clip(c, low, high)", ["Conv", "Clip", "Conv", "Clip", "Concat"]),
    "Clip without an upper end": ("y = Clip(c, low)", ["Conv", "Clip", "Conv", "Clip", "Concat"]),
}


@pytest.mark.parametrize(("end", "ops"), ENDS.values(), ids=ENDS)
def test_convolutions(rewrite: Any, end: str, ops: list[str]) -> None:
    result = rewrite((*THROUGH_CONCAT, *FOLD_BATCH_NORM), joined(end), **statistics())
    assert sorted(result.ops) == sorted(ops)
    assert result.ops[-1] == "Concat"
    assert result.reasons == []


def test_each_part_gets_its_own_statistics(rewrite: Any) -> None:
    result = rewrite(THROUGH_CONCAT, joined(ENDS["batch norm"][0]), **statistics())
    norms = [node for node in result.model.graph if node.op_type == "BatchNormalization"]
    for index, name in enumerate(("gamma", "beta", "mean", "var"), start=1):
        parts = [array_of(node.inputs[index]) for node in norms]
        assert [len(part) for part in parts] == [2, 3]
        np.testing.assert_array_equal(np.concatenate(parts), statistics()[name].astype(np.float32))


def test_gemm(rewrite: Any) -> None:
    text = f"""(float[2, 3] x) => (float[] y) <float[3, 2] w, float[3, 3] v, float[5] g, float[5] var> {{
        p = Gemm(x, w) q = Gemm(x, v) c = Concat<axis = 1>(p, q) y = {NORM}(c, g, g, g, var) }}"""
    result = rewrite((*THROUGH_CONCAT, *FOLD_BATCH_NORM), text, var=0.5)
    assert result.ops == ["Gemm", "Gemm", "Concat"]


def test_activation_into_a_sum(rewrite: Any) -> None:
    """TFLite's ADD, SUB and MUL fuse an activation, too."""
    parts = ("Add(x, x)", "Conv(x, w)")
    assert rewrite(THROUGH_CONCAT, joined("y = Relu(c)", parts)).ops[-1] == "Concat"


STAYS = {
    "other axis": (joined("y = Relu(c)", ("Conv(x, w)", "Conv(x, w)"), axis=2), []),
    "a part that takes nothing in": (
        joined("y = Relu(c)", ("Conv(x, w)", "Sigmoid(x)")),
        ["'p1', a part of 'c', is computed by no op that could take it in"],
    ),
    "an activation that no op carries": (
        joined("y = Clip(c, , high)"),
        ["litert-2.3 fuses only RELU, RELU6, RELU_N1_TO_1"],
    ),
    "an op that carries no activation": (
        joined("y = Relu(c)", ("Conv(x, w)", "ConvTranspose(x, t)")).replace(
            "<float", "<float[3, 3, 1, 1] t, float", 1
        ),
        ["'p1', a part of 'c', is computed by no op that could take it in"],
    ),
    "an input of the model": (
        joined("y = Relu(c)", ("Conv(x, w)", "Identity(x)")),
        ["'x', a part of 'c', is computed by no op that could take it in"],
    ),
    "batch norm after a sum": (
        joined(ENDS["batch norm"][0], ("Conv(x, w)", "Add(x, x)")),
        ["'p1', a part of 'c', is computed by no op that could take it in"],
    ),
    "a part that others read": (
        joined("y = Relu(c) z = Neg(p0)", outputs="float[] y, float[] z"),
        ["'p0', a part of 'c', has other readers"],
    ),
    "a part that is an output": (
        joined("y = Relu(c)", outputs="float[] y, float[] p1"),
        ["'p1', a part of 'c', has other readers"],
    ),
    "a part twice": (
        joined("y = Relu(c)", ("Conv(x, w)",)).replace("(p0)", "(p0, p0)"),
        ["'p0', a part of 'c', has other readers"],
    ),
    "another reader of the whole": (
        joined("y = Relu(c) z = Neg(c)", outputs="float[] y, float[] z"),
        ["'c' has other readers"],
    ),
    "the whole is an output": (
        joined("y = Relu(c)", outputs="float[] y, float[] c"),
        ["'c' is an output of the model"],
    ),
    "statistics at run time": (
        joined(ENDS["batch norm"][0])
        .replace("float[5] mean,", "")
        .replace("4, 4] x", "4, 4] x, float[5] mean"),
        ["the statistics are computed at run time"],
    ),
}


@pytest.mark.parametrize(("text", "reasons"), STAYS.values(), ids=STAYS)
def test_stays_behind_the_concatenation(rewrite: Any, text: str, reasons: list[str]) -> None:
    numbers = statistics() if "float[5] mean," in text else SIX | {"var": 1.0}
    result = rewrite(THROUGH_CONCAT, text, **numbers)
    assert result.fired == {}
    assert result.reasons == reasons


def test_batch_norm_that_no_op_takes_in(rewrite: Any) -> None:
    """What is left behind a concatenation still becomes one factor and one offset."""
    text = joined(ENDS["batch norm"][0], ("Conv(x, w)", "Sigmoid(x)"))
    result = rewrite((*THROUGH_CONCAT, BatchNormToAffine), text, **statistics())
    assert result.ops[-3:] == ["Concat", "Mul", "Add"]
