"""Activations that become a note on the op before them."""

from __future__ import annotations

from typing import Any

import pytest

from mobiledeploy.exporters.rewrites.fuse_activation import FUSED_ACTIVATION, fusion_rules, will_fuse
from mobiledeploy.exporters.rewrites.rule import RewriteLog, apply_rules
from mobiledeploy.runtime.targets import LITERT_2_3
from mobiledeploy.testing import model_from_text, op_types

CONSTANTS = """<float[3, 3, 1, 1] w, float[3] b, float zero = {0.0}, float one = {1.0}, float minus = {-1.0},
    float six = {6.0}, float five = {5.0}, float top = {3.4028235e38}>"""


def fuse(
    nodes: str, outputs: str = "float[] y", inputs: str = "float[1, 3, 4, 4] x"
) -> tuple[Any, RewriteLog]:
    model = model_from_text(f"g ({inputs}) => ({outputs}) {CONSTANTS} {{ {nodes} }}")
    return model, apply_rules(model, fusion_rules(LITERT_2_3), LITERT_2_3, "float32")


LINEAR = {
    "Conv": "z = Conv<group = 1>(x, w, b)",
    "Gemm": "m = Flatten<axis = 2>(x) z = Gemm<transB = 1>(m, m)",
    "Add": "z = Add(x, one)",
    "Sub": "z = Sub(x, one)",
    "Mul": "z = Mul(x, x)",
}
ACTIVATIONS = {
    "RELU": ["Relu(z)", "Clip(z, zero)", "Clip(z, zero, top)"],
    "RELU6": ["Clip(z, zero, six)"],
    "RELU_N1_TO_1": ["Clip(z, minus, one)"],
}


@pytest.mark.parametrize("op_type", LINEAR)
@pytest.mark.parametrize(
    ("name", "call"), [(name, call) for name, calls in ACTIVATIONS.items() for call in calls]
)
def test_fuses(op_type: str, name: str, call: str) -> None:
    nodes = f"{LINEAR[op_type]} y = {call}"
    before = model_from_text(f"g (float[1, 3, 4, 4] x) => (float[] y) {CONSTANTS} {{ {nodes} }}")
    producer, reader = list(before.graph)[-2:]
    assert will_fuse(producer, reader, LITERT_2_3)
    model, log = fuse(nodes)
    node = list(model.graph)[-1]
    assert (node.op_type, node.outputs[0].name) == (op_type, "y")
    assert node.meta[FUSED_ACTIVATION] == name
    assert log.refused == ()


def test_every_fusing_op_is_tested() -> None:
    assert set(LINEAR) == LITERT_2_3.fusing_ops


@pytest.mark.parametrize(
    ("nodes", "outputs", "reason"),
    [
        ("z = Conv(x, w) y = Relu(z)", "float[] y, float[1, 3, 4, 4] z", "'z' is an output of the model"),
        ("z = Conv(x, w) y = Relu(z) v = Add(z, y)", "float[] v", "'z' has other readers"),
        (
            "z = Conv(x, w) y = Relu(z) v = Clip(z, zero, six)",
            "float[] y, float[] v",
            "'z' has other readers",
        ),
        (
            "z = Conv(x, w) y = Clip(z, zero, five)",
            "float[] y",
            "litert-2.3 fuses only RELU, RELU6, RELU_N1_TO_1",
        ),
        ("z = Conv(x, w) y = Clip(z, , six)", "float[] y", "litert-2.3 fuses only RELU, RELU6, RELU_N1_TO_1"),
        ("z = Conv(x, w) r = Relu(z) y = Clip(r, minus, one)", "float[] y", "the Conv carries RELU already"),
    ],
)
def test_declines(nodes: str, outputs: str, reason: str) -> None:
    _, log = fuse(nodes, outputs)
    assert reason in [refusal.reason for refusal in log.refused]


@pytest.mark.parametrize("bound", ["zero, bound", "bound", "bound, six"])
def test_bounds_at_run_time(bound: str) -> None:
    model, log = fuse(f"z = Conv(x, w) y = Clip(z, {bound})", inputs="float[1, 3, 4, 4] x, float bound")
    assert op_types(model) == ["Conv", "Clip"]
    assert log.refused != ()
    assert not will_fuse(model.graph[0], model.graph[1], LITERT_2_3)


def test_other_producers() -> None:
    model, log = fuse("z = MaxPool<kernel_shape = [2, 2]>(x) y = Relu(z)")
    assert op_types(model) == ["MaxPool", "Relu"]
    assert log == RewriteLog()
    assert not will_fuse(model.graph[0], model.graph[1], LITERT_2_3)


def test_works_between_q_and_dq() -> None:
    model, _ = fuse(
        """s = Constant<value_float = 0.1>() z0 = Constant<value_int = 0>() zp = Cast<to = 3>(z0)
        q = QuantizeLinear(x, s, zp) d = DequantizeLinear(q, s, zp) z = Conv(d, w, b) r = Clip(z, zero, six)
        p = QuantizeLinear(r, s, zp) y = DequantizeLinear(p, s, zp)"""
    )
    assert [op for op in op_types(model) if op not in ("Cast", "Constant")] == [
        "QuantizeLinear",
        "DequantizeLinear",
        "Conv",
        "QuantizeLinear",
        "DequantizeLinear",
    ]
