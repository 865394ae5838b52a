"""Classification: one logit a class, judged by how often the right class has the largest."""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mobiledeploy.base.errors import InputError
from mobiledeploy.inputs.labelled_images import LabelledImages
from mobiledeploy.inputs.preprocessing import Preprocessing
from mobiledeploy.runtime.runtimes import Outputs, Runner, Sample
from mobiledeploy.tasks.class_folders import labelled_by_class
from mobiledeploy.tasks.task import Figure, Shapes

__all__ = ["Classification", "ClassificationAgreement", "TopClasses", "TopOneLost", "best_classes"]

_SHOWN_CLASSES = 5


class Classification:
    """The first output holds one logit a class, in any shape."""

    name = "classification"
    points = "points of top-1"

    def describe_outputs(self, shapes: Shapes) -> dict[str, str]:
        """Return what the first output holds; the others mean nothing to this task."""
        name, shape = next(iter(shapes.items()))
        return {name: f"logits, one for each of {math.prod(shape)} classes"}

    def require_outputs(self, shapes: Shapes) -> None:
        """Make sure that the first output is one row of several logits."""
        _classes(shapes)

    def postprocess(self, outputs: Outputs) -> list[int]:
        """Return the five likeliest classes, the likeliest first."""
        return best_classes(_logits(outputs))

    def agreement(self) -> ClassificationAgreement:
        """Return a count of how often the first class by the reference is that of a candidate."""
        return ClassificationAgreement()

    def metric(self) -> TopClasses:
        """Return a count of top-1 and top-5."""
        return TopClasses()

    def labelled(
        self,
        folder: Path,
        inputs: Shapes,
        preprocessing: Preprocessing | None,
        outputs: Shapes,
        *,
        limit: int | None = None,
        seed: int = 0,
    ) -> LabelledImages[int]:
        """Open a folder with a folder for each class, or with a list (see `class_folders`)."""
        entries = labelled_by_class(folder, _classes(outputs))
        return LabelledImages(folder, entries, inputs, preprocessing, limit=limit, seed=seed)

    def points_lost(
        self, reference: Runner, samples: Sequence[Sample], labels: Sequence[int] | None, source: str
    ) -> TopOneLost:
        """Return what measures the points of top-1 that are lost against a float network."""
        return TopOneLost(reference, samples, labels, source)


def _classes(shapes: Shapes) -> int:
    name, shape = next(iter(shapes.items()))
    classes = [size for size in shape if size > 1]
    if len(classes) != 1:
        raise InputError(
            f"output {name!r} of the task {Classification.name!r} has the shape {shape}, expected logits "
            "of two classes or more, such as (1, 1000); --task says what a network is for"
        )
    return classes[0]


def _logits(outputs: Outputs) -> NDArray[np.float32]:
    return next(iter(outputs.values())).ravel()


def best_classes(logits: NDArray[np.floating[Any]], count: int = _SHOWN_CLASSES) -> list[int]:
    """Return the classes of the largest logits, the largest first.

    Of equal logits, and those of int8 are often equal, the lower class goes first, as in argmax.

    Returns:
        At most `count` class indices; none where there is NaN or infinity among the logits.
    """
    if not np.isfinite(logits).all():
        return []
    return [int(index) for index in np.argsort(-logits.astype(np.float64), kind="stable")[:count]]


class TopClasses:
    """Share of samples whose label is the likeliest class, or among the five likeliest.

    Args:
        suffix: End of the figures' names in report.json.
    """

    def __init__(self, suffix: str = "") -> None:
        self._suffix = suffix
        self._samples = self._classes = self._first = self._first_five = 0

    def add(self, outputs: Outputs, label: int) -> None:
        """Take the outputs for one sample, and the class that is right."""
        self.add_logits(_logits(outputs), label)

    def add_logits(self, logits: NDArray[np.floating[Any]], label: int) -> None:
        """Take (classes,) logits, and the class that is right."""
        best = best_classes(logits)
        self._samples += 1
        self._classes = logits.size
        self._first += best[:1] == [label]
        self._first_five += label in best

    def result(self) -> tuple[Figure, ...]:
        """Return top-1 and top-5; the latter says nothing for up to five classes."""
        return (
            Figure(f"top1{self._suffix}", "top-1 %", self._share(self._first)),
            Figure(
                f"top5{self._suffix}",
                "top-5 %",
                self._share(self._first_five) if self._classes > _SHOWN_CLASSES else None,
            ),
        )

    def _share(self, count: int) -> float | None:
        return count / self._samples if self._samples else None


class ClassificationAgreement:
    """Share of samples whose likeliest class by the reference is so by the candidate, or among its five.

    Counted for every output that looks like logits: (1, classes).
    """

    def __init__(self) -> None:
        self._found: dict[str, TopClasses] = {}

    def add(self, reference: Outputs, candidate: Outputs) -> None:
        """Take the outputs of both for one sample."""
        for (name, expected), actual in zip(reference.items(), candidate.values(), strict=True):
            if expected.ndim == 2 and expected.shape[0] == 1 and expected.shape[1] > 1:
                count = self._found.setdefault(name, TopClasses("_agreement"))
                count.add_logits(actual.ravel(), int(expected.argmax()))

    def result(self) -> dict[str, tuple[Figure, ...]]:
        """Return the figures by output."""
        return {name: found.result() for name, found in self._found.items()}


class TopOneLost:
    """Top-1 lost against float on labelled inputs; without labels, how often top-1 is not that of float.

    Args:
        reference: Runner of the float network.
        samples: Inputs; all are run for each measurement.
        labels: Right class of each sample; None where they are not known.
        source: Words for where the samples are from.

    Attributes:
        description: Words for the report about what it measures.
    """

    def __init__(
        self, reference: Runner, samples: Sequence[Sample], labels: Sequence[int] | None, source: str
    ) -> None:
        self._samples, self._counted = samples, np.arange(len(samples))
        self._logits = _all_logits(reference, samples)
        classes = self._logits.argmax(axis=1)
        self._labels = classes if labels is None else np.array(labels)
        self._right = classes == self._labels
        figure = "lost" if labels is not None else "that differs from float (there are no labels)"
        count = len(samples)
        self.description = (
            f"{Classification.points} {figure} on {count} {source}; one image is {100 / count:.2g} points"
        )

    def lost_points(self, runner: Runner) -> float:
        """Return the points lost, below zero where more are right than in float."""
        logits = _all_logits(runner, [self._samples[int(index)] for index in self._counted])
        right = logits.argmax(axis=-1) == self._labels[self._counted]
        return 100.0 * (int(self._right[self._counted].sum()) - int(right.sum())) / len(self._samples)

    def of_close_calls(self, noisy: Runner) -> TopOneLost:
        """Return the same measure by the samples in doubt: few, where a network is sure of most.

        In doubt are those whose class has changed, or whose first two classes are less than eight times the
        noise apart in float. All others count as unchanged.
        """
        logits = _all_logits(noisy, self._samples)
        noise = np.sqrt(np.mean(np.square(logits - self._logits)))
        second, first = np.partition(self._logits, -2, axis=1)[:, -2:].T
        changed = logits.argmax(axis=1) != self._logits.argmax(axis=1)
        close = copy.copy(self)
        close._counted = np.flatnonzero(changed | (first - second < _DOUBTFUL * noise))
        return close


_DOUBTFUL = 8.0  # times the root mean square of the noise of logits; classes have been seen to change at 5


def _all_logits(runner: Runner, samples: Sequence[Sample]) -> NDArray[np.float32]:
    """Return (samples, classes)."""
    return np.array([_logits(runner.run(sample)) for sample in samples])
