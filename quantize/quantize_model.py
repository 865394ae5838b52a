"""Float ONNX graph, rewritten for the target -> QDQ graph: the visible list of steps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import onnx_ir as ir

from mobiledeploy.exporters.lowerings.registry import has_integer_form
from mobiledeploy.exporters.onnx_graph import tidy
from mobiledeploy.progress import SILENT, Progress
from mobiledeploy.quantize.calibrate import collect_histograms
from mobiledeploy.quantize.choose_ranges import fixed_params, merged_by_group, plan_ranges
from mobiledeploy.quantize.correct_bias import (
    BiasCorrection,
    add_zero_biases,
    correct_biases,
    correctable_layers,
)
from mobiledeploy.quantize.fit_scales import fit_scales
from mobiledeploy.quantize.insert_qdq import insert_qdq
from mobiledeploy.quantize.points import find_points
from mobiledeploy.quantize.recipe import QuantizeRecipe
from mobiledeploy.runtimes import Sample
from mobiledeploy.targets import Target

__all__ = ["QuantizationLog", "quantize_model"]


@dataclass(frozen=True)
class QuantizationLog:
    """What the steps did, for the report.

    Attributes:
        widened: One line for each range that was widened so that the target takes the op.
        biases: How far bias correction moved each layer; empty when it was off.
    """

    widened: list[str]
    biases: list[BiasCorrection]


def quantize_model(
    model: ir.Model,
    samples: Sequence[Sample],
    target: Target,
    recipe: QuantizeRecipe,
    progress: Progress = SILENT,
) -> QuantizationLog:
    """Quantize in place.

    Args:
        samples: Calibration inputs.
        progress: Told of each step.
    """
    dtype = recipe.dtype
    add_zero_biases(model)
    points = find_points(model.graph, target, lambda node: has_integer_form(node, dtype))
    with progress.step("calibrate", len(samples)) as advance:
        histograms = collect_histograms(model, points.values, samples, advance)
    plan = plan_ranges(points, merged_by_group(points, histograms), recipe.method, dtype)
    widened: list[str] = []
    if target.delegates_any(recipe.activations):
        widened = fit_scales(model.graph, plan, fixed_params(points, dtype), target)
    reference = model.clone()
    insert_qdq(model, plan)
    tidy(model)
    biases: list[BiasCorrection] = []
    if recipe.correct_bias:
        with progress.step("correct biases", len(correctable_layers(model))) as advance:
            biases = correct_biases(model, reference, samples, advance)
    return QuantizationLog(widened, biases)
