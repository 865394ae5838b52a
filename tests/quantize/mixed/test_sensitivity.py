"""The layer whose rounding costs the output the most is found, by both measures."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest

from mobiledeploy.quantize.mixed.mixed_graph import MixedGraph
from mobiledeploy.quantize.mixed.mixed_precision import LayerSearch
from mobiledeploy.quantize.mixed.sensitivity import OutputNoise, Sensitivity, measure_sensitivity
from mobiledeploy.quantize.quantize_model import quantize_model
from mobiledeploy.quantize.recipe import QuantizeRecipe
from mobiledeploy.runtime.runtimes import OnnxSession, Sample
from mobiledeploy.runtime.targets import LITERT_2_3
from mobiledeploy.tasks.classification import TopOneLost
from mobiledeploy.testing import model_from_text, random_sample
from mobiledeploy.verify.thresholds import AccuracyBudget

# The weights of "wide" span three orders of magnitude between its inputs; "tame" undoes it.
TEXT = """g (float[1,8] x) => (float[1,6] y)
    <float[16,8] w1, float[16,16] w2, float[16,16] w3, float[6,16] w4> {
        first = Gemm<transB=1>(x, w1)
        wide = Gemm<transB=1>(first, w2)
        tame = Gemm<transB=1>(wide, w3)
        y = Gemm<transB=1>(tame, w4)
    }"""
SPREAD = np.where(np.arange(16) < 2, 60.0, 1.0)


@pytest.fixture(scope="module")
def network() -> tuple[ir.Model, MixedGraph, list[Sample]]:
    rng = np.random.default_rng(0)
    w2, w3 = rng.normal(size=(16, 16)) / 4, rng.normal(size=(16, 16)) / 4
    model = model_from_text(TEXT, w2=w2 * SPREAD[:, None], w3=w3 / SPREAD)
    before = model.clone()
    samples = [random_sample(model, seed) for seed in range(16)]
    recipe = QuantizeRecipe(calibrator="min-max", equalize=False, correct_bias=False)
    return before, quantize_model(model, samples, LITERT_2_3, recipe).graph, samples


@pytest.fixture(scope="module")
def found(network: tuple[ir.Model, MixedGraph, list[Sample]]) -> Sensitivity:
    model, graph, samples = network
    calls: list[int] = []
    found = measure_sensitivity(graph, OutputNoise(model, samples), lambda: calls.append(1))
    assert len(calls) == len(graph.roundings()) + len(found.layers)
    return found


def test_the_layers_around_the_wide_range_stand_out(found: Sensitivity) -> None:
    worst = sorted(found.layers, key=lambda each: each.alone_db)[:2]
    assert {each.layer for each in worst} == {"wide", "tame"}
    assert worst[1].alone_db < min(each.alone_db for each in found.layers if each not in worst) - 6
    assert all(each.cost > 1 for each in found.layers)


def test_noise_adds_up(network: tuple[ir.Model, MixedGraph, list[Sample]], found: Sensitivity) -> None:
    model, graph, samples = network
    error = OutputNoise(model, samples)
    names = [layer.name for layer in graph.layers]
    for in_int8 in (names, ["first", "tame"], ["wide"]):
        in_float = [layer for layer in graph.layers if layer.name not in in_int8]
        measured = error.mean_sqnr_db(OnnxSession(graph.to_qdq(in_float), optimize=False))
        told = -10 * np.log10(sum(found.shares(in_int8).values()))
        assert told == pytest.approx(measured, abs=1.5)


def test_a_budget_in_db_takes_those_layers_and_no_others(
    network: tuple[ir.Model, MixedGraph, list[Sample]], found: Sensitivity
) -> None:
    model, graph, samples = network
    error = OutputNoise(model, samples)
    as_is = error.sqnr_db(OnnxSession(graph.to_qdq(), optimize=False))
    search = LayerSearch(graph, AccuracyBudget(sqnr_db=as_is + 8), error, None)
    assert not search.kept_in_int8() and not search.layers
    search.run(found)
    layers, record = search.layers, search.record
    assert [layer.name for layer in layers] == record.layers == ["wide", "tame"] and record.met
    assert record.steps[0].in_float == 0 and record.steps[0].cost == 1
    assert record.steps[0].sqnr_db == pytest.approx(as_is)
    assert record.measured_on.startswith("dB of SQNR")
    written = OnnxSession(graph.to_qdq(layers), optimize=False)
    assert error.sqnr_db(written) >= as_is + 8
    assert search.checked(written).failure is None
    failure = search.checked(OnnxSession(graph.to_qdq(), optimize=False)).failure
    assert failure is not None and f"demanded is SQNR of at least {as_is + 8:g} dB" in failure


def test_a_budget_that_int8_keeps_leaves_everything_in_int8(
    network: tuple[ir.Model, MixedGraph, list[Sample]],
) -> None:
    model, graph, samples = network
    search = LayerSearch(graph, AccuracyBudget(sqnr_db=5), OutputNoise(model, samples))
    assert search.kept_in_int8() and not search.layers
    assert search.record.met and not search.record.keep_float and len(search.record.steps) == 1


def test_a_budget_in_points_is_kept_on_what_it_is_measured_on(
    network: tuple[ir.Model, MixedGraph, list[Sample]], found: Sensitivity
) -> None:
    model, graph, samples = network
    many = [random_sample(model, seed) for seed in range(300)]
    meter = TopOneLost(OnnxSession(model), many, None, "inputs")
    search = LayerSearch(graph, AccuracyBudget(points=1.0), OutputNoise(model, samples), meter)
    assert not search.kept_in_int8()
    search.run(found)
    layers, record = search.layers, search.record
    assert record.steps[0].lost_points is not None and record.steps[0].lost_points > 1.0
    assert 0 < len(layers) < 4
    assert meter.lost_points(OnnxSession(graph.to_qdq(layers), optimize=False)) <= 1.0
    assert "no labels" in record.measured_on and "on 300 inputs" in record.measured_on
