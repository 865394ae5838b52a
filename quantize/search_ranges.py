"""The calibration method of each group of values, chosen by the error that it makes at the outputs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from mobiledeploy.quantize.choose_ranges import fixed_params
from mobiledeploy.quantize.fit_scales import refused
from mobiledeploy.quantize.histogram import Histogram
from mobiledeploy.quantize.params import QuantParams, activation_params
from mobiledeploy.quantize.plan import Plan
from mobiledeploy.quantize.ranges import METHODS
from mobiledeploy.quantize.trials import Trials
from mobiledeploy.runtimes import Sample
from mobiledeploy.targets import Target

__all__ = ["START", "RangeChoice", "search_ranges"]

START = "mse"
"""The method that all groups start from."""

# A method must win by more than this many standard errors of its gain, or the search would learn its samples
# by heart: hundreds of trials on a few samples find something that is better on these by chance.
_SURE = 1.0

Chosen = Callable[[], Any]
Params = Mapping[ir.Value, QuantParams]


@dataclass(frozen=True)
class RangeChoice:
    """A group whose range another method chose.

    Attributes:
        values: Names of its members.
        method: What chose the range.
        low: The smallest real number that int8 can hold there.
        high: The largest.
        gain_db: How much less error that made at the output, given all that was chosen before.
    """

    values: list[str]
    method: str
    low: float
    high: float
    gain_db: float


def search_ranges(
    model: ir.Model,
    plan: Plan,
    statistics: Sequence[Histogram],
    samples: Sequence[Sample],
    target: Target,
    on_group: Chosen = lambda: None,
) -> list[RangeChoice]:
    """Change a plan in place: group by group, in graph order, the method of least error at the output.

    Each method's range is tried with all else as it stands, on all samples, against the outputs in float.
    Ranges that the target would refuse are not tried. A second round goes over the groups that changed.

    Args:
        model: The float graph, rewritten for the target.
        plan: With ranges of the method ``START``, which the target takes.
        statistics: One histogram for each group.
        samples: 16 or more; they stay in memory.
        on_group: Called once for each group.

    Returns:
        The groups that no longer have what they started with, in graph order.
    """
    trials = Trials(model, plan, samples)
    search = _Search(model, plan, trials, target)
    fixed = fixed_params(plan.points)
    candidates: dict[int, dict[str, QuantParams]] = {}
    for place, (group, histogram) in enumerate(zip(plan.points.groups, statistics, strict=True)):
        if group[0] not in fixed:
            candidates[place] = {START: plan.activations[group[0]]} | {
                name: activation_params(*method(histogram))
                for name, method in METHODS.items()
                if name != START
            }
            search.improve(place, candidates[place])
        on_group()
    for place in sorted(search.choices):
        search.improve(place, candidates[place])
    return [choice for _, choice in sorted(search.choices.items())]


class _Search:
    def __init__(self, model: ir.Model, plan: Plan, trials: Trials, target: Target) -> None:
        self._graph, self._plan, self._trials, self._target = model.graph, plan, trials, target
        self._refused = refused(model.graph, plan, target)
        self._errors = trials.errors(plan.activations)
        self.choices: dict[int, RangeChoice] = {}

    def improve(self, place: int, candidates: Mapping[str, QuantParams]) -> None:
        """Give a group the candidate of least error, if that is surely less than it has now."""
        group = self._plan.points.groups[place]
        tried = [
            (self._trials.errors(self._with(group, params)), method, params)
            for method, params in self._untried(group, candidates)
        ]
        if not tried:
            return
        errors, method, params = min(tried, key=lambda trial: float(trial[0].mean()))
        if not _surely_less(errors, self._errors):
            return
        gain_db = 10 * float(np.log10(self._errors.mean() / max(errors.mean(), 1e-30)))
        self._plan.activations.update(dict.fromkeys(group, params))
        self._errors = errors
        names = [value.name or "" for value in group]
        self.choices[place] = RangeChoice(names, method, params.low, params.high, gain_db)
        if method == START:
            del self.choices[place]

    def _untried(
        self, group: Sequence[ir.Value], candidates: Mapping[str, QuantParams]
    ) -> Iterator[tuple[str, QuantParams]]:
        """What differs from what the group has and from each other, and what the target takes."""
        seen = [self._plan.activations[group[0]]]
        for method, params in candidates.items():
            if any(params.same_as(other) for other in seen):
                continue
            seen.append(params)
            trial = Plan(self._plan.points, dict(self._with(group, params)), self._plan.weights)
            if refused(self._graph, trial, self._target) <= self._refused:
                yield method, params

    def _with(self, group: Sequence[ir.Value], params: QuantParams) -> Params:
        return {**self._plan.activations, **dict.fromkeys(group, params)}


def _surely_less(errors: NDArray[np.float64], than: NDArray[np.float64]) -> bool:
    gain = than - errors
    noise = float(gain.std(ddof=1)) / np.sqrt(len(gain)) if len(gain) > 1 else 0.0
    return bool(gain.mean() > _SURE * noise)
