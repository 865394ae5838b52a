"""Defines a task: everything that an export has to know of what a network is for.

An export asks its task what outputs mean, how two executions agree, how outputs do against labels, and what
an accuracy budget counts. A task of its own, such as segmentation, is one file beside this one and a line in
`registry.py`; nothing else in the project tells tasks apart.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

if TYPE_CHECKING:
    from mobiledeploy.inputs.labelled_images import LabelledImages
    from mobiledeploy.inputs.preprocessing import Preprocessing
    from mobiledeploy.runtime.runtimes import Outputs, Runner, Sample

__all__ = ["Agreement", "Figure", "LabelledTask", "Metric", "PointsLost", "Shapes", "Task"]

Shapes = Mapping[str, tuple[int, ...]]
"""Name -> shape, batch 1, images NCHW."""


@dataclass(frozen=True)
class Figure:
    """One figure of a task.

    Attributes:
        key: Name in report.json, such as "top1".
        title: Heading of its column in tables, such as "top-1 %".
        share: Value in [0, 1]; None where it says nothing.
    """

    key: str
    title: str
    share: float | None


class Agreement(Protocol):
    """Counts how often two executions of a network say the same."""

    def add(self, reference: Outputs, candidate: Outputs) -> None:
        """Take the outputs of both for one sample."""

    def result(self) -> dict[str, tuple[Figure, ...]]:
        """Return figures by the output that they are shown with; outputs without figures are left out."""


class Metric(Protocol):
    """Counts how often a network is right."""

    def add(self, outputs: Outputs, label: Any) -> None:
        """Take the outputs for one sample, and its label as the task's `labelled` gives it."""

    def result(self) -> tuple[Figure, ...]:
        """Return the figures, that which the task is judged by first."""


class PointsLost(Protocol):
    """Measures what a form of a network loses against float, in points of the task's first figure.

    Attributes:
        description: Words for the report about what is measured on what; begins with the unit.
    """

    description: str

    def lost_points(self, runner: Runner) -> float:
        """Return what is lost; below zero where the other form does better than float."""

    def of_close_calls(self, noisy: Runner) -> PointsLost:
        """Return the same measure by fewer samples, those whose result is in doubt.

        Args:
            noisy: A form of at least as much noise as those to be measured.
        """


class Task(Protocol):
    """Purpose of a network, as far as every network has one.

    Attributes:
        name: Name as ``--task`` takes it.
    """

    name: str

    def describe_outputs(self, shapes: Shapes) -> dict[str, str]:
        """Return what each output means, in words."""

    def agreement(self) -> Agreement:
        """Return a new count of agreement."""


@runtime_checkable
class LabelledTask(Task, Protocol):
    """A task that labelled data can judge.

    Attributes:
        points: Unit that an accuracy budget counts in, such as "points of top-1".
    """

    points: str

    def require_outputs(self, shapes: Shapes) -> None:
        """Make sure that outputs of these shapes can be judged.

        Raises:
            InputError: They cannot.
        """

    def postprocess(self, outputs: Outputs) -> Any:
        """Return what an app shows of the outputs for one sample."""

    def metric(self) -> Metric:
        """Return a new count of what is right."""

    def labelled(
        self,
        folder: Path,
        inputs: Shapes,
        preprocessing: Preprocessing | None,
        outputs: Shapes,
        *,
        limit: int | None = None,
        seed: int = 0,
    ) -> LabelledImages[Any]:
        """Open a folder of labelled images.

        Args:
            folder: Folder that the user names.
            inputs: Input name -> shape of the network.
            preprocessing: What the network wants done to an image.
            outputs: Output name -> shape of the network.
            limit: Most images to take; None: all.
            seed: Random seed of the choice among more.

        Raises:
            InputError: The folder holds no labelled images, or labels that do not fit the outputs, or these
                cannot be judged.
        """

    def points_lost(
        self, reference: Runner, samples: Sequence[Sample], labels: Sequence[Any] | None, source: str
    ) -> PointsLost:
        """Return what measures the loss against a float network.

        Args:
            reference: Runner of the float network.
            samples: Inputs; all are run for each measurement.
            labels: Label of each sample; None where not known: agreement with float is measured then.
            source: Words for where the samples are from.
        """
