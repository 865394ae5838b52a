"""The one command: `python -m mobiledeploy.bench.evaluation`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module

from mobiledeploy.base.errors import MobileDeployError
from mobiledeploy.base.terminal import complain
from mobiledeploy.bench.evaluation.page import PROGRAM
from mobiledeploy.cli.arguments import Parser

__all__ = ["main"]

COMMANDS = {
    "accuracy": ("accuracy.command", "quantize trained networks by our methods and other tools', on images"),
    "train": ("train", "train weights to measure accuracy with, by a short recipe"),
    "peers": ("peers", "speed and outputs of our artifacts beside litert-torch's of one network"),
    "runtimes": ("runtimes", "run two artifacts on other runtimes, and compare the outputs"),
    "zoo": ("zoo", "export every network of the registry at full size, and check what came out"),
}
"""Command -> module with `add_options` and `run`, and what it does."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command line and return its exit code."""
    given = sys.argv[1:] if arguments is None else arguments
    parser = Parser(
        prog=PROGRAM,
        description="Measure mobiledeploy itself, beside other tools and runtimes.",
        epilog="bench/evaluation/README.md says how to set up other tools. Exit codes: 0 measured; 2 bad "
        "input; 3 something is not as it should be (runtimes, zoo).",
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, (module, purpose) in COMMANDS.items():
        command = commands.add_parser(name, help=purpose, description=f"{purpose[0].upper()}{purpose[1:]}.")
        if given[:1] == [name]:  # the others' modules need not be imported
            chosen = import_module(f"{__package__}.{module}")
            chosen.add_options(command)
            command.set_defaults(run=chosen.run)
    args = parser.parse_args(given)
    try:
        code: int = args.run(args)
    except MobileDeployError as error:
        complain(f"error: {error}")
        return error.exit_code
    return code


if __name__ == "__main__":
    sys.exit(main())
