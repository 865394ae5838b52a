"""The calibration method of each group of values, chosen by the error that it makes at the outputs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from mobiledeploy.graph.params import QuantParams
from mobiledeploy.quantize.calibrate.calibrators import DEFAULT_CALIBRATOR
from mobiledeploy.quantize.calibrate.choose_ranges import params_by
from mobiledeploy.quantize.calibrate.histogram import Histogram
from mobiledeploy.quantize.calibrate.ranges import methods
from mobiledeploy.quantize.calibrate.widen_ranges import refused
from mobiledeploy.quantize.qdq.plan import Plan
from mobiledeploy.quantize.qdq.qdq_trials import QdqTrials
from mobiledeploy.runtime.runtimes import Sample
from mobiledeploy.runtime.targets import Target

__all__ = ["START", "RangeChoice", "RangeSearch", "search_ranges"]

START = DEFAULT_CALIBRATOR
"""The method that all groups start from."""

# A method must win by more than this many standard errors of its gain, or the search would learn its samples
# by heart: hundreds of trials on a few samples find something that is better on these by chance.
_SURE = 1.0

# A method that is no better on so many samples is not tried on the others.
_QUICK = 8

Params = Mapping[str, QuantParams]


@dataclass(frozen=True)
class RangeChoice:
    """A group whose range another method chose.

    Attributes:
        values: Names of its members.
        method: What chose the range.
        low: The smallest real number that int8 can hold there.
        high: The largest.
        gain_db: What that gained in SQNR at the outputs, mean of the samples, given all chosen before.
    """

    values: list[str]
    method: str
    low: float
    high: float
    gain_db: float


@dataclass(frozen=True)
class RangeSearch:
    """What a search found.

    Attributes:
        methods: Method -> how many groups have its range; groups whose parameters are fixed do not count.
        changed: The groups that no longer have the range of ``START``, in graph order.
    """

    methods: dict[str, int]
    changed: list[RangeChoice]


def search_ranges(
    model: ir.Model,
    plan: Plan,
    statistics: Sequence[Histogram],
    samples: Sequence[Sample],
    target: Target,
    on_group: Callable[[], Any] = lambda: None,
) -> RangeSearch:
    """Give each group of a plan, in graph order and in place, the range of least error at the outputs.

    Each method's range is tried with all else as it stands, on all samples, against the outputs in float.
    Samples are compared one by one and their dB averaged: in one sum over all, the worst few would decide.
    Ranges that the target would refuse are not tried. A second round goes over the groups that changed.

    Args:
        model: The float graph, rewritten for the target.
        plan: A plan with ranges of the method ``START`` that the target takes.
        statistics: One histogram for each group.
        samples: 16 or more; they stay in memory.
        on_group: Called once for each group.
    """
    search = _Search(model, plan, QdqTrials(model, plan, samples), target)
    others = [name for name in methods() if name != START]
    candidates: dict[int, dict[str, QuantParams]] = {}
    for place, (group, histogram) in enumerate(zip(plan.points.groups, statistics, strict=True)):
        if group[0] not in plan.fixed:
            candidates[place] = {START: plan.activations[group[0]]} | {
                name: params_by(name, histogram) for name in others
            }
            search.improve(place, candidates[place])
        on_group()
    for place in sorted(search.choices):
        search.improve(place, candidates[place])
    changed = [choice for _, choice in sorted(search.choices.items())]
    found = Counter([START] * (len(candidates) - len(changed)) + [choice.method for choice in changed])
    return RangeSearch(dict(found.most_common()), changed)


class _Search:
    def __init__(self, model: ir.Model, plan: Plan, trials: QdqTrials, target: Target) -> None:
        self._graph, self._plan, self._trials, self._target = model.graph, plan, trials, target
        self._refused = refused(model.graph, plan, target)
        self._sqnr_db = trials.sqnr_db(plan.activations)
        self.choices: dict[int, RangeChoice] = {}

    def improve(self, place: int, candidates: Mapping[str, QuantParams]) -> None:
        """Give a group the best candidate, if that is surely better than what it has."""
        group = self._plan.points.groups[place]
        tried = [
            (sqnr_db, method, params)
            for method, params, activations in self._untried(group, candidates)
            if (sqnr_db := self._if_better(activations)) is not None
        ]
        if not tried:
            return
        sqnr_db, method, params = max(tried, key=lambda trial: float(trial[0].mean()))
        gain_db = sqnr_db - self._sqnr_db
        if not _surely_positive(gain_db):
            return
        self._plan.activations.update(dict.fromkeys(group, params))
        self._sqnr_db = sqnr_db
        self.choices[place] = RangeChoice(group, method, params.low, params.high, float(gain_db.mean()))
        if method == START:
            del self.choices[place]

    def _if_better(self, activations: Params) -> NDArray[np.float64] | None:
        """The SQNR of each sample's outputs in dB; None where the first few are no better."""
        first = self._trials.sqnr_db(activations, slice(_QUICK))
        if first.mean() <= self._sqnr_db[:_QUICK].mean():
            return None
        return np.concatenate([first, self._trials.sqnr_db(activations, slice(_QUICK, None))])

    def _untried(
        self, group: Sequence[str], candidates: Mapping[str, QuantParams]
    ) -> Iterator[tuple[str, QuantParams, Params]]:
        """Method, parameters, and all activations with them, if they are new and the target takes them."""
        seen = [self._plan.activations[group[0]]]
        for method, params in candidates.items():
            if any(params.same_as(other) for other in seen):
                continue
            seen.append(params)
            activations = {**self._plan.activations, **dict.fromkeys(group, params)}
            trial = replace(self._plan, activations=activations)
            if refused(self._graph, trial, self._target) <= self._refused:
                yield method, params, activations


def _surely_positive(gains: NDArray[np.float64]) -> bool:
    noise = float(gains.std(ddof=1)) / np.sqrt(len(gains)) if len(gains) > 1 else 0.0
    return bool(gains.mean() > _SURE * noise)
