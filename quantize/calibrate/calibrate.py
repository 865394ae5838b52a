"""From a float graph and samples to a plan: the steps of calibration."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import onnx_ir as ir

from mobiledeploy.base.progress import SILENT, Progress
from mobiledeploy.exporters.tflite.lowerings.registry import has_integer_form
from mobiledeploy.quantize.calibrate.calibrators import SEARCH
from mobiledeploy.quantize.calibrate.choose_ranges import plan_ranges
from mobiledeploy.quantize.calibrate.observe import collect_histograms
from mobiledeploy.quantize.calibrate.search_ranges import START, RangeSearch, search_ranges
from mobiledeploy.quantize.calibrate.statistics_cache import StatisticsCache
from mobiledeploy.quantize.calibrate.widen_ranges import widen_ranges
from mobiledeploy.quantize.qdq.plan import INT8, Plan
from mobiledeploy.quantize.qdq.points import find_points
from mobiledeploy.runtime.runtimes import Sample
from mobiledeploy.runtime.targets import Target

__all__ = ["Calibrated", "calibrate"]

_SEARCH_SAMPLES = 32


@dataclass(frozen=True)
class Calibrated:
    """A plan, and how it came about.

    Attributes:
        plan: Ranges of all values that are quantized, as parameters.
        widened: One line for each range that was widened so that the target takes the op.
        search: Which method chose which range; None where one method chose all of them.
    """

    plan: Plan
    widened: list[str]
    search: RangeSearch | None


def calibrate(
    model: ir.Model,
    samples: Sequence[Sample],
    target: Target,
    calibrator: str,
    dtype: np.dtype[Any] = INT8,
    progress: Progress = SILENT,
    cache: StatisticsCache | None = None,
) -> Calibrated:
    """Plan the quantization of a float graph that has been rewritten for the target; it is not changed.

    Args:
        samples: Calibration inputs.
        calibrator: One of ``CALIBRATORS``.
        dtype: Type of the activations, int8 or int16.
        progress: Shows each step.
        cache: Keeps statistics of these very samples.

    Raises:
        InputError: The samples are no use, or the calibrator gives no range for what was seen.
    """
    points = find_points(model.graph, target, partial(has_integer_form, dtype=dtype))
    with progress.step("calibrate", len(samples)) as advance:
        statistics = collect_histograms(model, points.groups, samples, advance, cache)
    searching = calibrator == SEARCH
    plan = plan_ranges(model.graph, points, statistics, START if searching else calibrator, dtype)
    widened = widen_ranges(model.graph, plan, target) if dtype == INT8 else []
    search: RangeSearch | None = None
    if searching:
        with progress.step("search ranges", len(points.groups)) as advance:
            search = search_ranges(model, plan, statistics, samples[:_SEARCH_SAMPLES], target, advance)
    return Calibrated(plan, widened, search)
