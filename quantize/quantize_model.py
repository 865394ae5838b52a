"""Float ONNX graph, rewritten for the target -> QDQ graph: the visible list of steps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from mobiledeploy.base.progress import SILENT, Progress
from mobiledeploy.graph.onnx_graph import tidy
from mobiledeploy.quantize.calibrate.calibrate import calibrate
from mobiledeploy.quantize.calibrate.search_ranges import RangeSearch
from mobiledeploy.quantize.calibrate.statistics_cache import StatisticsCache
from mobiledeploy.quantize.mixed.mixed_graph import MixedGraph
from mobiledeploy.quantize.qdq.insert_qdq import insert_qdq
from mobiledeploy.quantize.qdq.keep_float import keep_float
from mobiledeploy.quantize.recipe import QuantizeRecipe
from mobiledeploy.quantize.weights.adjust_weights import AdjustLog, adjust_weights
from mobiledeploy.quantize.weights.correct_bias import (
    BiasCorrection,
    add_zero_biases,
    copy_biases,
    correct_biases,
)
from mobiledeploy.runtime.runtimes import Sample
from mobiledeploy.runtime.targets import Target

__all__ = ["Quantized", "quantize_model"]


@dataclass(frozen=True)
class Quantized:
    """What came of quantizing a graph.

    Attributes:
        graph: The network as it was decided about, from which other mixtures of int8 and float can be had.
        adjusted: What was done to weights before rounding.
        kept: Names of the results that stay in float because the recipe says so.
        widened: One line for each range that was widened so that the target takes the op.
        reconstruction: What high effort did, a line each; empty without it.
        biases: How far bias correction moved each layer; empty when it was off.
        search: Which method chose which range; None where one method chose all of them.
    """

    graph: MixedGraph
    adjusted: AdjustLog
    kept: list[str]
    widened: list[str]
    reconstruction: list[str]
    biases: list[BiasCorrection]
    search: RangeSearch | None


def quantize_model(
    model: ir.Model,
    samples: Sequence[Sample],
    target: Target,
    recipe: QuantizeRecipe,
    progress: Progress = SILENT,
    cache: StatisticsCache | None = None,
) -> Quantized:
    """Quantize in place.

    Args:
        samples: Calibration inputs.
        progress: Shows each step.
        cache: Keeps statistics of these very samples; they are not kept without one.

    Raises:
        InputError: The recipe names a layer that is not there, or the samples are no use.
    """
    adjusted = AdjustLog()
    if recipe.equalize and recipe.dtype == np.int8:  # steps of int16 are fine enough for any channel
        with progress.step("adjust weights"):
            adjusted = adjust_weights(model, samples, target)
    add_zero_biases(model)
    kept = keep_float(model.graph, target, recipe.keep_float)
    calibrated = calibrate(model, samples, target, recipe.method, recipe.dtype, progress, cache)
    plan, exact = calibrated.plan, model.clone()
    biases: list[BiasCorrection] = []
    if recipe.correct_bias:
        draft = model.clone()
        insert_qdq(draft, plan)
        biases = correct_biases(draft, exact, samples, progress)
        copy_biases(draft, model)
    reconstruction: list[str] = []
    if recipe.reconstructs:
        from mobiledeploy.quantize.learn.reconstruct import ReconstructSettings, reconstruct

        settings = ReconstructSettings(seed=recipe.seed)
        reconstruction = reconstruct(model, exact, plan, samples, target, settings, progress)
    graph = MixedGraph(exact, model, plan, target)
    insert_qdq(model, plan)
    tidy(model)
    return Quantized(graph, adjusted, kept, calibrated.widened, reconstruction, biases, calibrated.search)
