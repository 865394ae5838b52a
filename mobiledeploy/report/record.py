"""The record of an export, and its views: JSON for machines, tables for people."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

from rich import box
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from mobiledeploy.base.files import file_sha256
from mobiledeploy.base.version import __version__
from mobiledeploy.quantize.explain.layer_findings import LayerFinding
from mobiledeploy.quantize.mixed.mixed_precision import MixedPrecision
from mobiledeploy.quantize.mixed.sensitivity import LayerSensitivity
from mobiledeploy.runtime.partitions import Partitions
from mobiledeploy.verify.metrics import Difference
from mobiledeploy.verify.verify import AccuracyReport, Check, LayerDifference

__all__ = [
    "ArtifactRecord",
    "Report",
    "TensorRecord",
    "as_json",
    "checks_table",
    "detailed_tables",
    "layers_table",
    "tables",
]

_PACKAGES = ("ai-edge-litert", "numpy", "onnx", "onnx-ir", "onnxruntime", "onnxscript", "onnxsim", "torch")
_WORST_LAYERS = 5


@dataclass(frozen=True)
class TensorRecord:
    """An input or output of an artifact.

    Attributes:
        shape: As an app has to supply it; images NHWC.
        scale: real = scale * (integer - zero_point); None in float.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    scale: float | None = None
    zero_point: int | None = None


@dataclass(frozen=True)
class ArtifactRecord:
    """A file that was written. The fields after ``sha256`` are those of .tflite files.

    Attributes:
        notes: What of it is not in the precision that was asked for, and why.
    """

    file: str
    size_bytes: int
    sha256: str
    inputs: tuple[TensorRecord, ...] = ()
    outputs: tuple[TensorRecord, ...] = ()
    partitions: Partitions | None = None
    notes: tuple[str, ...] = ()

    @classmethod
    def of(
        cls,
        path: Path,
        inputs: tuple[TensorRecord, ...] = (),
        outputs: tuple[TensorRecord, ...] = (),
        partitions: Partitions | None = None,
        notes: tuple[str, ...] = (),
    ) -> ArtifactRecord:
        """The record of a file on disk."""
        return cls(path.name, path.stat().st_size, file_sha256(path), inputs, outputs, partitions, notes)


@dataclass
class Report:
    """What was made, from what, with which settings, and how well it checks out.

    It holds no times and no paths of the machine, so that two runs with the same settings give the same
    report.

    Attributes:
        checked_on: The inputs that the checks ran on, and where they are from.
        calibration: Inputs and method of the calibration, and which ranges were widened for the target; None
            where nothing was calibrated.
        rewrites: Precision -> which rules were applied, which refused and why.
        artifacts: "onnx", "qdq", "fp32", "int8" -> the file.
        findings: The int8 layers of least SQNR, each with a reason.
        sensitivity: What each layer's rounding costs; empty where it was not measured.
        kept_float: Names of the results that stay in float because the settings say so.
        mixed_precision: What an accuracy budget put into float; None without one.
    """

    model: dict[str, Any]
    weights: dict[str, Any]
    settings: dict[str, Any]
    checked_on: str
    calibration: dict[str, Any] | None = None
    preprocessing: dict[str, Any] | None = None
    rewrites: dict[str, Any] = field(default_factory=dict)
    artifacts: dict[str, ArtifactRecord] = field(default_factory=dict)
    checks: list[Check] = field(default_factory=list)
    layers: list[LayerDifference] = field(default_factory=list)
    findings: list[LayerFinding] = field(default_factory=list)
    sensitivity: list[LayerSensitivity] = field(default_factory=list)
    kept_float: list[str] = field(default_factory=list)
    mixed_precision: MixedPrecision | None = None
    accuracy: list[AccuracyReport] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    @property
    def failures(self) -> list[str]:
        """What keeps the artifacts from being right, in words; empty when all checks passed."""
        found = [check.failure() for check in self.checks if not check.passed]
        if found and self.layers:
            worst = min(self.layers, key=lambda layer: layer.sqnr_db)
            found.append(f"the layer of least SQNR is {worst.name} ({worst.sqnr_db:.1f} dB)")
        if self.mixed_precision is not None and (failure := self.mixed_precision.failure) is not None:
            found.append(failure)
        return found

    def against_fp32(self, key: str) -> Difference | None:
        """A .tflite artifact against the fp32 one, at the output of least SQNR; None if not compared."""
        pair = (f"{key} TFLite", "fp32 TFLite")
        found = [check.difference for check in self.checks if (check.candidate, check.reference) == pair]
        return min(found, key=lambda difference: difference.sqnr_db, default=None)

    def to_json(self) -> dict[str, Any]:
        """Plain data that json can write; an infinite figure as the string "inf"."""
        packages = {name: version(name) for name in _PACKAGES}
        checks = [check.to_json() for check in self.checks]
        plain = asdict(self) | {"checks": checks, "passed": not self.failures, "failures": self.failures}
        return {"mobiledeploy": __version__, "packages": packages, **_finite(plain)}

    def to_bytes(self) -> bytes:
        """The content of ``report.json``."""
        return as_json(self.to_json()).encode()


