"""Trials: what a graph that was written with those ranges would compute."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest

from mobiledeploy.exporters.rewrites.stages import rewrite_for_target
from mobiledeploy.exporters.tflite.lowerings.registry import has_int8_form
from mobiledeploy.quantize.calibrate.choose_ranges import plan_ranges
from mobiledeploy.quantize.calibrate.observe import collect_histograms
from mobiledeploy.quantize.qdq.insert_qdq import insert_qdq
from mobiledeploy.quantize.qdq.plan import Plan
from mobiledeploy.quantize.qdq.points import find_points
from mobiledeploy.quantize.qdq.qdq_trials import QdqTrials
from mobiledeploy.runtime.runtimes import OnnxSession, Sample
from mobiledeploy.runtime.targets import LITERT_2_3
from mobiledeploy.testing import model_from_text, random_sample

TEXT = """
    g (float[1,3,8,8] x) => (float[1,8,8,8] y, float[1,8,8,8] z)
    <float[8,3,3,3] w1, float[8] b1, float[8,8,1,1] w2, float[8] b2> {
        c = Conv<pads=[1,1,1,1]>(x, w1, b1)
        h = HardSwish(c)
        y = Conv(h, w2, b2)
        z = Sigmoid(y)
    }"""


@pytest.fixture
def model() -> ir.Model:
    model = model_from_text(TEXT)
    rewrite_for_target(model, LITERT_2_3, "int8")
    return model


@pytest.fixture
def samples(model: ir.Model) -> list[Sample]:
    return [random_sample(model, seed, scale=1.0) for seed in range(4)]


def planned(model: ir.Model, samples: list[Sample], method: str) -> Plan:
    points = find_points(model.graph, LITERT_2_3, has_int8_form)
    statistics = collect_histograms(model, points.groups, samples)
    return plan_ranges(model.graph, points, statistics, method)


@pytest.mark.parametrize("method", ["mse", "moving-average"])
def test_a_trial_computes_what_the_written_graph_does(
    model: ir.Model, samples: list[Sample], method: str
) -> None:
    trials = QdqTrials(model, planned(model, samples, "min-max"), samples)
    tried = planned(model, samples, method)
    found = trials.run(tried.activations)
    written = model.clone()
    insert_qdq(written, tried)
    exact = OnnxSession(written, optimize=False)
    steps = {name: float(np.ptp(trials.wanted[0][name])) / 255 for name in ("y", "z")}
    for sample, outputs in zip(samples, found, strict=True):
        wanted = exact.run(sample)
        for name, step in steps.items():
            # Another order of sums may turn a rounding here and there.
            assert np.mean(np.abs(outputs[name] - wanted[name]) > 0.1 * step) < 0.01


def test_errors_are_those_of_each_sample(model: ir.Model, samples: list[Sample]) -> None:
    plan = planned(model, samples, "mse")
    trials = QdqTrials(model, plan, samples)
    found, errors = trials.run(plan.activations), trials.errors(plan.activations)
    by_output = []
    for name in ("y", "z"):
        wanted = np.stack([outputs[name] for outputs in trials.wanted]).astype(np.float64)
        noise = np.square(np.stack([outputs[name] for outputs in found]) - wanted).sum(axis=(1, 2, 3, 4))
        by_output.append(noise / np.square(wanted).sum() * len(samples))
    np.testing.assert_allclose(errors, np.mean(by_output, axis=0), rtol=1e-5)


def test_the_float_graph_stays_as_it_was(model: ir.Model, samples: list[Sample]) -> None:
    before = ir.to_proto(model).SerializeToString(deterministic=True)
    QdqTrials(model, planned(model, samples, "mse"), samples)
    assert ir.to_proto(model).SerializeToString(deterministic=True) == before
