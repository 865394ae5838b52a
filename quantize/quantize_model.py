"""Float ONNX graph, rewritten for the target -> QDQ graph: the visible list of steps."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import onnx_ir as ir

from mobiledeploy.exporters.lowerings.registry import has_integer_form
from mobiledeploy.exporters.onnx_graph import tidy
from mobiledeploy.quantize.calibrate import collect_histograms
from mobiledeploy.quantize.fit_scales import fit_scales
from mobiledeploy.quantize.histogram import Histogram
from mobiledeploy.quantize.insert_qdq import insert_qdq
from mobiledeploy.quantize.op_table import SAME_SCALE, fixed_output
from mobiledeploy.quantize.params import QuantParams, activation_params
from mobiledeploy.quantize.plan import Plan
from mobiledeploy.quantize.points import QuantizationPoints, find_points
from mobiledeploy.quantize.ranges import METHODS
from mobiledeploy.quantize.recipe import QuantizeRecipe
from mobiledeploy.runtimes import Sample
from mobiledeploy.targets import Target

__all__ = ["quantize_model"]


def quantize_model(
    model: ir.Model,
    samples: Iterable[Sample],
    target: Target,
    recipe: QuantizeRecipe,
    on_sample: Callable[[], Any] = lambda: None,
) -> list[str]:
    """Quantize in place.

    Args:
        samples: Calibration inputs; iterated once, one in memory at a time.

    Returns:
        One line for each range that was widened so that the target takes the op.
    """
    dtype = recipe.dtype
    points = find_points(model.graph, target, lambda node: has_integer_form(node, dtype))
    histograms = collect_histograms(model, points.values, samples, on_sample)
    fixed = {value: shared for group in points.groups if (shared := _fixed(group, dtype)) for value in group}
    plan = Plan(points, {**_calibrated(points, histograms, recipe), **fixed})
    widened = fit_scales(model.graph, plan, fixed, target) if target.delegates_any(recipe.activations) else []
    insert_qdq(model, plan)
    tidy(model)
    return widened


def _fixed(group: Sequence[ir.Value], dtype: np.dtype[Any]) -> QuantParams | None:
    """The parameters that the ops which compute a group's values demand, if all of them demand the same."""
    sources = [value.producer() for value in group]
    demands = {
        fixed_output(node.op_type, dtype) if node else None
        for node in sources
        if node is None or node.op_type not in SAME_SCALE
    }
    return demands.pop() if len(demands) == 1 else None


def _calibrated(
    points: QuantizationPoints, histograms: Mapping[ir.Value, Histogram], recipe: QuantizeRecipe
) -> dict[ir.Value, QuantParams]:
    """One set of parameters per group, from what all its members have seen."""
    params: dict[ir.Value, QuantParams] = {}
    method = METHODS["min-max" if recipe.activations == "int16" else recipe.calibrator]
    for group in points.groups:
        seen = Histogram()
        for value in group:
            seen.merge(histograms[value])
        params.update(dict.fromkeys(group, activation_params(*method(seen), recipe.dtype)))
    return params
