"""What each calibrator would give: all of them side by side, from the statistics of one pass."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import onnx_ir as ir

from mobiledeploy.metrics import compare
from mobiledeploy.quantize.choose_ranges import fixed_params, plan_ranges
from mobiledeploy.quantize.fit_scales import fit_scales
from mobiledeploy.quantize.histogram import Histogram
from mobiledeploy.quantize.plan import Plan
from mobiledeploy.quantize.ranges import METHODS
from mobiledeploy.quantize.trials import Trials
from mobiledeploy.runtimes import Sample
from mobiledeploy.targets import Target

__all__ = ["CalibratorScore", "compare_calibrators"]


@dataclass(frozen=True)
class CalibratorScore:
    """What the ranges of one calibrator give.

    Attributes:
        calibrator: Its name.
        output: The output that lost most.
        sqnr_db: Of that output of the QDQ graph against the float one, before biases are corrected.
        samples: How many inputs that was measured on.
    """

    calibrator: str
    output: str
    sqnr_db: float
    samples: int


def compare_calibrators(
    model: ir.Model,
    plan: Plan,
    statistics: Sequence[Histogram],
    samples: Sequence[Sample],
    target: Target,
    others: Mapping[str, Plan] | None = None,
    on_calibrator: Callable[[], Any] = lambda: None,
) -> list[CalibratorScore]:
    """Measure every method of ``METHODS``, each with its ranges widened as the target wants them.

    Args:
        model: The float graph, rewritten for the target; it is not changed.
        plan: Any for that graph; its weights count.
        statistics: One histogram for each group of values.
        samples: Not those of the calibration; they stay in memory.
        others: More plans to compare, by name.
        on_calibrator: Called after each.

    Returns:
        The scores, best first.
    """
    trials, fixed = Trials(model, plan, samples), fixed_params(plan.points)
    plans = dict(others or {})
    for method in METHODS:
        plans[method] = plan_ranges(plan.points, statistics, method)
        plans[method].weights = plan.weights
        fit_scales(model.graph, plans[method], fixed, target)
    scores = []
    for name, each in plans.items():
        scores.append(_score(name, trials, each))
        on_calibrator()
    return sorted(scores, key=lambda score: -score.sqnr_db)


def _score(name: str, trials: Trials, plan: Plan) -> CalibratorScore:
    found = trials.run(plan.activations)
    sqnr_db = {
        output: compare(
            [outputs[output] for outputs in trials.wanted], [outputs[output] for outputs in found]
        ).sqnr_db
        for output in trials.wanted[0]
    }
    worst = min(sqnr_db, key=sqnr_db.__getitem__)
    return CalibratorScore(name, worst, sqnr_db[worst], len(found))
