"""The fewest and cheapest layers in float that keep an accuracy budget.

Greedy: layers go into float in the order of the noise that they add to the outputs for what they cost, and
the graph is measured after each step: of one layer at first, of more when there are many. Those that turn out
to be needless go back into int8 in the end. (Cf. HAWQ, arXiv 1905.03696, which orders layers by curvature
where this measures the output itself.)
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import onnx_ir as ir

from mobiledeploy.errors import InputError
from mobiledeploy.quantize.layers import Layer
from mobiledeploy.quantize.mixed_cost import estimated_instructions
from mobiledeploy.quantize.mixed_graph import MixedGraph
from mobiledeploy.quantize.sensitivity import LayerSensitivity, OutputError
from mobiledeploy.runtimes import OnnxSession, Runner, Sample
from mobiledeploy.thresholds import AccuracyBudget

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
    """

    change: str
    in_float: int
    cost: float
    sqnr_db: float
    lost_points: float | None


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
        self._samples = samples
        float_classes = _classes(reference, samples)
        self._labels = float_classes if labels is None else np.array(labels)
        self._right = int(np.sum(float_classes == self._labels))
        figure = "lost" if labels is not None else "that differs from float (there are no labels)"
        count = len(samples)
        self.description = (
            f"points of top-1 {figure} on {count} {source}; one of them is {100 / count:.2g} points"
        )

    def lost_points(self, runner: Runner) -> float:
        """Below zero where more are right than in float."""
        right = int(np.sum(_classes(runner, self._samples) == self._labels))
        return 100.0 * (self._right - right) / len(self._samples)


def _classes(runner: Runner, samples: Sequence[Sample]) -> Any:
    return np.array([int(next(iter(runner.run(sample).values())).argmax()) for sample in samples])


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
        sensitivity: Of its layers, in any order.
        error: For a budget in dB, and for the record of each step.
        meter: What measures a budget in points; None for one in dB.
    """

    def __init__(
        self,
        graph: MixedGraph,
        sensitivity: Sequence[LayerSensitivity],
        budget: AccuracyBudget,
        error: OutputError,
        meter: TopOneLoss | None,
    ) -> None:
        self.graph = graph
        self._sensitivity = {found.layer: found for found in sensitivity}
        self._budget, self._error, self._meter = budget, error, meter
        self._base = estimated_instructions(graph.draft(), graph.target)
        self._steps: list[BudgetStep] = []

    def run(self, on_step: Callable[[], Any] = lambda: None) -> tuple[list[Layer], MixedPrecision]:
        """The layers, in graph order, and the record. If int8 throughout keeps the budget, there are none.

        Args:
            on_step: Called after each measurement.
        """
        self._steps = []
        kept: list[Layer] = []
        met = self._measured("everything in int8", kept, on_step)
        order = sorted(self.graph.layers, key=self._score, reverse=True)
        while not met and len(kept) < len(order):
            more = order[len(kept) : len(kept) + max(1, len(kept) // _STEPS)]
            kept = [*kept, *more]
            met = self._measured(f"{', '.join(layer.name for layer in more)} in float", kept, on_step)
        if met:
            kept = self._without_needless(kept, on_step)
        layers = [layer for layer in self.graph.layers if layer in kept]
        record = MixedPrecision(
            budget=str(self._budget),
            measured_on=(self._meter or self._error).description,
            steps=self._steps,
            layers=[layer.name for layer in layers],
            keep_float=[name for layer in layers for name in layer.nodes],
            met=met,
        )
        return layers, record

    def checked(self, record: MixedPrecision, artifact: Runner) -> MixedPrecision:
        """The record with what the artifact that was made of it loses."""
        meter = self._meter
        figure = self._error.sqnr_db(artifact) if meter is None else meter.lost_points(artifact)
        return replace(record, final=figure, final_met=self._keeps(figure))

    def _score(self, layer: Layer) -> float:
        found = self._sensitivity[layer.name]
        return found.noise / (max(found.cost - 1.0, 0.0) + _PRICE_OF_ANY)

    def _without_needless(self, kept: list[Layer], on_step: Callable[[], Any]) -> list[Layer]:
        """Without the layers that the budget can be kept without, the dearest tried first."""
        for layer in sorted(kept, key=lambda layer: -self._sensitivity[layer.name].cost):
            fewer = [other for other in kept if other is not layer]
            if fewer and self._measured(f"{layer.name} back in int8", fewer, on_step):
                kept = fewer
        return kept

    def _measured(self, change: str, layers: Sequence[Layer], on_step: Callable[[], Any]) -> bool:
        """Whether the budget is kept with those layers in float; notes the figures."""
        qdq = self.graph.draft(layers)
        session = OnnxSession(qdq, optimize=False)
        cost = estimated_instructions(qdq, self.graph.target) / self._base
        sqnr_db = self._error.sqnr_db(session)
        lost = None if self._meter is None else self._meter.lost_points(session)
        self._steps.append(BudgetStep(change, len(layers), cost, sqnr_db, lost))
        on_step()
        return self._keeps(sqnr_db if lost is None else lost)

    def _keeps(self, figure: float) -> bool:
        """Whether an SQNR, or a loss in points, is within the budget."""
        if self._budget.points is not None:
            return figure <= self._budget.points
        assert self._budget.sqnr_db is not None
        return figure >= self._budget.sqnr_db


_PRICE_OF_ANY = 0.02
"""What a layer in float costs beside its instructions, as a share of the whole: borders, another thing to
watch. Without it, many layers that do next to nothing would go first."""

_STEPS = 6  # a step is of one layer, and of more when there are twice so many, three times so many, ...
