"""Float ONNX graph, rewritten for the target -> QDQ graph: the visible list of steps."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import onnx_ir as ir

from mobiledeploy.exporters.lowerings.registry import has_int8_form
from mobiledeploy.quantize.calibrate import Sample, collect_histograms
from mobiledeploy.quantize.histogram import Histogram
from mobiledeploy.quantize.insert_qdq import insert_qdq
from mobiledeploy.quantize.op_table import FIXED_OUTPUT
from mobiledeploy.quantize.params import QuantParams, activation_params
from mobiledeploy.quantize.points import QuantizationPoints, find_points
from mobiledeploy.quantize.ranges import METHODS
from mobiledeploy.quantize.recipe import QuantizeRecipe
from mobiledeploy.targets import Target

__all__ = ["quantize_model"]


def quantize_model(
    model: ir.Model,
    samples: Iterable[Sample],
    target: Target,
    recipe: QuantizeRecipe,
    on_sample: Callable[[], Any] = lambda: None,
) -> None:
    """Quantize in place.

    Args:
        samples: Calibration inputs; iterated once, one in memory at a time.
    """
    points = find_points(model.graph, target, has_int8_form)
    histograms = collect_histograms(model, points.values, samples, on_sample)
    insert_qdq(model, points, _activation_params(points, histograms, recipe))


def _activation_params(
    points: QuantizationPoints, histograms: Mapping[ir.Value, Histogram], recipe: QuantizeRecipe
) -> dict[ir.Value, QuantParams]:
    """One set of parameters per group, from what all its members have seen."""
    params: dict[ir.Value, QuantParams] = {}
    for group in points.groups:
        shared = _fixed(group) or _calibrated(group, histograms, recipe)
        params.update(dict.fromkeys(group, shared))
    return params


def _fixed(group: Sequence[ir.Value]) -> QuantParams | None:
    producers = [value.producer() for value in group]
    found = [FIXED_OUTPUT[node.op_type] for node in producers if node and node.op_type in FIXED_OUTPUT]
    return found[0] if found and len(found) == len(group) else None


def _calibrated(
    group: Sequence[ir.Value], histograms: Mapping[ir.Value, Histogram], recipe: QuantizeRecipe
) -> QuantParams:
    seen = Histogram()
    for value in group:
        seen.merge(histograms[value])
    return activation_params(*METHODS[recipe.calibrator](seen))
