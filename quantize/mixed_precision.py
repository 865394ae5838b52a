"""The fewest and cheapest layers in float that keep an accuracy budget.

Greedy: layers go into float in the order of the noise that they add to the outputs for what they cost, and
the graph is measured after each step: of one layer at first, of more when there are many. Those that turn out
to be needless go back into int8 in the end. (Cf. HAWQ, arXiv 1905.03696, which orders layers by curvature
where this measures the output itself.)
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import onnx_ir as ir

from mobiledeploy.errors import InputError
from mobiledeploy.quantize.layers import Layer
from mobiledeploy.quantize.mixed_cost import estimated_instructions
from mobiledeploy.quantize.mixed_graph import MixedGraph
from mobiledeploy.quantize.sensitivity import LayerSensitivity, OutputError
from mobiledeploy.runtimes import OnnxSession, Runner, Sample
from mobiledeploy.thresholds import AccuracyBudget

__all__ = ["BudgetStep", "Choice", "MixedPrecision", "TopOneLoss", "choose_layers", "require_classifier"]


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
        measured_on: What the loss was measured on, and what it is.
        steps: In the order in which they were measured, the graph that is int8 throughout first.
        layers: Layers in float in the end.
        keep_float: What ``--keep-float`` takes to have the same again.
        met: Whether the QDQ graph keeps the budget.
        final: Loss of the .tflite in points, or its SQNR in dB, on the same inputs; None before it is made.
    """

    budget: str
    measured_on: str
    steps: list[BudgetStep]
    layers: list[str]
    keep_float: list[str]
    met: bool
    final: float | None = None


@dataclass(frozen=True)
class Choice:
    """Layers to put into float, and the record of how they were found."""

    layers: list[Layer]
    record: MixedPrecision


class Meter(Protocol):
    """Measures what a form of the network loses, in points of top-1."""

    description: str

    def lost_points(self, runner: Runner) -> float:
        """Points lost against float."""


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
        figure = "top-1" if labels is not None else "top-1 that differs from float, as there are no labels,"
        self.description = (
            f"{figure} on {len(samples)} {source}; one of them is {100 / len(samples):.2g} points"
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


def choose_layers(
    graph: MixedGraph,
    sensitivity: Sequence[LayerSensitivity],
    budget: AccuracyBudget,
    error: OutputError,
    meter: Meter | None,
    on_step: Callable[[], Any] = lambda: None,
) -> Choice:
    """Find the layers to put into float. If int8 throughout keeps the budget, there are none.

    Args:
        sensitivity: Of the layers of `graph`, in any order.
        meter: What measures a budget in points; None for one in dB.
        on_step: Called after each measurement.
    """
    search = _Search(graph, budget, error, meter, on_step)
    met = search.measure("everything in int8", [])
    scores = {
        found.layer: found.noise / (max(found.cost - 1.0, 0.0) + _PRICE_OF_ANY) for found in sensitivity
    }
    order = sorted(graph.layers, key=lambda layer: -scores[layer.name])
    kept: list[Layer] = []
    while not met and len(kept) < len(order):
        more = order[len(kept) : len(kept) + max(1, len(kept) // _STEPS)]
        kept = [*kept, *more]
        met = search.measure(f"{_listed(more)} in float", kept)
    if met and kept:
        kept = _without_needless(kept, {found.layer: found.cost for found in sensitivity}, search)
    names = [name for layer in graph.layers if layer in kept for name in layer.nodes]
    ordered = [layer for layer in graph.layers if layer in kept]
    return Choice(
        ordered,
        MixedPrecision(
            budget=str(budget),
            measured_on=meter.description if meter is not None else error.description,
            steps=search.steps,
            layers=[layer.name for layer in ordered],
            keep_float=names,
            met=met,
        ),
    )


_PRICE_OF_ANY = 0.02
"""What a layer in float costs beside its instructions, as a share of the whole: borders, another thing to
watch. Without it, many layers that do next to nothing would go first."""

_STEPS = 6  # a step is of one layer up to so many, and grows by a sixth


def _listed(layers: Sequence[Layer]) -> str:
    return ", ".join(layer.name for layer in layers)


def _without_needless(kept: list[Layer], costs: dict[str, float], search: _Search) -> list[Layer]:
    """Without the layers that the budget can be kept without, the dearest tried first."""
    for layer in sorted(kept, key=lambda layer: -costs[layer.name]):
        fewer = [other for other in kept if other is not layer]
        if fewer and search.measure(f"{layer.name} back in int8", fewer):
            kept = fewer
    return kept


class _Search:
    def __init__(
        self,
        graph: MixedGraph,
        budget: AccuracyBudget,
        error: OutputError,
        meter: Meter | None,
        on_step: Callable[[], Any],
    ) -> None:
        self._graph, self._budget, self._error = graph, budget, error
        self._meter, self._on_step = meter, on_step
        self._base = estimated_instructions(graph.draft(), graph.target)
        self.steps: list[BudgetStep] = []

    def measure(self, change: str, layers: Sequence[Layer]) -> bool:
        """Whether the budget is kept with those layers in float; notes the figures."""
        qdq = self._graph.draft(layers)
        cost = estimated_instructions(qdq, self._graph.target) / self._base
        session = OnnxSession(qdq, optimize=False)
        sqnr_db = self._error.sqnr_db(session)
        lost = None if self._meter is None else self._meter.lost_points(session)
        self.steps.append(BudgetStep(change, len(layers), cost, sqnr_db, lost))
        self._on_step()
        if lost is not None:
            assert self._budget.points is not None
            return lost <= self._budget.points
        assert self._budget.sqnr_db is not None
        return sqnr_db >= self._budget.sqnr_db
