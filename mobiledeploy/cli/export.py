"""``mobiledeploy export``."""

from __future__ import annotations

import sys
from contextlib import redirect_stdout
from typing import TYPE_CHECKING, Any

from mobiledeploy.base.errors import VerificationError
from mobiledeploy.base.terminal import console, drawn, print_json, progress_on_stderr, warn
from mobiledeploy.cli.command import EXPORT_EXIT_CODES, Command, Output
from mobiledeploy.settings import ExportSettings

if TYPE_CHECKING:
    from mobiledeploy.api import ExportResult

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
    from mobiledeploy.report.sections import sections

    screen = console(sys.stdout)
    for section in sections(result.report):
        if verbose or not section.detail:
            screen.print(drawn(section))
    for step, seconds in result.seconds.items() if verbose else ():
        screen.print(f"{seconds:7.2f} s  {step}")
    screen.print(f"written to {result.out} in {sum(result.seconds.values()):.1f} s")


COMMAND = Command(
    ExportSettings,
    _export,
    description="Write SOURCE as ONNX and TFLite, float and (with --precision) others, and check them.",
    epilog=EXPORT_EXIT_CODES,
)
