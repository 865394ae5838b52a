"""Which activations int8 computes in several ops, and what that costs."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from mobiledeploy.exporters.rewrites.stages import rewrite_for_target
from mobiledeploy.quantize.explain.activation_cost import activation_costs
from mobiledeploy.quantize.quantize_model import quantize_model
from mobiledeploy.quantize.recipe import QuantizeRecipe
from mobiledeploy.runtime.targets import LITERT_2_3
from mobiledeploy.testing import model_from_text, random_sample
from mobiledeploy.verify.verify import ActivationCost

Floats = NDArray[np.floating]

SWISH = "g (float[1,64] x) => (float[1,64] y) { z = Neg(x) gate = Sigmoid(z) y = Mul(z, gate) }"
QDQ_SWISH = """
    g (float[1,64] x) => (float[1,64] y) <float sz, int8 zz, float sg, int8 zg, float sy, int8 zy> {
        z = Neg(x)
        zq = QuantizeLinear(z, sz, zz)
        zr = DequantizeLinear(zq, sz, zz)
        gate = Sigmoid(zr)
        gq = QuantizeLinear(gate, sg, zg)
        gr = DequantizeLinear(gq, sg, zg)
        product = Mul(zr, gr)
        yq = QuantizeLinear(product, sy, zy)
        y = DequantizeLinear(yq, sy, zy)
    }"""
Z = np.random.default_rng(0).uniform(-6, -5, (1, 64)).astype(np.float32)  # its sigmoid is 0.6 to 1.7 / 256
Z_SCALE, GATE_SCALE = 6 / 255, 1 / 256


def cost_of_swish(result_scale: float) -> ActivationCost:
    """Of one swish of ``Z``, with the result in [-255 * result_scale, 0]."""
    qdq = model_from_text(QDQ_SWISH, sz=Z_SCALE, zz=127, sg=GATE_SCALE, zg=-128, sy=result_scale, zy=127)
    (cost,) = activation_costs(model_from_text(SWISH), qdq, [{"x": -Z}])
    return cost


def rounded(values: Floats, scale: float) -> Floats:
    steps: Floats = np.rint(values / scale)
    return steps * scale


def sigmoid(z: Floats) -> Floats:
    odds: Floats = np.exp(z)
    return odds / (1 + odds)


def sqnr_db(result: Floats) -> float:
    """Of a result that is then rounded to 2e-4."""
    exact = Z * sigmoid(Z)
    return float(10 * np.log10(np.sum(exact**2) / np.sum((rounded(result, 2e-4) - exact) ** 2)))


def test_a_sigmoid_that_rounds_coarsely_is_what_swish_costs() -> None:
    cost, z = cost_of_swish(2e-4), rounded(Z, Z_SCALE)
    as_is = sqnr_db(z * rounded(sigmoid(z), GATE_SCALE))
    assert cost.sqnr_db == pytest.approx(as_is, abs=0.05)
    assert cost.exact_sqnr_db == pytest.approx(sqnr_db(Z * sigmoid(Z)), abs=0.05)
    assert cost.cost_db == pytest.approx(cost.exact_sqnr_db - cost.sqnr_db)
    assert cost.gate_cost_db == pytest.approx(sqnr_db(z * sigmoid(z)) - as_is, abs=0.05)
    assert cost.cost_db > cost.gate_cost_db > 15


def test_roundings_that_the_result_hides_cost_nothing() -> None:
    # All of the result is closer to 0 than half a step, in int8 as in float.
    cost = cost_of_swish(0.2)
    assert (cost.cost_db, cost.gate_cost_db) == (0, 0)


def costs_of(text: str, samples: int = 2) -> list[ActivationCost]:
    """Of a float graph, as an export to int8 finds them."""
    model = model_from_text(text)
    inputs = [random_sample(model, seed) for seed in range(samples)]
    qdq = model.clone()
    rewrite_for_target(qdq, LITERT_2_3, "int8")
    quantize_model(qdq, inputs, LITERT_2_3, QuantizeRecipe())
    return activation_costs(model, qdq, inputs)


def test_each_kind_is_counted_and_measured() -> None:
    costs = costs_of(
        """g (float[1,3,8,8] x) => (float[1,4,8,8] y, float[1,4,8,8] w)
        <float[4,3,1,1] w1, float[4,4,1,1] w2, float[4,4,1,1] w3, float[4,4,1,1] w4, float[4,4,1,1] w5,
         int64[2] axes = {2, 3}> {
            c = Conv(x, w1)
            s1 = Sigmoid(c)
            swish = Mul(s1, c)
            d = Conv(swish, w2)
            hs = HardSwish(d)
            pooled = ReduceMean<keepdims=1>(hs, axes)
            z = Conv(pooled, w3)
            gate = Sigmoid(z)
            se = Mul(hs, gate)
            e = Conv(se, w4)
            s2 = Sigmoid(e)
            y = Mul(e, s2)
            unshifted = MaxPool<kernel_shape=[1,1]>(y)
            hard = HardSigmoid<alpha=0.16666667, beta=0.5>(unshifted)
            w = Mul(se, hard)
        }"""
    )
    assert {cost.activation: cost.count for cost in costs} == {
        "swish": 2,
        "h-swish": 1,
        "sigmoid gate": 1,
        "hard-sigmoid gate": 1,
    }
    least = {(cost.output, cost.sqnr_db) for cost in costs}
    assert len(least) == 1
    for cost in costs:
        assert cost.samples == 2 and cost.cost_error_db is not None
        assert 15 < cost.sqnr_db < 60 and abs(cost.cost_db) < 20


@pytest.mark.parametrize(
    "nodes",
    [
        "c = Conv(x, w) y = Relu(c)",
        "c = Conv(x, w) y = Clip(c, low, high)",
        "c = Conv(x, w) y = Sigmoid(c)",
        # The linear op takes the shift of the gate, and the gate itself as its fused ReLU6.
        "c = Conv(x, w) d = Conv(x, v) gate = HardSigmoid<alpha=0.16666667, beta=0.5>(c) y = Mul(d, gate)",
        "c = Conv(x, w) d = Conv(x, v) r = Clip(c, low, high) y = Mul(d, r)",
        # A constant factor gates nothing.
        "c = Conv(x, w) gate = Sigmoid(c) d = Mul(gate, k) y = Add(d, c)",
    ],
)
def test_what_int8_computes_in_one_op_is_not_reported(nodes: str) -> None:
    declared = "float[4,3,1,1] w, float[4,3,1,1] v, float low = {0.}, float high = {6.}, float[1,4,1,1] k"
    text = f"g (float[1,3,4,4] x) => (float[1,4,4,4] y) <{declared}> {{ {nodes} }}"
    assert costs_of(text) == []


def test_the_roundings_before_a_concat_are_those_of_the_swish_behind_it() -> None:
    # The parts and the whole have one scale: sparing only the whole its rounding would change nothing.
    (cost,) = costs_of(
        """g (float[1,3,16,16] x) => (float[1,8,16,16] y) <float[4,3,1,1] w, float[4,3,1,1] v> {
            a = Conv(x, w)
            b = Conv(x, v)
            c = Concat<axis=1>(a, b)
            gate = Sigmoid(c)
            y = Mul(c, gate)
        }"""
    )
    assert cost.cost_db > cost.gate_cost_db + 1


def test_a_value_that_others_read_is_rounded_for_them_too() -> None:
    (alone,), (shared,) = (
        costs_of(
            f"""g (float[1,3,16,16] x) => (float[1,4,16,16] y) <float[4,3,1,1] w> {{
                c = Conv(x, w)
                gate = Sigmoid(c)
                s = Mul(c, gate)
                y = {last}
            }}"""
        )
        for last in ("Relu(s)", "Add(s, c)")
    )
    assert alone.cost_db != alone.gate_cost_db
    assert shared.cost_db == shared.gate_cost_db != 0


def test_a_gate_is_found_behind_its_change_of_shape() -> None:
    (cost,) = costs_of(
        """g (float[1,4,8,8] x) => (float[1,4,8,8] y)
        <float[4,4,1,1] w, float[4,4] v, int64[2] axes = {2, 3}, int64[4] shape = {1, 4, 1, 1}> {
            c = Conv(x, w)
            pooled = ReduceMean<keepdims=0>(c, axes)
            z = Gemm<transB=1>(pooled, v)
            s = Sigmoid(z)
            gate = Reshape(s, shape)
            y = Mul(c, gate)
        }"""
    )
    assert (cost.activation, cost.count) == ("sigmoid gate", 1)
    assert cost.cost_db != 0 and cost.gate_cost_db != 0


def test_one_sample_has_no_standard_error() -> None:
    (cost,) = costs_of(SWISH.replace("z = Neg(x)", "z = LeakyRelu(x)"), samples=1)
    assert cost.cost_error_db is None and cost.gate_cost_error_db is None
    assert math.isfinite(cost.cost_db)
