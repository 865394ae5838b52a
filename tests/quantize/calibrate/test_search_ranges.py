"""The search: a range that costs much at the output is found, the target's limits hold, runs agree."""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType

import numpy as np
import onnx_ir as ir
import pytest

from mobiledeploy.exporters.rewrites.stages import rewrite_for_target
from mobiledeploy.exporters.tflite.lowerings.registry import has_int8_form
from mobiledeploy.quantize.calibrate.choose_ranges import plan_ranges
from mobiledeploy.quantize.calibrate.histogram import Histogram
from mobiledeploy.quantize.calibrate.observe import collect_histograms
from mobiledeploy.quantize.calibrate.search_ranges import START, search_ranges
from mobiledeploy.quantize.qdq.plan import Plan
from mobiledeploy.quantize.qdq.points import find_points
from mobiledeploy.quantize.qdq.qdq_trials import QdqTrials
from mobiledeploy.runtime.runtimes import Sample
from mobiledeploy.runtime.targets import LITERT_2_3, OpUse
from mobiledeploy.testing import model_from_text, random_sample

# The first channel is loud and nothing reads it: what serves h best is not what serves y best.
TEXT = """
    g (float[1,4,8,8] x) => (float[1,4,8,8] y) <float[4,4,1,1] w, float[4,4,1,1] v> {
        c = Conv(x, w)
        h = Relu(c)
        y = Conv(h, v)
    }"""


@pytest.fixture
def model() -> ir.Model:
    same = np.eye(4)[:, :, None, None]
    model = model_from_text(TEXT, w=same, v=same * np.array([0, 1, 1, 1])[None, :, None, None])
    rewrite_for_target(model, LITERT_2_3, "int8")
    return model


@pytest.fixture
def samples(model: ir.Model) -> list[Sample]:
    """The first is quiet, and the moving average begins with it."""
    found = [random_sample(model, seed, scale=1.0) for seed in range(16)]
    for sample in found[1:]:
        sample["x"][:, 0] *= 30
    return found


def planned(model: ir.Model, samples: list[Sample]) -> tuple[Plan, list[Histogram]]:
    points = find_points(model.graph, LITERT_2_3, has_int8_form)
    statistics = collect_histograms(model, points.groups, samples)
    return plan_ranges(model.graph, points, statistics, START), statistics


def test_the_error_at_the_output_decides(model: ir.Model, samples: list[Sample]) -> None:
    plan, statistics = planned(model, samples)
    trials = QdqTrials(model, plan, samples)
    before = trials.errors(plan.activations)
    search = search_ranges(model, plan, statistics, samples, LITERT_2_3)
    after = trials.errors(plan.activations)
    assert after.mean() < 0.2 * before.mean()
    assert sum(search.methods.values()) == len(plan.points.groups)
    changed = {choice.values[0]: choice for choice in search.changed}
    assert changed["h"].method == "moving-average"
    gains = [choice.gain_db for choice in search.changed]
    assert sum(gains) == pytest.approx(10 * np.log10(before / after).mean(), abs=1e-3)
    for name, choice in changed.items():
        params = plan.activations[name]
        assert (choice.low, choice.high) == (params.low, params.high)


def test_two_searches_agree(model: ir.Model, samples: list[Sample]) -> None:
    found = []
    for _ in range(2):
        plan, statistics = planned(model, samples)
        found.append(search_ranges(model, plan, statistics, samples, LITERT_2_3))
    assert found[0] == found[1]


def test_ranges_that_the_target_refuses_are_not_taken(model: ir.Model, samples: list[Sample]) -> None:
    start, statistics = planned(model, samples)
    limit = min(float(params.scale[0]) for name, params in start.activations.items() if name != "y")

    def too_fine(use: OpUse) -> str | None:
        return "too fine" if use.input_scales[0] < limit else None

    entry = replace(LITERT_2_3.ops["CONV_2D"], conditions=(too_fine,))
    strict = replace(LITERT_2_3, ops=MappingProxyType({**LITERT_2_3.ops, "CONV_2D": entry}))
    search_ranges(model, start, statistics, samples, strict)
    assert all(params.scale[0] >= limit for name, params in start.activations.items() if name != "y")
