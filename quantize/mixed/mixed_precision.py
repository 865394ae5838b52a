"""The fewest and cheapest layers in float that keep an accuracy budget.

Greedy: layers go into float in the order of their part of the noise at the outputs for what they cost, and
the graph is measured after each step: of one layer at first, of more when there are many. Those that turn out
to be needless go back into int8 in the end. (Cf. HAWQ, arXiv 1905.03696, which orders layers by curvature
where this measures the output itself.)
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from mobiledeploy.quantize.mixed.mixed_cost import estimated_instructions
from mobiledeploy.quantize.mixed.mixed_graph import MixedGraph
from mobiledeploy.quantize.mixed.sensitivity import OutputNoise, Sensitivity
from mobiledeploy.quantize.qdq.layers import Layer
from mobiledeploy.runtime.runtimes import OnnxSession, Runner
from mobiledeploy.tasks.task import PointsLost
from mobiledeploy.verify.thresholds import AccuracyBudget

__all__ = ["BudgetStep", "LayerSearch", "MixedPrecision"]


@dataclass(frozen=True)
class BudgetStep:
    """One point of accuracy against cost.

    Attributes:
        change: What was put into float, or back into int8, before this was measured, in words.
        in_float: How many layers are in float.
        cost: Estimated instructions as multiples of those of the graph that is int8 throughout.
        sqnr_db: SQNR of the outputs, against float.
        lost_points: Points lost, of what the task is judged by; None for a budget in dB.
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


class LayerSearch:
    """Finds the layers to put into float.

    Args:
        graph: The network; what is in float in it already stays so.
        error: For a budget in dB, and for the record of each step.
        meter: What measures a budget in points; None for one in dB.
        points: What these points are of, in words.

    Attributes:
        layers: Those to put into float, as far as they have been found; none at first.
        met: Whether the budget is kept with them in float.
    """

    def __init__(
        self,
        graph: MixedGraph,
        budget: AccuracyBudget,
        error: OutputNoise,
        meter: PointsLost | None = None,
        points: str = "points",
    ) -> None:
        self.graph = graph
        self.layers: list[Layer] = []
        self.met = False
        self._budget, self._error, self._points = budget, error, points
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
            budget=self._budget.in_words(self._points),
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
"""What a layer in float costs beside its instructions, as a share of the whole: boundaries, another thing to
watch. Without it, many layers that do next to nothing would go first."""

_MOST_MISSES = 6

_STEPS = 6  # a step is of one layer, and of more when there are twice so many, three times so many, ...
