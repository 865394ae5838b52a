"""Compares artifacts with their references, output by output and layer by layer."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from mobiledeploy.base.errors import InputError
from mobiledeploy.base.options import takes
from mobiledeploy.inputs.labelled_images import LabelledImages
from mobiledeploy.inputs.open_inputs import open_inputs
from mobiledeploy.runtime.runtimes import Outputs, Runner, Sample, TfliteSession
from mobiledeploy.tasks.registry import get_task
from mobiledeploy.tasks.task import Figure, LabelledTask, Task
from mobiledeploy.tasks.tensors import Tensors
from mobiledeploy.verify.metrics import Accumulator, Difference
from mobiledeploy.verify.settings import VerifySettings
from mobiledeploy.verify.thresholds import Limit

__all__ = [
    "AccuracyReport",
    "Check",
    "LayerDifference",
    "Verification",
    "check_outputs",
    "compare_layers",
    "measure_accuracy",
    "run_verify",
    "verify_files",
]

_LAYER_SAMPLES = 4
_TENSORS = Tensors()


@dataclass(frozen=True)
class Check:
    """One output of a candidate held against a reference.

    Attributes:
        limit: Bound that the figures must keep; None where they are information only.
        agreement: Figures of how often both say the same, by the network's task.
    """

    candidate: str
    reference: str
    output: str
    difference: Difference
    limit: Limit | None
    agreement: tuple[Figure, ...] = ()

    @property
    def passed(self) -> bool:
        """Tell whether the limit is kept."""
        return self.limit is None or self.limit.holds(self.difference)

    def failure(self) -> str:
        """Return in words what is wrong, for a check that did not pass."""
        d = self.difference
        return (
            f"output {self.output!r} of {self.candidate} differs from {self.reference}: "
            f"SQNR {d.sqnr_db:.1f} dB, largest error {d.relative_error:.2g} of the range; "
            f"demanded is {self.limit}"
        )

    def to_json(self) -> dict[str, Any]:
        """Return plain data that json can write."""
        return {
            "candidate": self.candidate,
            "reference": self.reference,
            "output": self.output,
            **self.difference.to_json(),
            **_by_key(self.agreement),
            "limit": None if self.limit is None else str(self.limit),
            "passed": self.passed,
        }


@dataclass(frozen=True)
class LayerDifference:
    """How far a layer's result in int8 is from float, with everything before it in int8, too."""

    name: str
    sqnr_db: float


@dataclass(frozen=True)
class AccuracyReport:
    """How an artifact does on labelled images, by the figures of the network's task."""

    artifact: str
    samples: int
    figures: tuple[Figure, ...]

    def to_json(self) -> dict[str, Any]:
        """Return plain data that json can write."""
        return {"artifact": self.artifact, "samples": self.samples, **_by_key(self.figures)}


def _by_key(figures: Iterable[Figure]) -> dict[str, float | None]:
    return {figure.key: figure.share for figure in figures}


@dataclass(frozen=True)
class Verification:
    """Findings of a comparison of two files."""

    checks: list[Check]
    layers: list[LayerDifference]
    warnings: list[str] = field(default_factory=list)

    @property
    def failures(self) -> list[str]:
        """Return what is wrong, in words; empty when all checks passed."""
        return [check.failure() for check in self.checks if not check.passed]


def check_outputs(
    candidate: tuple[str, Runner],
    reference: tuple[str, Runner],
    samples: Iterable[Sample],
    limit: Limit | None,
    task: Task = _TENSORS,
    on_sample: Callable[[], Any] = lambda: None,
) -> list[Check]:
    """Run both on the same samples and compare each output.

    Args:
        candidate: Name for the report, and runner, of what is checked.
        reference: Name and runner of what it is held against.
        samples: Inputs to run both on.
        limit: Bound that each output must keep; None: none.
        task: Purpose of the network, which says what it means that both agree.
        on_sample: Function to call after each sample.

    Raises:
        InputError: They have outputs of different number or shape, or the reference gives NaN or infinity.
    """
    (candidate_name, candidate_runner), (reference_name, reference_runner) = candidate, reference
    found: dict[str, Accumulator] = {}
    agreement = task.agreement()
    for sample in samples:
        theirs, ours = reference_runner.run(sample), candidate_runner.run(sample)
        if len(theirs) != len(ours):
            raise InputError(
                f"{candidate_name} has {len(ours)} outputs and {reference_name} {len(theirs)}, expected the "
                "same; compare two forms of one network"
            )
        _require_finite(reference_name, theirs)
        for (name, expected), actual in zip(theirs.items(), ours.values(), strict=True):
            found.setdefault(name, Accumulator()).add(expected, actual)
        agreement.add(theirs, ours)
        on_sample()
    figures = agreement.result()
    return [
        Check(candidate_name, reference_name, name, accumulator.result(), limit, figures.get(name, ()))
        for name, accumulator in found.items()
    ]


