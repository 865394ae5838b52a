"""``mobiledeploy verify``."""

from __future__ import annotations

import sys

from mobiledeploy.base.errors import VerificationError
from mobiledeploy.base.terminal import console, drawn, print_json, warn
from mobiledeploy.cli.command import EXPORT_EXIT_CODES, Command, Output
from mobiledeploy.verify.settings import VerifySettings

__all__ = ["COMMAND"]


def _verify(settings: VerifySettings, output: Output) -> int:
    from mobiledeploy.report.sections import checks_section, layers_section
    from mobiledeploy.verify.verify import run_verify

    found = run_verify(settings)
    warn(found.warnings, output.quiet)
    if output.json:
        checks = [check.to_json() for check in found.checks]
        layers = {layer.name: layer.sqnr_db for layer in found.layers}
        print_json({"checks": checks, "layers": layers, "warnings": found.warnings})
    elif not output.quiet:
        screen = console(sys.stdout)
        screen.print(drawn(checks_section(found.checks)))
        if found.layers:
            screen.print(drawn(layers_section(found.layers)))
    if found.failures:
        raise VerificationError("\n".join(found.failures))
    return 0


COMMAND = Command(
    VerifySettings,
    _verify,
    description="Run two .tflite files on the same inputs and compare outputs and layers.",
    epilog=EXPORT_EXIT_CODES,
)
