"""Holds artifacts against their references, output by output and layer by layer."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mobiledeploy.data import Sample, open_inputs
from mobiledeploy.errors import InputError
from mobiledeploy.metrics import Accumulator, Accuracy, Difference
from mobiledeploy.runtimes import Runner, TfliteSession
from mobiledeploy.validation import LabelledImages

__all__ = [
    "AccuracyReport",
    "Check",
    "LayerDifference",
    "Limit",
    "Thresholds",
    "check_outputs",
    "compare_layers",
    "measure_accuracy",
    "verify_files",
]


@dataclass(frozen=True)
class Thresholds:
    """Below or above which an artifact counts as wrong.

    Attributes:
        float_error: Largest error of a float artifact, as a share of the output's range.
        int8_sqnr_db: Least SQNR of int8 against float, in dB. 10 dB means noise of a third of the signal's
            amplitude: a classifier still mostly agrees with its float version, below it something is broken.
        qdq_sqnr_db: Least SQNR of int8 against the QDQ graph in ONNX Runtime, which differ by rounding only.
    """

    float_error: float = 1e-4
    int8_sqnr_db: float = 10.0
    qdq_sqnr_db: float = 15.0


@dataclass(frozen=True)
class Limit:
    """One figure of a Difference and the bound it must keep."""

    figure: str
    bound: float

    def holds(self, difference: Difference) -> bool:
        """Whether the bound is kept. Errors must not exceed it, an SQNR must reach it."""
        value: float = getattr(difference, self.figure)
        return value >= self.bound if self.figure == "sqnr_db" else value <= self.bound

    def __str__(self) -> str:
        return f"SQNR >= {self.bound:g} dB" if self.figure == "sqnr_db" else f"error <= {self.bound:g} of range"


@dataclass(frozen=True)
class Check:
    """One output of a candidate held against a reference.

    Attributes:
        limit: What was demanded; None where the figures are information only.
    """

    candidate: str
    reference: str
    output: str
    difference: Difference
    limit: Limit | None

    @property
    def passed(self) -> bool:
        """Whether the limit is kept."""
        return self.limit is None or self.limit.holds(self.difference)

    def failure(self) -> str:
        """What is wrong, for a check that did not pass."""
        d = self.difference
        return (
            f"output {self.output!r} of {self.candidate} differs from {self.reference}: SQNR {d.sqnr_db:.1f} dB, "
            f"largest error {d.relative_error:.2g} of the range; demanded is {self.limit}"
        )


@dataclass(frozen=True)
class LayerDifference:
    """How far a layer's result in int8 is from float, with everything before it in int8, too."""

    name: str
    sqnr_db: float


@dataclass(frozen=True)
class AccuracyReport:
    """Accuracy on labelled images, in percent."""

    artifact: str
    samples: int
    top1: float | None
    top5: float | None


def check_outputs(
    candidate: tuple[str, Runner],
    reference: tuple[str, Runner],
    samples: Iterable[Sample],
    limit: Limit | None,
    on_sample: Callable[[], Any] = lambda: None,
) -> list[Check]:
    """Run both on the same samples and compare each output.

    Raises:
        InputError: They have outputs of different number or shape.
    """
    (candidate_name, candidate_runner), (reference_name, reference_runner) = candidate, reference
    found: dict[str, Accumulator] = {}
    for sample in samples:
        theirs, ours = reference_runner.run(sample), candidate_runner.run(sample)
        if len(theirs) != len(ours):
            raise InputError(
                f"{candidate_name} has {len(ours)} outputs and {reference_name} {len(theirs)}, expected the same; "
                "compare two forms of one network"
            )
        for (name, expected), actual in zip(theirs.items(), ours.values(), strict=True):
            found.setdefault(name, Accumulator()).add(expected, actual)
        on_sample()
    return [
        Check(candidate_name, reference_name, name, accumulator.result(), limit)
        for name, accumulator in found.items()
    ]


def compare_layers(reference: Path, candidate: Path, samples: Sequence[Sample]) -> list[LayerDifference]:
    """SQNR of every tensor that both files have by name, in the candidate's order.

    The builtin kernels run both, because a delegate does not give out what is inside it. The rewrites keep a value's
    name only where they keep the value, and mark what they add with "~".
    """
    one = TfliteSession(reference, delegate=False, keep_all=True)
    other = TfliteSession(candidate, delegate=False, keep_all=True)
    theirs, ours = _activations(one), _activations(other)
    shared = [name for name in ours if name in theirs]
    found = {name: Accumulator() for name in shared}
    for sample in samples:
        one.run(sample)
        other.run(sample)
        for name in shared:
            found[name].add(one.value(theirs[name]), other.value(ours[name]))
    return [LayerDifference(name, accumulator.result().sqnr_db) for name, accumulator in found.items()]


def _activations(session: TfliteSession) -> dict[str, dict[str, Any]]:
    """Computed tensors by name, without their border types: DEQUANTIZE's result repeats its input."""
    interpreter = session.interpreter
    details = {detail["index"]: detail for detail in interpreter.get_tensor_details()}
    computed = [
        details[int(index)]
        for node in interpreter._get_ops_details()
        if node["op_name"] not in ("QUANTIZE", "DEQUANTIZE")
        for index in node["outputs"]
    ]
    named = {detail["name"].removesuffix("/float"): detail for detail in computed}
    return {name: detail for name, detail in named.items() if "~" not in name}


def measure_accuracy(
    runners: Sequence[tuple[str, Runner]], images: LabelledImages, on_sample: Callable[[], Any] = lambda: None
) -> list[AccuracyReport]:
    """Top-1 and top-5 of several forms of one classifier on the same images. Reads the first output."""
    found = [Accuracy() for _ in runners]
    for sample, label in images:
        for (_, runner), accuracy in zip(runners, found, strict=True):
            accuracy.add(next(iter(runner.run(sample).values())), label)
        on_sample()
    return [
        AccuracyReport(name, accuracy.samples, accuracy.top1, accuracy.top5)
        for (name, _), accuracy in zip(runners, found, strict=True)
    ]


def verify_files(
    candidate: Path,
    reference: Path,
    inputs: Path | None = None,
    samples: int = 16,
    seed: int = 0,
    limit: Limit | None = None,
) -> tuple[list[Check], list[LayerDifference], list[str]]:
    """Compare two .tflite files on the same inputs.

    Args:
        inputs: A folder of images (scaled to [0, 1], as the files say nothing of preprocessing), a .npy or .npz of
            prepared inputs, or None for generated ones.
        limit: What the candidate's outputs must keep.

    Returns:
        Checks per output, differences per layer, warnings.

    Raises:
        InputError: A file cannot be loaded, or the two do not take the same inputs.
    """
    ours, theirs = TfliteSession(candidate), TfliteSession(reference)
    if ours.input_shapes() != theirs.input_shapes():
        raise InputError(
            f"{candidate.name} takes {ours.input_shapes()} and {reference.name} {theirs.input_shapes()}, "
            "expected the same inputs; compare two forms of one network"
        )
    source = open_inputs(inputs, ours.input_shapes(), None, 1, seed, held_back=samples)
    checks = check_outputs(
        (candidate.name, ours), (reference.name, theirs), source.held_back or source.calibration, limit
    )
    layers = compare_layers(reference, candidate, source.held_back[:4])
    return checks, layers, source.warnings
