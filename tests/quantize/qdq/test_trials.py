"""Trials: what a graph that was written with those ranges would compute."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest

from mobiledeploy.exporters.rewrites.stages import rewrite_for_target
from mobiledeploy.exporters.tflite.lowerings.registry import has_int8_form
from mobiledeploy.quantize.calibrate.calibrate import collect_histograms
from mobiledeploy.quantize.calibrate.choose_ranges import merged_by_group, plan_ranges
from mobiledeploy.quantize.calibrate.histogram import Histogram
from mobiledeploy.quantize.qdq.insert_qdq import insert_qdq
from mobiledeploy.quantize.qdq.plan import Plan
from mobiledeploy.quantize.qdq.points import QuantizationPoints, find_points
from mobiledeploy.quantize.qdq.trials import Trials
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


def calibrated(model: ir.Model, samples: list[Sample]) -> tuple[QuantizationPoints, list[Histogram]]:
    points = find_points(model.graph, LITERT_2_3, has_int8_form)
    return points, merged_by_group(points, collect_histograms(model, points.values, samples))


@pytest.mark.parametrize("method", ["mse", "moving-average"])
def test_a_trial_computes_what_the_written_graph_does(
    model: ir.Model, samples: list[Sample], method: str
) -> None:
    points, statistics = calibrated(model, samples)
    trials = Trials(model, plan_ranges(points, statistics, "min-max"), samples)
    tried = plan_ranges(points, statistics, method)
    found = trials.run(tried.activations)
    written = model.clone()
    insert_qdq(*planned_on(written, samples, method))
    exact = OnnxSession(written, optimize=False)
    steps = {name: float(np.ptp(trials.wanted[0][name])) / 255 for name in ("y", "z")}
    for sample, outputs in zip(samples, found, strict=True):
        wanted = exact.run(sample)
        for name, step in steps.items():
            # Another order of sums may turn a rounding here and there.
            assert np.mean(np.abs(outputs[name] - wanted[name]) > 0.1 * step) < 0.01


def planned_on(model: ir.Model, samples: list[Sample], method: str) -> tuple[ir.Model, Plan]:
    points, statistics = calibrated(model, samples)
    return model, plan_ranges(points, statistics, method)


def test_errors_are_those_of_each_sample(model: ir.Model, samples: list[Sample]) -> None:
    points, statistics = calibrated(model, samples)
    plan = plan_ranges(points, statistics, "mse")
    trials = Trials(model, plan, samples)
    found, errors = trials.run(plan.activations), trials.errors(plan.activations)
    by_output = []
    for name in ("y", "z"):
        wanted = np.stack([outputs[name] for outputs in trials.wanted]).astype(np.float64)
        noise = np.square(np.stack([outputs[name] for outputs in found]) - wanted).sum(axis=(1, 2, 3, 4))
        by_output.append(noise / np.square(wanted).sum() * len(samples))
    np.testing.assert_allclose(errors, np.mean(by_output, axis=0), rtol=1e-5)


def test_the_float_graph_stays_as_it_was(model: ir.Model, samples: list[Sample]) -> None:
    before = ir.to_proto(model).SerializeToString(deterministic=True)
    points, statistics = calibrated(model, samples)
    Trials(model, plan_ranges(points, statistics, "mse"), samples)
    assert ir.to_proto(model).SerializeToString(deterministic=True) == before