def as_json(value: Any) -> str:
    """One JSON document, strictly within the standard."""
    return json.dumps(_finite(value), indent=2, allow_nan=False) + "\n"


def _finite(value: Any) -> Any:
    """JSON has no infinity: it becomes a string, as in `Difference.to_json`."""
    if isinstance(value, dict):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


def tables(report: Report) -> list[RenderableType]:
    """The report as tables for a terminal."""
    parts: list[RenderableType] = [_artifacts_table(report)]
    if report.checks:
        parts.append(checks_table(report.checks, _caption(report)))
    if report.accuracy:
        parts.append(_accuracy_table(report.accuracy))
    if report.mixed_precision is not None:
        parts.append(_mixed_table(report.mixed_precision))
    if report.findings:
        parts.append(_findings_table(report.findings))
    elif report.layers:
        parts.append(layers_table(report.layers))
    return parts


def detailed_tables(report: Report) -> list[RenderableType]:
    """Those that are long."""
    parts: list[RenderableType] = []
    if report.sensitivity:
        parts.append(_sensitivity_table(report.sensitivity))
    return parts


def _table(*columns: str, title: str | None = None, caption: str | None = None) -> Table:
    """Narrow enough that the widest fits a terminal of 80 columns with few breaks."""
    return Table(
        *columns,
        title=None if title is None else Text(title, style="bold"),
        caption=None if caption is None else Text(caption),
        caption_justify="left",
        box=box.SIMPLE_HEAD,
    )


def _caption(report: Report) -> str:
    return f"weights: {report.weights['description']}\ninputs: {report.checked_on}"


def _artifacts_table(report: Report) -> Table:
    """What each artifact costs: SQNR and top-1 agreement are those against the fp32 artifact."""
    notes = [f"{key}: {note}" for key, artifact in report.artifacts.items() for note in artifact.notes]
    columns = ("artifact", "size", "parts", "ops outside", "SQNR dB", "top-1 %")
    table = _table(*columns, title=report.model["name"], caption="\n".join(notes) or None)
    for key, artifact in report.artifacts.items():
        partitions = artifact.partitions
        against_fp32 = report.against_fp32(key)
        table.add_row(
            Text(artifact.file),
            _size(artifact.size_bytes),
            str(partitions.count) if partitions else "",
            _outside(partitions) if partitions else "",
            f"{against_fp32.sqnr_db:.1f}" if against_fp32 else "",
            _percent(against_fp32.top1_agreement) if against_fp32 else "",
        )
    return table


def _size(count: int) -> str:
    return f"{count / 1e6:.2f} MB" if count >= 1e5 else f"{count / 1e3:.1f} kB"


def _outside(partitions: Partitions) -> Text:
    reasons = dict.fromkeys(op.reason for op in partitions.outside)
    if not reasons:
        return Text(f"none of {partitions.ops}")
    return Text(f"{len(partitions.outside)} of {partitions.ops}: {'; '.join(reasons)}")


