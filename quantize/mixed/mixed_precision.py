"""The fewest and cheapest layers in float that keep an accuracy budget.

Greedy: layers go into float in the order of their part of the noise at the outputs for what they cost, and
the graph is measured after each step: of one layer at first, of more when there are many. Those that turn out
to be needless go back into int8 in the end. (Cf. HAWQ, arXiv 1905.03696, which orders layers by curvature
where this measures the output itself.)
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import onnx_ir as ir

from mobiledeploy.base.errors import InputError
from mobiledeploy.quantize.mixed.mixed_cost import estimated_instructions
from mobiledeploy.quantize.mixed.mixed_graph import MixedGraph
from mobiledeploy.quantize.mixed.sensitivity import OutputNoise, Sensitivity
from mobiledeploy.quantize.qdq.layers import Layer
from mobiledeploy.runtime.runtimes import OnnxSession, Runner, Sample
from mobiledeploy.verify.thresholds import AccuracyBudget

__all__ = ["BudgetStep", "LayerSearch", "MixedPrecision", "TopOneLoss", "require_classifier"]


@dataclass(frozen=True)
class BudgetStep:
    """One point of accuracy against cost.

    Attributes:
        change: What was put into float, or back into int8, before this was measured, in words.
        in_float: How many layers are in float.
        cost: Estimated instructions as multiples of those of the graph that is int8 throughout.
        sqnr_db: Of the outputs, against float.
        lost_points: Points of top-1; None for a budget in dB.
        met: Whether that keeps the budget.
    """

    change: str
    in_float: int
    cost: float
    sqnr_db: float
    lost_points: float | None
    met: bool


@dataclass(frozen=True)
class MixedPrecision:
    """What was put into float for an accuracy budget, and the way there.

    Attributes:
        budget: In words.
        measured_on: What the loss is, and what it was measured on; begins with its unit.
        steps: In the order in which they were measured, the graph that is int8 throughout first.
        layers: Layers in float in the end.
        keep_float: What ``--keep-float`` takes to have the same again.
        met: Whether the QDQ graph keeps the budget.
        final: Loss of the .tflite in points, or its SQNR in dB, on the same inputs; None before it is made.
        final_met: Whether that keeps the budget.
    """

    budget: str
    measured_on: str
    steps: list[BudgetStep]
    layers: list[str]
    keep_float: list[str]
    met: bool
    final: float | None = None
    final_met: bool = True

    @property
    def chosen(self) -> BudgetStep:
        """The step at which those layers were in float."""
        return [step for step in self.steps if step.met == self.met][-1]

    @property
    def failure(self) -> str | None:
        """What is wrong with the artifact, in words; None if it keeps the budget or is not checked yet."""
        if self.final_met:
            return None
        return (
            f"int8 TFLite misses the accuracy budget: {self.final:.2f} {self.measured_on}; demanded is "
            f"{self.budget}; ask for a little more than you need, or give more images"
        )


class TopOneLoss:
    """Top-1 lost against float on labelled inputs; without labels, how often top-1 is not that of float.

    Args:
        reference: The float network.
        samples: All are run for each measurement.
        labels: The right class of each; None where it is not known.
        source: Where the samples are from.

    Attributes:
        description: What it measures, for the report.
    """

    def __init__(
        self, reference: Runner, samples: Sequence[Sample], labels: Sequence[int] | None, source: str
    ) -> None:
        self._samples, self._counted = samples, np.arange(len(samples))
        self._logits = _logits(reference, samples)
        classes = self._logits.argmax(axis=1)
        self._labels = classes if labels is None else np.array(labels)
        self._right = classes == self._labels
        figure = "lost" if labels is not None else "that differs from float (there are no labels)"
        count = len(samples)
        self.description = (
            f"points of top-1 {figure} on {count} {source}; one of them is {100 / count:.2g} points"
        )

    def lost_points(self, runner: Runner) -> float:
        """Below zero where more are right than in float."""
        logits = _logits(runner, [self._samples[int(index)] for index in self._counted])
        right = logits.argmax(axis=-1) == self._labels[self._counted]
        return 100.0 * (int(self._right[self._counted].sum()) - int(right.sum())) / len(self._samples)

    def of_close_calls(self, noisy: Runner) -> TopOneLoss:
        """The same by those samples alone whose class is in doubt: few, where a network is sure of most.

        In doubt are those whose class has changed, or whose first two classes are less than eight times the
        noise apart in float. All others count as unchanged.

        Args:
            noisy: Of at least as much noise as what is to be measured. It is run on all samples.
        """
        logits = _logits(noisy, self._samples)
        noise = np.sqrt(np.mean(np.square(logits - self._logits)))
        second, first = np.partition(self._logits, -2, axis=1)[:, -2:].T
        changed = logits.argmax(axis=1) != self._logits.argmax(axis=1)
        close = copy.copy(self)
        close._counted = np.flatnonzero(changed | (first - second < _DOUBTFUL * noise))
        return close


_DOUBTFUL = 8.0  # times the root mean square of the noise of logits; classes have been seen to change at 5


def _logits(runner: Runner, samples: Sequence[Sample]) -> Any:
    """(samples, classes)."""
    return np.array([next(iter(runner.run(sample).values())).ravel() for sample in samples])


def require_classifier(model: ir.Model) -> None:
    """For a budget in points.

    Raises:
        InputError: The network's output is not one row of logits.
    """
    shapes = [tuple(value.shape or ()) for value in model.graph.outputs]
    if len(shapes) != 1 or len(shapes[0]) != 2 or shapes[0][0] != 1 or shapes[0][1] == 1:
        raise InputError(
            f"--accuracy-budget in points of top-1 for outputs of the shapes "
            f"{', '.join(map(str, shapes))}, expected one of (1, classes); "
            "give the SQNR that the outputs must have, such as --accuracy-budget 20dB"
        )


class LayerSearch:
    """Finds the layers to put into float.

    Args:
        graph: The network; what is in float in it already stays so.
        error: For a budget in dB, and for the record of each step.
        meter: What measures a budget in points; None for one in dB.

    Attributes:
        layers: Those to put into float, as far as they have been found; none at first.
        met: Whether the budget is kept with them in float.
    """

    def __init__(
        self, graph: MixedGraph, budget: AccuracyBudget, error: OutputNoise, meter: TopOneLoss | None
    ) -> None:
        self.graph = graph
        self.layers: list[Layer] = []
        self.met = False
        self._budget, self._error = budget, error
        self._meter = self._quick_meter = meter
        self._base = graph.instructions()
        self._steps: list[BudgetStep] = []

    def kept_in_int8(self) -> bool:
        """Whether nothing has to be put into float."""
        self.met = self._measured("everything in int8", [])
        return self.met

    def run(self, sensitivity: Sensitivity, on_step: Callable[[], Any] = lambda: None) -> None:
        """Put layers into float, after int8 throughout has been measured and misses the budget.

        Args:
            on_step: Called after each measurement.
        """
        if self._meter is not None:
            noisy = OnnxSession(self.graph.to_qdq(), optimize=False)
            self._quick_meter = self._meter.of_close_calls(noisy)
        order = self._order(sensitivity)
        kept: list[Layer] = []
        while not self.met and len(kept) < len(order):
            more = order[len(kept) : len(kept) + max(1, len(kept) // _STEPS)]
            kept = [*kept, *more]
            self.met = self._measured(f"{', '.join(layer.name for layer in more)} in float", kept)
            on_step()
        if self.met:
            kept = self._without_needless(kept, on_step)
        self.layers = [layer for layer in self.graph.layers if layer in kept]

    @property
    def record(self) -> MixedPrecision:
        """What was found, and the way there."""
        return MixedPrecision(
            budget=str(self._budget),
            measured_on=(self._meter or self._error).description,
            steps=self._steps,
            layers=[layer.name for layer in self.layers],
            keep_float=[name for layer in self.layers for name in layer.nodes],
            met=self.met,
        )

    def checked(self, artifact: Runner) -> MixedPrecision:
        """The record with what the artifact that was made of it loses."""
        meter = self._meter
        figure = self._error.sqnr_db(artifact) if meter is None else meter.lost_points(artifact)
        return replace(self.record, final=figure, final_met=self._keeps(figure))

    def _order(self, sensitivity: Sensitivity) -> list[Layer]:
        """All layers: always the one next whose part of the noise that is left is largest for its price."""
        price = {found.layer: max(found.cost - 1.0, 0.0) + _PRICE_OF_ANY for found in sensitivity.layers}
        layers = {layer.name: layer for layer in self.graph.layers}
        order = []
        while layers:
            shares = sensitivity.shares(layers)
            order.append(layers.pop(max(layers, key=lambda name: shares[name] / price[name])))
        return order

    def _without_needless(self, kept: list[Layer], on_step: Callable[[], Any]) -> list[Layer]:
        """Without the layers that the budget can be kept without: the last ones first, as the least worth it.

        The very last is what it took to keep the budget. Where several in a row turn out to be needed, those
        before them are taken to be needed, too.
        """
        misses = 0
        for layer in reversed(kept[:-1]):
            fewer = [other for other in kept if other is not layer]
            if self._measured(f"{layer.name} back in int8", fewer):
                kept, misses = fewer, 0
            else:
                misses += 1
            on_step()
            if misses == _MOST_MISSES:
                break
        return kept

    def _measured(self, change: str, layers: Sequence[Layer]) -> bool:
        """Whether the budget is kept with those layers in float; notes the figures."""
        qdq = self.graph.to_qdq(layers)
        session = OnnxSession(qdq, optimize=False)
        cost = estimated_instructions(qdq, self.graph.target) / self._base
        sqnr_db = self._error.sqnr_db(session)
        lost = None if self._quick_meter is None else self._quick_meter.lost_points(session)
        met = self._keeps(sqnr_db if lost is None else lost)
        self._steps.append(BudgetStep(change, len(layers), cost, sqnr_db, lost, met))
        return met

    def _keeps(self, figure: float) -> bool:
        """Whether an SQNR, or a loss in points, is within the budget."""
        if self._budget.points is not None:
            return figure <= self._budget.points
        assert self._budget.sqnr_db is not None
        return figure >= self._budget.sqnr_db


_PRICE_OF_ANY = 0.02
"""What a layer in float costs beside its instructions, as a share of the whole: borders, another thing to
watch. Without it, many layers that do next to nothing would go first."""

_MOST_MISSES = 6

_STEPS = 6  # a step is of one layer, and of more when there are twice so many, three times so many, ...
