"""``mobiledeploy doctor``."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Literal, get_args

from mobiledeploy.base.options import Options, option
from mobiledeploy.base.terminal import print_json, show
from mobiledeploy.cli.arguments import EXIT_USAGE
from mobiledeploy.cli.command import Command, Output

__all__ = ["COMMAND"]

_Device = Literal["host", "arm", "phone"]


@dataclass(frozen=True)
class _DoctorOptions(Options):
    device: _Device = option("host", choices=get_args(_Device), help="what the exit code is to tell of")


def _doctor(options: _DoctorOptions, output: Output) -> int:
    from mobiledeploy.bench.doctor import examine, findings_sections, missing_for

    findings = examine()
    if output.json:
        print_json({"findings": [asdict(finding) for finding in findings]})
    elif not output.quiet:
        show(findings_sections(findings))
    return EXIT_USAGE if missing_for(findings, options.device) else 0


COMMAND = Command(
    _DoctorOptions,
    _doctor,
    description="Say what `mobiledeploy bench` needs, what of it is missing, and how to install that.",
    epilog="exit codes: 0 what --device names can be measured on; 2 it cannot",
)
