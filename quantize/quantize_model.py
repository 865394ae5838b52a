"""Float ONNX graph, rewritten for the target -> QDQ graph: the visible list of steps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import onnx_ir as ir

from mobiledeploy.exporters.lowerings.registry import has_int8_form
from mobiledeploy.exporters.onnx_graph import tidy
from mobiledeploy.progress import SILENT, Progress
from mobiledeploy.quantize.calibrate import collect_histograms
from mobiledeploy.quantize.correct_bias import (
    BiasCorrection,
    add_zero_biases,
    correct_biases,
    correctable_layers,
)
from mobiledeploy.quantize.fit_scales import fit_scales
from mobiledeploy.quantize.histogram import Histogram
from mobiledeploy.quantize.insert_qdq import insert_qdq
from mobiledeploy.quantize.keep_float import keep_float
from mobiledeploy.quantize.mixed_graph import MixedGraph
from mobiledeploy.quantize.op_table import FIXED_OUTPUT, SAME_SCALE
from mobiledeploy.quantize.params import QuantParams, activation_params
from mobiledeploy.quantize.plan import Plan
from mobiledeploy.quantize.points import QuantizationPoints, find_points
from mobiledeploy.quantize.ranges import METHODS
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
        kept_float: Names of the results that stay in float because the recipe says so.
        graph: The network as it was decided about, from which other mixtures of int8 and float can be had.
    """

    widened: list[str]
    biases: list[BiasCorrection]
    kept_float: list[str]
    graph: MixedGraph


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

    Raises:
        InputError: The recipe names a layer that is not there, or the samples are of no use.
    """
    kept_float = keep_float(model.graph, target, recipe.keep_float)
    add_zero_biases(model)
    points = find_points(model.graph, target, has_int8_form)
    with progress.step("calibrate", len(samples)) as advance:
        histograms = collect_histograms(model, points.values, samples, advance)
    fixed = {value: shared for group in points.groups if (shared := _fixed(group)) for value in group}
    plan = Plan(points, {**_calibrated(points, histograms, recipe), **fixed})
    widened = fit_scales(model.graph, plan, fixed, target)
    reference = model.clone()
    graph = MixedGraph(reference, model, plan, target)
    insert_qdq(model, plan)
    tidy(model)
    biases: list[BiasCorrection] = []
    if recipe.correct_bias:
        with progress.step("correct biases", len(correctable_layers(model))) as advance:
            biases = correct_biases(model, reference, samples, advance)
        graph.take_biases(model)
    return QuantizationLog(widened, biases, kept_float, graph)


def _fixed(group: Sequence[ir.Value]) -> QuantParams | None:
    """The parameters that the ops which compute a group's values demand, if all of them demand the same."""
    sources = [value.producer() for value in group]
    demands = {
        FIXED_OUTPUT.get(node.op_type) if node else None
        for node in sources
        if node is None or node.op_type not in SAME_SCALE
    }
    return demands.pop() if len(demands) == 1 else None


def _calibrated(
    points: QuantizationPoints, histograms: Mapping[ir.Value, Histogram], recipe: QuantizeRecipe
) -> dict[ir.Value, QuantParams]:
    """One set of parameters per group, from what all its members have seen."""
    params: dict[ir.Value, QuantParams] = {}
    for group in points.groups:
        seen = Histogram()
        for value in group:
            seen.merge(histograms[value])
        params.update(dict.fromkeys(group, activation_params(*METHODS[recipe.calibrator](seen))))
    return params
