"""The record of an export: what report.json holds."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

from mobiledeploy.base.files import file_sha256
from mobiledeploy.base.json_text import as_json, without_infinities
from mobiledeploy.base.version import __version__
from mobiledeploy.quantize.explain.layer_findings import LayerFinding
from mobiledeploy.quantize.mixed.mixed_precision import MixedPrecision
from mobiledeploy.quantize.mixed.sensitivity import LayerSensitivity
from mobiledeploy.runtime.partitions import Partitions
from mobiledeploy.verify.verify import AccuracyReport, Check, LayerDifference

__all__ = ["ArtifactRecord", "Report", "TensorRecord"]

_PACKAGES = ("ai-edge-litert", "numpy", "onnx", "onnx-ir", "onnxruntime", "onnxscript", "onnxsim", "torch")


@dataclass(frozen=True)
class TensorRecord:
    """An input or output of an artifact.

    Attributes:
        shape: shape of the array that an app supplies; images are NHWC.
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
        notes: the parts that are not in the precision that was asked for, and why.
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
        """Return the record of a file on disk."""
        return cls(path.name, path.stat().st_size, file_sha256(path), inputs, outputs, partitions, notes)


@dataclass
class Report:
    """The record of an export: what was made, from what, with which settings, and how well it checks out.

    It holds no times and no paths of the machine, so that two runs with the same settings give the same
    report.

    Attributes:
        checked_on: the inputs that the checks ran on, and where they are from.
        calibration: inputs and method of the calibration, and which ranges were widened for the target; None
            where nothing was calibrated.
        task: the network's task, and what its outputs mean.
        rewrites: precision -> which rules were applied, which refused and why.
        artifacts: "onnx", "qdq", "fp32", "int8" -> the file.
        findings: the int8 layers of least SQNR, each with a reason.
        sensitivity: cost of each layer's rounding; empty where it was not measured.
        kept_float: names of the results that stay in float because the settings say so.
        mixed_precision: the layers that an accuracy budget put into float; None without one.
    """

    model: dict[str, Any]
    weights: dict[str, Any]
    settings: dict[str, Any]
    checked_on: str
    calibration: dict[str, Any] | None = None
    preprocessing: dict[str, Any] | None = None
    task: dict[str, Any] = field(default_factory=dict)
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
        """The checks that did not pass, in words; empty when all passed."""
        found = [check.failure() for check in self.checks if not check.passed]
        if found and self.layers:
            worst = min(self.layers, key=lambda layer: layer.sqnr_db)
            found.append(f"the layer of least SQNR is {worst.name} ({worst.sqnr_db:.1f} dB)")
        if self.mixed_precision is not None and (failure := self.mixed_precision.failure) is not None:
            found.append(failure)
        return found

    def against_fp32(self, key: str) -> Check | None:
        """Return the check of an artifact against fp32 at the output of least SQNR; None if not compared."""
        pair = (f"{key} TFLite", "fp32 TFLite")
        found = [check for check in self.checks if (check.candidate, check.reference) == pair]
        return min(found, key=lambda check: check.difference.sqnr_db, default=None)

    def to_json(self) -> dict[str, Any]:
        """Return plain data that json can write; an infinite figure as the string "inf"."""
        packages = {name: version(name) for name in _PACKAGES}
        checks = [check.to_json() for check in self.checks]
        accuracy = [row.to_json() for row in self.accuracy]
        plain = asdict(self) | {"checks": checks, "accuracy": accuracy}
        plain |= {"passed": not self.failures, "failures": self.failures}
        return {"mobiledeploy": __version__, "packages": packages, **without_infinities(plain)}

    def to_bytes(self) -> bytes:
        """Return the content of ``report.json``."""
        return as_json(self.to_json()).encode()
