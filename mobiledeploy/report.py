"""The record of an export, and its views: JSON for machines, tables for people."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mobiledeploy.verify import AccuracyReport, Check, LayerDifference
from mobiledeploy.version import __version__

if TYPE_CHECKING:
    from rich.console import RenderableType

    from mobiledeploy.partitions import Partitions

__all__ = ["ArtifactRecord", "Report", "TensorRecord", "checks_table", "layers_table", "tables"]

_RECORDED_PACKAGES = ("ai-edge-litert", "numpy", "onnx", "onnx-ir", "onnxruntime", "onnxscript", "onnxsim", "torch")
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
    """A file that was written. The fields after ``sha256`` are those of .tflite files."""

    file: str
    size_bytes: int
    sha256: str
    inputs: tuple[TensorRecord, ...] = ()
    outputs: tuple[TensorRecord, ...] = ()
    partitions: Partitions | None = None


@dataclass
class Report:
    """What was made, from what, with which settings, and how well it checks out.

    It holds no times and no paths of the machine, so that two runs with the same settings give the same report.
    """

    model: dict[str, Any]
    weights: dict[str, Any]
    settings: dict[str, Any]
    calibration: dict[str, Any] | None = None
    preprocessing: dict[str, Any] | None = None
    rewrites: dict[str, Any] = field(default_factory=dict)
    artifacts: dict[str, ArtifactRecord] = field(default_factory=dict)
    checks: list[Check] = field(default_factory=list)
    layers: list[LayerDifference] = field(default_factory=list)
    accuracy: list[AccuracyReport] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    @property
    def failures(self) -> list[str]:
        """What keeps the artifacts from being right, in words; empty when all checks passed."""
        return [check.failure() for check in self.checks if not check.passed]

    def to_json(self) -> dict[str, Any]:
        """Plain data that json can write. Infinite figures become null."""
        checks = [
            {
                "candidate": check.candidate,
                "reference": check.reference,
                "output": check.output,
                **check.difference.to_json(),
                "limit": str(check.limit) if check.limit else None,
                "passed": check.passed,
            }
            for check in self.checks
        ]
        plain = asdict(self) | {"checks": checks, "passed": not self.failures, "failures": self.failures}
        packages = {name: version(name) for name in _RECORDED_PACKAGES}
        result: dict[str, Any] = _finite({"mobiledeploy": __version__, "packages": packages, **plain})
        return result

    def write(self, path: Path) -> None:
        """Write the JSON."""
        path.write_text(json.dumps(self.to_json(), indent=2, allow_nan=False) + "\n", encoding="utf-8")


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def tables(report: Report) -> list[RenderableType]:
    """The report as tables for a terminal."""
    parts: list[RenderableType] = [_artifacts_table(report)]
    if report.checks:
        parts.append(checks_table(report.checks))
    if report.accuracy:
        parts.append(_accuracy_table(report.accuracy))
    if report.layers:
        parts.append(layers_table(report.layers))
    return parts


def _artifacts_table(report: Report) -> RenderableType:
    from rich.table import Table

    table = Table("artifact", "size", "XNNPACK partitions", "ops outside", title=report.model["name"])
    for artifact in report.artifacts.values():
        partitions = artifact.partitions
        table.add_row(
            artifact.file,
            f"{artifact.size_bytes / 1e6:.2f} MB",
            str(partitions.count) if partitions else "",
            _outside(partitions) if partitions else "",
        )
    return table


def _outside(partitions: Partitions) -> str:
    reasons = dict.fromkeys(op.reason for op in partitions.outside)
    if not reasons:
        return f"none of {partitions.ops}"
    return f"{len(partitions.outside)} of {partitions.ops}: {'; '.join(reasons)}"


def checks_table(checks: list[Check]) -> RenderableType:
    """One row per output that was compared."""
    from rich.table import Table

    table = Table("compared", "against", "SQNR dB", "max error / range", "cosine", "top-1", "top-5", "")
    for check in checks:
        d = check.difference
        verdict = "[green]ok[/]" if check.passed else f"[red]fails: {check.limit}[/]"
        several = sum(c.candidate == check.candidate and c.reference == check.reference for c in checks) > 1
        table.add_row(
            check.candidate + (f" {check.output}" if several else ""),
            check.reference,
            f"{d.sqnr_db:.1f}",
            f"{d.relative_error:.1e}",
            f"{d.cosine:.5f}",
            _percent(d.top1_agreement),
            _percent(d.top5_agreement),
            verdict if check.limit else "",
        )
    return table


def layers_table(layers: list[LayerDifference]) -> RenderableType:
    """The layers where most is lost."""
    from rich.table import Table

    worst = sorted(layers, key=lambda layer: layer.sqnr_db)[:_WORST_LAYERS]
    table = Table("layers of least SQNR (int8 against fp32)", "dB")
    for layer in worst:
        table.add_row(layer.name, f"{layer.sqnr_db:.1f}")
    return table


def _accuracy_table(accuracy: list[AccuracyReport]) -> RenderableType:
    from rich.table import Table

    table = Table("accuracy", "images", "top-1 %", "top-5 %")
    for row in accuracy:
        top1, top5 = (_percent(None if share is None else share) for share in (row.top1, row.top5))
        table.add_row(row.artifact, str(row.samples), top1, top5)
    return table


def _percent(share: float | None) -> str:
    return "" if share is None else f"{100 * share:.2f} %"