def _require_finite(runner: str, outputs: Outputs) -> None:
    for name, array in outputs.items():
        if not np.isfinite(array).all():
            raise InputError(
                f"the network in {runner} gives NaN or infinity as output {name!r}, expected finite numbers; "
                "look at its weights, and at the inputs"
            )


def compare_layers(reference: Path, candidate: Path, samples: Sequence[Sample]) -> list[LayerDifference]:
    """Return the SQNR of every tensor that both files have by name and shape, in the candidate's order.

    The builtin kernels run both, because a delegate does not give out what is inside it. The rewrites keep a
    value's name only where they keep the value, and mark what they add with "~".
    """
    one, other = (TfliteSession(path, delegate=False, keep_all=True) for path in (reference, candidate))
    theirs, ours = _activations(one), _activations(other)
    found = {
        name: Accumulator()
        for name, detail in ours.items()
        if name in theirs and np.array_equal(detail["shape"], theirs[name]["shape"])
    }
    for sample in samples:
        one.run(sample)
        other.run(sample)
        for name, accumulator in found.items():
            accumulator.add(one.value(theirs[name]), other.value(ours[name]))
    return [LayerDifference(name, accumulator.result().sqnr_db) for name, accumulator in found.items()]


def _activations(session: TfliteSession) -> dict[str, dict[str, Any]]:
    """Return computed tensors by name, without those at the boundary of a type, which repeat their input."""
    nodes = [node for node in session.nodes() if node["op_name"] not in ("QUANTIZE", "DEQUANTIZE")]
    details = session.tensors()
    computed = [details[int(index)] for node in nodes for index in node["outputs"]]
    named = {detail["name"].removesuffix("/float"): detail for detail in computed}
    return {name: detail for name, detail in named.items() if "~" not in name}


def measure_accuracy(
    runners: Sequence[tuple[str, Runner]],
    images: LabelledImages[Any],
    task: LabelledTask,
    on_sample: Callable[[], Any] = lambda: None,
) -> list[AccuracyReport]:
    """Measure several forms of one network on the same images, by the metric of its task."""
    metrics = [task.metric() for _ in runners]
    count = 0
    for sample, label in images:
        count += 1
        for (_, runner), metric in zip(runners, metrics, strict=True):
            metric.add(runner.run(sample), label)
        on_sample()
    return [
        AccuracyReport(name, count, metric.result())
        for (name, _), metric in zip(runners, metrics, strict=True)
    ]


def run_verify(settings: VerifySettings) -> Verification:
    """Compare two .tflite files on the same inputs.

    Raises:
        InputError: A file cannot be loaded, or the two do not take the same inputs.
    """
    candidate, reference = Path(settings.candidate), Path(settings.reference)
    ours, theirs = TfliteSession(candidate), TfliteSession(reference)
    if ours.input_shapes() != theirs.input_shapes():
        raise InputError(
            f"{candidate} takes {ours.input_shapes()} and {reference} {theirs.input_shapes()}, expected the "
            "same inputs; compare two forms of one network"
        )
    shapes, count = ours.input_shapes(), settings.samples
    source = open_inputs(settings.inputs, shapes, None, 1, settings.seed, holdout=count)
    pair, task = ((candidate.name, ours), (reference.name, theirs)), get_task(settings.task)
    checks = check_outputs(*pair, source.holdout, settings.limit, task)
    layers = compare_layers(reference, candidate, source.holdout[:_LAYER_SAMPLES])
    generated = "compared on generated inputs; for figures on real ones pass --inputs DIR"
    return Verification(checks, layers, [generated] if settings.inputs is None else source.warnings)


@takes(VerifySettings)
def verify_files(settings: VerifySettings) -> Verification:
    """Do exactly what ``mobiledeploy verify`` does, with the fields of ``VerifySettings`` as arguments.

    Args:

    Raises:
        InputError: A file cannot be loaded, or the two do not take the same inputs.
    """
    return run_verify(settings)
