"""``mobiledeploy export``."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import redirect_stdout
from typing import TYPE_CHECKING, Any

from mobiledeploy.base.errors import VerificationError
from mobiledeploy.base.terminal import console, print_json, progress_on_stderr, warn
from mobiledeploy.cli.command import EXPORT_EXIT_CODES, Command, Output
from mobiledeploy.settings import ExportSettings

if TYPE_CHECKING:
    from mobiledeploy.api import ExportResult
    from mobiledeploy.report.record import Report

__all__ = ["COMMAND"]


def _export(settings: ExportSettings, output: Output) -> int:
    from mobiledeploy.api import run_export

    # The user's own code may print; stdout is ours.
    with redirect_stdout(sys.stderr), progress_on_stderr(output.quiet) as progress:
        result = run_export(settings, progress)
    warn(result.report.warnings, output.quiet)
    if output.json:
        print_json(_summary(result))
    elif not output.quiet:
        _print_result(result, output.verbose)
    if not result.passed:
        lines = "\n".join(result.report.failures)
        raise VerificationError(f"the artifacts in {result.out} miss a threshold:\n{lines}")
    return 0


def _summary(result: ExportResult) -> dict[str, Any]:
    files = {key: str(path) for key, path in result.artifacts.items()}
    seconds = {step: round(value, 3) for step, value in result.seconds.items()}
    return {"name": result.name, "files": files, "seconds": seconds, "report": result.report.to_json()}


def _print_result(result: ExportResult, verbose: bool) -> None:
    from mobiledeploy.report.record import detailed_tables, tables

    screen = console(sys.stdout)
    for table in tables(result.report):
        screen.print(table)
    if verbose:
        for table in detailed_tables(result.report):
            screen.print(table)
        for line in _details(result.report):
            screen.print(line)
        for step, seconds in result.seconds.items():
            screen.print(f"{seconds:7.2f} s  {step}")
    screen.print(f"written to {result.out} in {sum(result.seconds.values()):.1f} s")


def _details(report: Report) -> Iterator[str]:
    """What was done to the graph, a line each."""
    for precision, log in report.rewrites.items():
        for rule in log["applied"]:
            yield f"{precision}: {rule['rule']} x {rule['count']}"
        for refusal in log["refused"]:
            yield f"{precision}: {refusal['rule']} not at {refusal['node']}: {refusal['reason']}"
    calibration = report.calibration or {}
    adjusted = calibration.get("weight_adjustment", {})
    for part in adjusted.get("equalized", ()):
        yield (
            f"{', '.join(part['values'])}: {part['channels']} channels scaled by {part['smallest']:.2g} to "
            f"{part['largest']:.2g}, rounding noise {part['gain_db']:.1f} dB lower as predicted"
        )
    for outlier in adjusted.get("outliers", ()):
        if outlier["reason"] is not None:
            yield (
                f"{outlier['value']}: channels {', '.join(map(str, outlier['channels']))} reach up to "
                f"{max(outlier['ratios']):.0f} times as far as the middle one: {outlier['reason']}"
            )
    yield from calibration.get("widened", ())
    yield from calibration.get("reconstruction", ())
    if (search := calibration.get("search")) is not None:
        yield "ranges by " + ", ".join(f"{method} x {count}" for method, count in search["methods"].items())
        for group in search["changed"]:
            yield f"{', '.join(group['values'])}: range by {group['method']}, {group['gain_db']:+.2f} dB"


COMMAND = Command(
    ExportSettings,
    _export,
    description="Write SOURCE as ONNX and TFLite, float and (with --precision) others, and check them.",
    epilog=EXPORT_EXIT_CODES,
)
