"""The function ``mobiledeploy.export``. The steps, which import much, are imported when there is work."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mobiledeploy.base.errors import InputError
from mobiledeploy.base.files import staging_folder
from mobiledeploy.base.options import given, takes
from mobiledeploy.base.progress import Progress, Silent, Timed
from mobiledeploy.runtime.precisions import KINDS
from mobiledeploy.runtime.targets import get_target
from mobiledeploy.settings import ExportSettings
from mobiledeploy.sources.open_source import open_source
from mobiledeploy.sources.source import Source

if TYPE_CHECKING:
    from mobiledeploy.report.record import Report

__all__ = ["ExportResult", "export", "run_export"]


@dataclass(frozen=True)
class ExportResult:
    """Artifacts and report of an export.

    Attributes:
        name: Stem of the artifacts' names.
        out: Folder that holds the artifacts.
        artifacts: "onnx", "qdq", "fp32", "int8", "report", "html" -> path, as far as they were made.
        report: The record that ``report.json`` holds.
        seconds: Step -> wall time in seconds.
    """

    name: str
    out: Path
    artifacts: dict[str, Path]
    report: Report
    seconds: dict[str, float]

    @property
    def passed(self) -> bool:
        """Tell whether every check kept its threshold."""
        return not self.report.failures


@dataclass(frozen=True, kw_only=True)
class _Call(ExportSettings):
    """The arguments of ``export``: settings, and what shows the steps; nothing does when left out."""

    progress: Progress | None = None


@takes(_Call)
def export(call: _Call) -> ExportResult:
    """Do exactly what ``mobiledeploy export`` does, with the fields of ``ExportSettings`` as keywords.

    Args:
        thresholds: when an artifact counts as wrong
        progress: shows the steps; nothing does when left out

    Returns:
        The artifacts and the report. Look at ``passed``: artifacts that miss a threshold are kept.

    Raises:
        MobileDeployError: With a message that says what was wrong and what to do.
    """
    return run_export(call, call.progress or Silent())


def run_export(settings: ExportSettings, progress: Progress) -> ExportResult:
    """Run all steps. Artifacts appear in the output folder all together, or not at all.

    Raises:
        MobileDeployError: With a message that says what was wrong and what to do.
    """
    timed = Timed(progress)
    with timed.step("open the network"):
        source = open_source(str(settings.source), settings)
        out = settings.out or Path("artifacts") / source.name
        _require_fitting(settings, source, out)

    with timed.step("load the exporters"):
        from mobiledeploy.pipeline import make_artifacts
    with staging_folder(out) as staging:
        report = make_artifacts(settings, source, get_target(settings.target), staging, timed)
    artifacts = {key: out / record.file for key, record in report.artifacts.items()}
    artifacts |= {"report": out / "report.json", "html": out / "report.html"}
    return ExportResult(source.name, out, artifacts, report, timed.seconds)


def _require_fitting(settings: ExportSettings, source: Source, out: Path) -> None:
    if source.quantized:
        kinds = settings.precision[1:]
        asked = [f"--precision {','.join(kinds)}"] if kinds else []
        asked += ["--calibration"] if settings.calibration is not None else []
        if asked := asked + _asked_of_int8(settings):
            raise InputError(
                f"{' and '.join(asked)} for {settings.source}, which is quantized already, expected a float "
                "model; leave that out: an artifact is made with the scales that it has"
            )
    elif "int8" not in settings.precision and (asked := _asked_of_int8(settings)):
        raise InputError(f"{' and '.join(asked)} without an int8 artifact, expected one; add --int8")
    elif settings.io != "float32" and not any(settings.io in KINDS[kind].io for kind in settings.precision):
        wanted = next(name for name, kind in KINDS.items() if settings.io in kind.io)
        raise InputError(
            f"--io {settings.io} for {', '.join(settings.precision)}, expected an artifact that can have it; "
            f"add --precision {wanted}"
        )
    overwritten = [
        name
        for name in (f"{source.name}.onnx", *(f"{source.name}_{kind.qdq}.onnx" for kind in KINDS.values()))
        if _same(source.file, out / name)
    ]
    if overwritten:
        raise InputError(
            f"{out} holds {overwritten[0]}, the source, which an artifact would overwrite, expected another "
            "folder; pass another --out DIR"
        )


def _asked_of_int8(settings: ExportSettings) -> list[str]:
    """Return the given options that say how to quantize, as a user types them."""
    return [text for text, about in given(settings).items() if about.only == "int8"]


def _same(one: Path | None, other: Path) -> bool:
    return one is not None and one.resolve() == other.resolve()
