"""What each calibrator would give: all of them side by side, from the statistics of one pass."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx_ir as ir

from mobiledeploy.quantize.calibrate.choose_ranges import fixed_params, plan_ranges
from mobiledeploy.quantize.calibrate.histogram import Histogram
from mobiledeploy.quantize.calibrate.ranges import METHODS
from mobiledeploy.quantize.calibrate.widen_ranges import fit_scales
from mobiledeploy.quantize.qdq.plan import Plan
from mobiledeploy.quantize.qdq.trials import Trials
from mobiledeploy.runtime.runtimes import Sample
from mobiledeploy.runtime.targets import Target
from mobiledeploy.verify.metrics import compare

__all__ = ["CalibratorScore", "compare_calibrators"]


@dataclass(frozen=True)
class CalibratorScore:
    """What the ranges of one calibrator give.

    Attributes:
        calibrator: Its name.
        output: The output that lost most.
        sqnr_db: Of that output of the QDQ graph against the float one, before biases are corrected.
        gain_db: Against the calibrator that was chosen: mean of the samples, each with its own SQNR.
        gain_error_db: Standard error of that mean; None for a single sample.
        samples: How many inputs that was measured on.
    """

    calibrator: str
    output: str
    sqnr_db: float
    gain_db: float
    gain_error_db: float | None
    samples: int


def compare_calibrators(
    model: ir.Model,
    plan: Plan,
    chosen: str,
    statistics: Sequence[Histogram],
    samples: Sequence[Sample],
    target: Target,
    on_calibrator: Callable[[], Any] = lambda: None,
) -> list[CalibratorScore]:
    """Measure the calibrator that was chosen and every method of ``METHODS``.

    Args:
        model: The float graph, rewritten for the target; it is not changed.
        plan: For that graph, with the ranges of the calibrator that was chosen.
        chosen: Its name.
        statistics: One histogram for each group of values.
        samples: Not those of the calibration; they stay in memory.
        on_calibrator: Called after each.

    Returns:
        The scores, best first.
    """
    trials = Trials(model, plan, samples)
    baseline = trials.sqnr_db(plan.activations)
    scores = []
    for name in dict.fromkeys([chosen, *METHODS]):
        tried = plan if name == chosen else _planned(model, plan, name, statistics, target)
        gains = trials.sqnr_db(tried.activations) - baseline
        output, sqnr_db = _worst_output(trials, tried)
        error = float(gains.std(ddof=1) / np.sqrt(len(gains))) if len(gains) > 1 else None
        scores.append(CalibratorScore(name, output, sqnr_db, float(gains.mean()), error, len(gains)))
        on_calibrator()
    return sorted(scores, key=lambda score: -score.gain_db)


def _planned(
    model: ir.Model, plan: Plan, method: str, statistics: Sequence[Histogram], target: Target
) -> Plan:
    """The plan with the ranges of another method, widened as the target wants them."""
    other = plan_ranges(plan.points, statistics, method)
    other.weights = plan.weights
    fit_scales(model.graph, other, fixed_params(plan.points), target)
    return other


def _worst_output(trials: Trials, plan: Plan) -> tuple[str, float]:
    """The output of least SQNR over all samples, and that SQNR."""
    found = trials.run(plan.activations)
    sqnr_db = {
        name: compare([each[name] for each in trials.wanted], [each[name] for each in found]).sqnr_db
        for name in trials.wanted[0]
    }
    worst = min(sqnr_db, key=sqnr_db.__getitem__)
    return worst, sqnr_db[worst]
