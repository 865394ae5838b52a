"""Convolutions whose outputs are split, split themselves."""

from __future__ import annotations

import onnx_ir as ir
import pytest

from mobiledeploy.exporters.rewrites.rule import RewriteLog
from mobiledeploy.exporters.rewrites.split_convolutions import split_convolutions
from mobiledeploy.runtime.targets import LITERT_2_3
from mobiledeploy.testing import array_of, assert_same_outputs, model_from_text, op_types

SPLIT = "a, c = Split<axis = 1>(h, sizes)"
CONSTANTS = """float[48, 4, 3, 3] w, float[48] b, float[48, 1, 1] per_channel,
    int64[2] sizes = {32, 16}, float three = {3.0}"""


def rewritten(nodes: str, outputs: str = "float[] a, float[] c") -> tuple[ir.Model, RewriteLog]:
    model = model_from_text(f"g (float[1, 4, 6, 6] x) => ({outputs}) <{CONSTANTS}> {{ {nodes} }}")
    before = model.clone()
    log = split_convolutions(model, LITERT_2_3, "float32")
    assert_same_outputs(before, model, rtol=0, atol=1e-6)
    return model, log


@pytest.mark.parametrize(
    ("between", "ops"),
    [
        ("h = Conv(x, w, b)", []),
        ("z = Conv(x, w) h = Relu(z)", ["Relu"]),
        (
            "z = Conv<pads = [1, 1, 1, 1], strides = [2, 2]>(x, w, b) s = Sigmoid(z) h = Mul(z, s)",
            ["Sigmoid", "Mul"],
        ),
        ("z = Conv(x, w, b) s = Add(z, three) r = Relu(s) h = Mul(r, z)", ["Add", "Relu", "Mul"]),
    ],
)
def test_one_convolution_for_each_part(between: str, ops: list[str]) -> None:
    model, log = rewritten(f"{between} {SPLIT}")
    assert op_types(model) == ["Conv", *ops] * 2
    weights = [array_of(node.inputs[1]).shape[0] for node in model.graph if node.op_type == "Conv"]
    assert weights == [32, 16]
    assert [(applied.rule, applied.count) for applied in log.applied] == [("SplitConvolutions", 1)]
    assert [value.name for value in model.graph.outputs] == ["a", "c"]


def test_an_input_of_the_model_that_joins_in_is_not_split() -> None:
    model = model_from_text(
        f"""g (float[1, 4, 6, 6] x, float[1, 48, 4, 4] y) => (float[] a, float[] c) <{CONSTANTS}> {{
        z = Conv(x, w) h = Add(z, y) {SPLIT} }}"""
    )
    assert split_convolutions(model, LITERT_2_3, "float32") == RewriteLog()


def test_weights_that_two_convolutions_share() -> None:
    nodes = f"h = Conv(x, w, b) {SPLIT} k = Conv(x, w) m = Relu(k) d, e = Split<axis = 1>(m, sizes)"
    model, _ = rewritten(nodes, "float[] a, float[] c, float[] d, float[] e")
    assert sorted(op_types(model)) == ["Conv"] * 4 + ["Relu"] * 2


@pytest.mark.parametrize(
    ("nodes", "outputs", "reason"),
    [
        (f"h = Conv(x, w) {SPLIT} d = Relu(h)", "float[] a, float[] c, float[] d", "'h' has other readers"),
        (f"h = Conv(x, w) {SPLIT}", "float[] a, float[] c, float[] h", "'h' has other readers"),
        (
            "h = Conv(x, w) a, c, d, e = Split<axis = 1, num_outputs = 4>(h)",
            "float[] a, float[] c, float[] d, float[] e",
            "a convolution to 12 channels is too narrow to be worth while",
        ),
    ],
)
def test_refused(nodes: str, outputs: str, reason: str) -> None:
    model, log = rewritten(nodes, outputs)
    assert "Split" in op_types(model)
    assert ([refusal.reason for refusal in log.refused], log.applied) == ([reason], ())


@pytest.mark.parametrize(
    "nodes",
    [
        f"z = Conv(x, w) h = MaxPool<kernel_shape = [1, 1]>(z) {SPLIT}",
        f"z = Conv(x, w) h = Transpose<perm = [0, 1, 3, 2]>(z) {SPLIT}",
        f"z = Conv(x, w) k = Conv(x, w) h = Add(z, k) {SPLIT}",
        f"z = Conv(x, w) h = Mul(z, per_channel) {SPLIT}",
        "z = Conv(x, w) h = Mul(z, z) a, c = Split<axis = 2, num_outputs = 2>(h)",
    ],
    ids=["pool", "transpose", "two convolutions", "a constant for each channel", "another axis"],
)
def test_left_alone(nodes: str) -> None:
    model, log = rewritten(nodes)
    assert "Split" in op_types(model)
    assert log == RewriteLog()
