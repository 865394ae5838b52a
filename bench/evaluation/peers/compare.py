"""Our two artifacts beside a peer's two: speed in turns on this host, closeness to the PyTorch network."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mobiledeploy.bench.devices.arm.emulated_core import EmulatedCore
from mobiledeploy.bench.devices.arm.emulator import Emulator
from mobiledeploy.bench.devices.arm.instruction_count import InstructionCount
from mobiledeploy.bench.devices.arm.profiles import ArmProfile
from mobiledeploy.bench.devices.host import Host
from mobiledeploy.bench.evaluation.peers.artifact import Artifact
from mobiledeploy.bench.latency.measurement import Measurement
from mobiledeploy.bench.latency.models import models_of
from mobiledeploy.bench.latency.protocol import measure
from mobiledeploy.bench.latency.samples import Ratio, Summary, ratio
from mobiledeploy.bench.latency.settings import Settings
from mobiledeploy.tasks.classification import ClassificationAgreement, TopClasses
from mobiledeploy.tasks.task import Figure
from mobiledeploy.verify.metrics import Accumulator, Difference

__all__ = ["RATIOS", "Comparison", "Labelled", "Row", "compare", "table"]

Labelled = tuple[NDArray[np.float32], int | None]
"""An evaluation input (1, C, H, W) and its class, if that is known."""

RATIOS = (
    ("ours int8", "theirs int8"),
    ("ours fp32", "theirs fp32"),
    ("ours int8", "ours fp32"),
    ("theirs int8", "theirs fp32"),
)
"""Pairs of artifacts whose latencies are set in relation, the numerator first."""


@dataclass(frozen=True)
class Row:
    """What is known of one artifact.

    Attributes:
        path: the file.
        size_bytes: of the file.
        partitions: number of XNNPACK partitions.
        latency: milliseconds of an inference.
        to_pytorch: difference of its outputs from those of the PyTorch network.
        agrees: share of inputs of which both name the same class; None unless the outputs are logits.
        to_own_fp32: difference of its outputs from those of the same producer's float artifact.
        top1: share of labelled inputs it classifies correctly, if there are labels.
    """

    path: Path
    size_bytes: int
    partitions: int
    latency: Summary
    to_pytorch: Difference
    agrees: float | None
    to_own_fp32: Difference
    top1: float | None


@dataclass(frozen=True)
class Comparison:
    """Four artifacts of one network.

    Attributes:
        rows: by "ours fp32", "ours int8", "theirs fp32", "theirs int8".
        ratios: of latencies, by "A / B", for the pairs of `RATIOS`.
        measured: all that was observed of the latencies.
        counted: instructions on emulated Arm cores, if those were asked for.
        pytorch_top1: share of labelled inputs that the PyTorch network classifies correctly; None: no labels.
    """

    rows: dict[str, Row]
    ratios: dict[str, Ratio]
    measured: Measurement
    counted: tuple[InstructionCount, ...]
    pytorch_top1: float | None


def compare(
    files: Mapping[str, Path],
    network: Callable[[NDArray[np.float32]], NDArray[np.float32]],
    inputs: Iterable[Labelled],
    settings: Settings | None = None,
    arm: Sequence[ArmProfile] = (),
) -> Comparison:
    """Measure the four artifacts, then run them and the network on every evaluation input.

    Args:
        files: "ours fp32", "ours int8", "theirs fp32", "theirs int8" -> .tflite file.
        network: the PyTorch network, (1, C, H, W) to logits (1, classes).
        inputs: evaluation inputs; read once, one in memory at a time.
        settings: of the latency measurement.
        arm: cores on which to count instructions, too.

    Raises:
        InputError: a file that LiteRT does not load, an input that does not fit, or no C compiler.
    """
    models = models_of(list(files.values()))
    named = [replace(model, name=name) for name, model in zip(files, models, strict=True)]
    measured = measure(Host(), named, settings)
    counted = tuple(EmulatedCore(profile, Emulator.found()).measure(named) for profile in arm)
    samples = dict(zip(files, measured.samples, strict=True))
    latencies = dict(zip(files, measured.summaries, strict=True))

    artifacts = {name: Artifact(path) for name, path in files.items()}
    to_pytorch, to_own = ({name: Accumulator() for name in artifacts} for _ in range(2))
    agreement = {name: ClassificationAgreement() for name in artifacts}
    accuracy = {name: TopClasses() for name in ("pytorch", *artifacts)}
    for image, label in inputs:
        outputs = {"pytorch": network(image)} | {name: run(image) for name, run in artifacts.items()}
        for name in artifacts:
            to_pytorch[name].add(outputs["pytorch"], outputs[name])
            agreement[name].add({"logits": outputs["pytorch"]}, {"logits": outputs[name]})
            to_own[name].add(outputs[f"{name.split()[0]} fp32"], outputs[name])
        if label is not None:
            for name, logits in outputs.items():
                accuracy[name].add_logits(logits.ravel(), label)

    rows = {
        name: Row(
            path=artifact.path,
            size_bytes=artifact.path.stat().st_size,
            partitions=artifact.partitions,
            latency=latencies[name],
            to_pytorch=to_pytorch[name].result(),
            agrees=_first_share(*agreement[name].result().values()),
            to_own_fp32=to_own[name].result(),
            top1=_first_share(accuracy[name].result()),
        )
        for name, artifact in artifacts.items()
    }
    ratios = {f"{above} / {below}": ratio(samples[above], samples[below]) for above, below in RATIOS}
    return Comparison(rows, ratios, measured, counted, _first_share(accuracy["pytorch"].result()))


def _first_share(*figures: tuple[Figure, ...]) -> float | None:
    """The first figure, if there is one."""
    return figures[0][0].share if figures else None


def table(comparison: Comparison) -> str:
    """The comparison as text for a terminal."""
    rows = [["", "median ms", "95 %", "partitions", "MB", "SQNR dB", "to own fp32", "agrees %", "top-1 %"]]
    for name, row in comparison.rows.items():
        rows.append(
            [
                name,
                f"{row.latency.median.value:.3f}",
                f"± {row.latency.median.half_width:.1%}",
                f"{row.partitions}",
                f"{row.size_bytes / 1e6:.2f}",
                f"{row.to_pytorch.sqnr_db:.2f}",
                "" if name.endswith("fp32") else f"{row.to_own_fp32.sqnr_db:.2f}",
                _percent(row.agrees),
                _percent(row.top1),
            ]
        )
    relative = [["latency ratio, in turns", "median", "95 %"]]
    relative += [
        [name, f"{value.value:.3f}", f"{value.low:.3f} - {value.high:.3f}"]
        for name, value in comparison.ratios.items()
    ]
    counts = [*_aligned(_counts(comparison.counted)), ""] if comparison.counted else []
    inputs = comparison.rows["ours fp32"].to_pytorch.samples
    notes = [f"{inputs} evaluation inputs; SQNR and agreement against the PyTorch network"]
    if comparison.pytorch_top1 is not None:
        notes[0] += f", whose top-1 is {_percent(comparison.pytorch_top1)} %"
    measured = comparison.measured
    notes.append(
        f"latencies on core {measured.core} of {measured.identity.name}, {measured.runtime}, one thread"
    )
    notes.append(f"not stable: {'; '.join(measured.reasons)}" if measured.reasons else "stable")
    return "\n".join([*_aligned(rows), "", *_aligned(relative), "", *counts, *notes])


def _counts(counted: Sequence[InstructionCount]) -> list[list[str]]:
    """Millions of instructions of each artifact on each core, and their ratios."""
    cores = [{model.name: model.instructions / 1e6 for model in core.models} for core in counted]
    rows = [["M instructions, no time", *(core.identity.name for core in counted)]]
    rows += [[name, *(f"{core[name]:.3f}" for core in cores)] for name in cores[0]]
    pairs = ((f"{above} / {below}", above, below) for above, below in RATIOS)
    return rows + [[name, *(f"{core[a] / core[b]:.4f}" for core in cores)] for name, a, b in pairs]


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.2f}"


def _aligned(rows: list[list[str]]) -> list[str]:
    """Columns padded to their widest cell, the first to the left and the others to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            cell.rjust(width) if i else cell.ljust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    ]