def checks_table(checks: Sequence[Check], caption: str | None = None) -> Table:
    """One row per output that was compared. The caption says with what."""
    columns = ("compared", "against", "SQNR dB", "error/range", "cosine", "top-1 %", "top-5 %", "")
    table = _table(*columns, caption=caption)
    several = len({check.output for check in checks}) > 1
    for check in checks:
        d = check.difference
        table.add_row(
            Text(f"{check.candidate} {check.output}" if several else check.candidate),
            Text(check.reference),
            f"{d.sqnr_db:.1f}",
            f"{d.relative_error:.1e}",
            f"{d.cosine:.4f}",
            _percent(d.top1_agreement),
            _percent(d.top5_agreement),
            _verdict(check),
        )
    return table


def _verdict(check: Check) -> Text:
    if check.limit is None:
        return Text()
    return Text("ok", style="green") if check.passed else Text(f"fails: {check.limit}", style="red")


def layers_table(layers: Sequence[LayerDifference]) -> Table:
    """The layers where most is lost."""
    table = _table("layers of least SQNR (int8 against fp32)", "dB")
    for layer in sorted(layers, key=lambda layer: layer.sqnr_db)[:_WORST_LAYERS]:
        table.add_row(Text(layer.name), f"{layer.sqnr_db:.1f}")
    return table


def _findings_table(findings: Sequence[LayerFinding]) -> Table:
    """Lines break within the cells, so that the names of layers stay whole."""
    caption = "dB: SQNR of its result with everything before it in int8; own: with its input from float"
    table = _table("worst layers", "dB", "own dB", "why, and what can be done", caption=caption)
    table.columns[0].overflow = table.columns[3].overflow = "fold"
    for found in findings:
        words = f"{found.text}. Remedy: {found.remedy}."
        if found.affected:
            words += f" {_heirs(found.affected)}"
        table.add_row(Text(found.layer), f"{found.sqnr_db:.1f}", f"{found.own_sqnr_db:.1f}", Text(words))
    return table


def _heirs(names: Sequence[str]) -> str:
    if len(names) == 1:
        return f"{names[0]} after it has that from it."
    return f"{len(names)} layers after it have that from it, such as {names[0]}."


def _sensitivity_table(sensitivity: Sequence[LayerSensitivity]) -> Table:
    caption = (
        "alone: SQNR of the output with that layer alone in int8; gain: with it alone in float, against int8 "
        "throughout (both as far as noise adds up); cost: estimated instructions with it in float, against "
        "int8 throughout"
    )
    table = _table("layer", "op", "alone dB", "gain dB", "cost", title="sensitivity", caption=caption)
    for found in sorted(sensitivity, key=lambda found: found.alone_db):
        figures = (f"{found.alone_db:.1f}", f"{found.gain_db:+.2f}", f"{100 * (found.cost - 1):+.1f} %")
        table.add_row(Text(found.layer), found.op, *figures)
    return table


def _mixed_table(mixed: MixedPrecision) -> Table:
    first, last = mixed.steps[0], mixed.chosen
    table = _table("accuracy budget", "in float", "cost", "SQNR dB", "points lost", caption=_told(mixed))
    for name, step in (("everything in int8", first), ("as written", last)):
        lost = "" if step.lost_points is None else f"{step.lost_points:.2f}"
        table.add_row(name, str(step.in_float), f"{step.cost:.3f}", f"{step.sqnr_db:.1f}", lost)
    return table


def _told(mixed: MixedPrecision) -> str:
    words = f"{mixed.budget}; {'kept' if mixed.met else 'not kept even in float'}; {mixed.measured_on}"
    return f"{words}\nin float: {', '.join(mixed.layers) or 'nothing'}"


def _accuracy_table(accuracy: Sequence[AccuracyReport]) -> Table:
    table = _table("accuracy", "images", "top-1 %", "top-5 %")
    for row in accuracy:
        table.add_row(row.artifact, str(row.samples), _percent(row.top1), _percent(row.top5))
    return table


def _percent(share: float | None) -> str:
    return "" if share is None else f"{100 * share:.2f}"
