"""Outlier channels are found and undone, the function stays the same, ordinary networks stay as they are."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace

import numpy as np
import onnx_ir as ir
import pytest
from numpy.typing import NDArray

from mobiledeploy.base.errors import InputError
from mobiledeploy.exporters.rewrites.stages import rewrite_for_target
from mobiledeploy.quantize.quantize_model import quantize_model
from mobiledeploy.quantize.recipe import QuantizeRecipe
from mobiledeploy.quantize.weights.adjust_weights import AdjustLog, adjust_weights
from mobiledeploy.runtime.runtimes import OnnxSession, Sample
from mobiledeploy.runtime.targets import LITERT_2_3
from mobiledeploy.testing import (
    array_of,
    assert_same_outputs,
    model_from_text,
    random_sample,
)
from mobiledeploy.verify.metrics import compare

PLAIN = QuantizeRecipe(calibrator="min-max", equalize=False)  # ranges that do not hide outliers by clipping

BLOCK = """
    g (float[1,3,16,16] x) => (float[1,10] y)
    <float[16,3,3,3] w1, float[16] b1, float[16,1,3,3] w2, float[16] b2, float[4,16,1,1] w3, float[4] b3,
     float[16,4,1,1] w4, float[16] b4, float[12,16,1,1] w5, float[12] b5, float[12,12,1,1] w6,
     float[10,12] w7, int64[2] axes> {
        a = Conv<pads=[1,1,1,1], strides=[2,2]>(x, w1, b1)
        expanded = Relu(a)
        b = Conv<pads=[1,1,1,1], group=16>(expanded, w2, b2)
        depthwise = Relu(b)
        pooled = ReduceMean<keepdims=1>(depthwise, axes)
        c = Conv(pooled, w3, b3)
        squeezed = Relu(c)
        d = Conv(squeezed, w4, b4)
        gate = Sigmoid(d)
        gated = Mul(gate, depthwise)
        projected = Conv(gated, w5, b5)
        e = Conv(projected, w6)
        branch = Relu(e)
        sum = Add(projected, branch)
        f = HardSwish(sum)
        head = ReduceMean<keepdims=0>(f, axes)
        y = Gemm<transB=1>(head, w7)
    }"""
"""An inverted residual with ReLU and squeeze-excite, whose sum goes through an h-swish."""


def block() -> ir.Model:
    model = model_from_text(BLOCK, axes=[2, 3])
    rewrite_for_target(model, LITERT_2_3, "int8")
    return model


def samples(model: ir.Model, count: int = 16) -> list[Sample]:
    return [random_sample(model, seed, scale=1.0) for seed in range(count)]


def change(model: ir.Model, name: str, edit: Callable[[NDArray[np.float32]], None]) -> None:
    value = model.graph.initializers[name]
    array = array_of(value).copy()
    edit(array)
    value.const_value = ir.tensor(array, name=name)


def scale_in_two_places(model: ir.Model, factor: float) -> None:
    """Scale channels 3 and 5 of `expanded` and 2 of `depthwise`, and undo it in what reads them."""

    def scaled(*channels: int, by: float, axis: int = 0) -> Callable[[NDArray[np.float32]], None]:
        def edit(array: NDArray[np.float32]) -> None:
            np.moveaxis(array, axis, 0)[list(channels)] *= np.float32(by)

        return edit

    for name in ("w1", "b1"):
        change(model, name, scaled(3, 5, by=factor))
    change(model, "w2", scaled(3, 5, by=1 / factor))
    for name in ("w2", "b2"):
        change(model, name, scaled(2, by=factor))
    for name in ("w3", "w5"):
        change(model, name, scaled(2, by=1 / factor, axis=1))


def sqnr_db(exact: ir.Model, model: ir.Model, recipe: QuantizeRecipe) -> float:
    quantize_model(model, samples(model), LITERT_2_3, recipe)
    inputs = [random_sample(exact, seed, scale=1.0) for seed in range(100, 116)]
    before, after = (OnnxSession(each, optimize=False) for each in (exact, model))
    return compare([before.run(s)["y"] for s in inputs], [after.run(s)["y"] for s in inputs]).sqnr_db


@pytest.mark.parametrize(("factor", "harm_db"), [(30.0, 4), (1 / 30, 2)])
def test_int8_outputs_survive_outlier_channels(factor: float, harm_db: float) -> None:
    exact = block()
    usual = sqnr_db(exact, block(), PLAIN)
    scaled = block()
    scale_in_two_places(scaled, factor)
    assert_same_outputs(exact, scaled, rtol=1e-4, atol=1e-5)
    assert sqnr_db(exact, scaled.clone(), PLAIN) < usual - harm_db
    assert sqnr_db(exact, scaled, replace(PLAIN, equalize=True)) > usual - 1


def test_outlier_channels_are_named_with_what_became_of_them() -> None:
    model = block()
    scale_in_two_places(model, 30.0)
    log = adjust_weights(model, samples(model), LITERT_2_3)
    found = {outliers.value: outliers for outliers in log.outliers}
    assert found["expanded"].channels == (3, 5)
    assert found["depthwise"].channels == (2,)
    for outliers in (found["expanded"], found["depthwise"]):
        assert min(outliers.ratios) > 10
        assert max(outliers.left) < 4
        assert outliers.reason is None
    assert [e.values for e in log.equalized] == [("expanded",), ("depthwise", "pooled", "gated")]
    assert all(1 / 200 < e.smallest < 1 / 5 and e.gain_db > 10 for e in log.equalized)
    assert json.loads(json.dumps(asdict(log)))["equalized"][0]["values"] == ["expanded"]


def test_outlier_channels_that_cannot_be_scaled_are_named_with_the_reason() -> None:
    model = block()

    def louder(array: NDArray[np.float32]) -> None:
        array[7] *= 100

    change(model, "w5", louder)  # in front of the h-swish
    before = model.clone()
    log = adjust_weights(model, samples(model), LITERT_2_3)
    found = {outliers.value: outliers for outliers in log.outliers}
    assert found["projected"].channels == (7,)
    assert found["projected"].left == found["projected"].ratios
    assert "as h-swish does" in (found["projected"].reason or "")
    assert log.equalized == ()
    assert_same_outputs(before, model, rtol=0, atol=0)
    refused = {refusal.node: refusal.reason for refusal in log.refused}
    assert "as h-swish does" in refused["Conv node 'e'"]


def test_the_function_stays_the_same() -> None:
    model = block()
    scale_in_two_places(model, 30.0)
    before = model.clone()
    assert adjust_weights(model, samples(model), LITERT_2_3).equalized
    assert_same_outputs(before, model, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("factor", [1e-30, 0.0])
def test_a_dead_channel_is_left_alone(factor: float) -> None:
    model = block()

    def dead(array: NDArray[np.float32]) -> None:
        array[4] *= factor

    for name in ("w1", "b1"):
        change(model, name, dead)
    before = model.clone()
    log = adjust_weights(model, samples(model), LITERT_2_3)
    assert all(np.isfinite([e.smallest, e.largest]).all() for e in log.equalized)
    assert_same_outputs(before, model, rtol=1e-4, atol=1e-5)


def test_weights_that_others_read_too_stay_theirs() -> None:
    model = model_from_text("""
        g (float[1,3,8,8] x) => (float[1,3,8,8] y, float[1,3,8,8] z) <float[3,3,1,1] w> {
            a = Conv(x, w)
            r = Relu(a)
            y = Conv(r, w)
            z = Conv(x, w)
        }""")

    def louder(array: NDArray[np.float32]) -> None:
        array[0] *= 30

    change(model, "w", louder)
    before = model.clone()
    assert adjust_weights(model, samples(model), LITERT_2_3).equalized
    assert_same_outputs(before, model, rtol=1e-4, atol=1e-5)


def test_it_looks_at_a_few_samples_only() -> None:
    model, taken = block(), 0

    def endless() -> Iterator[Sample]:
        nonlocal taken
        while True:
            taken += 1
            yield random_sample(model, taken)

    adjust_weights(model, endless(), LITERT_2_3)
    assert taken == 32


def test_no_samples_and_bad_ones() -> None:
    with pytest.raises(InputError, match="no calibration samples"):
        adjust_weights(block(), [], LITERT_2_3)
    bad = random_sample(block())
    bad["x"][0, 0, 0, 0] = np.nan
    with pytest.raises(InputError, match="is NaN or infinite on calibration sample 0"):
        adjust_weights(block(), [bad], LITERT_2_3)


def test_the_log_is_empty_where_there_is_nothing_to_do() -> None:
    model = model_from_text("g (float[1,4] x) => (float[1,4] y) { y = Relu(x) }")
    assert adjust_weights(model, samples(model), LITERT_2_3) == AdjustLog()
