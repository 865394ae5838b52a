"""The command line: parse, call the library, print. Everything here can be done from Python, too.

What a command is asked for goes to stdout; progress, warnings and errors go to stderr.
"""

from __future__ import annotations

import importlib
import os
import signal
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import NoReturn

from mobiledeploy.base.errors import MobileDeployError
from mobiledeploy.base.options import Options
from mobiledeploy.base.terminal import complain
from mobiledeploy.base.version import __version__
from mobiledeploy.cli.arguments import EXIT_USAGE, Parser, add_options, settings_from
from mobiledeploy.cli.command import EXPORT_EXIT_CODES, Command, Output

__all__ = ["COMMANDS", "command_named", "main", "run"]

EXIT_INTERNAL = 1
EXIT_INTERRUPTED = 130

COMMANDS = {
    "list": "the networks that are built in",
    "export": "a network to checked TFLite artifacts",
    "verify": "compare two .tflite files",
    "bench": "measure .tflite files",
    "doctor": "what measuring needs",
}
"""Name, which is that of its file, too -> what it is for."""


def run() -> NoReturn:
    """Entry point of the ``mobiledeploy`` command."""
    for ending in (signal.SIGTERM, getattr(signal, "SIGHUP", signal.SIGTERM)):
        if signal.getsignal(ending) is signal.SIG_DFL:  # nohup has SIGHUP ignored, and means it
            signal.signal(ending, _interrupt)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # names that the terminal's encoding lacks must not end an export
            stream.reconfigure(errors="backslashreplace")
    code = main(sys.argv[1:])
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    # All is written and cleaned up, and taking down a process that has loaded torch takes two seconds more.
    os._exit(code)


def _interrupt(number: int, frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


def main(arguments: Sequence[str]) -> int:
    """Run a command line and return its exit code."""
    try:
        values = vars(_parser(arguments).parse_args(arguments))
    except SystemExit as end:  # after --help and --version, too
        return EXIT_USAGE if end.code else 0
    command: Command[Options] = values["command"]
    output = Output(values["json"], values["quiet"], values["verbose"])
    try:
        code = command.run(settings_from(values, command.options), output)
        sys.stdout.flush()
        return code
    except KeyboardInterrupt:
        complain("interrupted; files are written all together at the end, or not at all")
        return EXIT_INTERRUPTED
    except MobileDeployError as error:
        complain(f"error: {error}")
        return error.exit_code
    except MemoryError:
        complain("error: out of memory, expected enough for the network and an image; pass a smaller --size")
        return EXIT_USAGE
    except BrokenPipeError:
        # The reader of our output went away, as `| head` does. Python would complain again on closing stdout.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        complain(f"error: the system says {error}, expected it to go on; see to that, and try again")
        return EXIT_USAGE
    except Exception as error:
        return _report_bug(error, output.verbose)


def _report_bug(error: Exception, verbose: bool) -> int:
    place = traceback.extract_tb(error.__traceback__)[-1]
    if verbose:
        traceback.print_exception(error)
    complain(
        f"internal error: {type(error).__name__}: {error} ({Path(place.filename).name}:{place.lineno}); "
        "please report it with the command"
        + (" and the lines above" if verbose else " and what it prints with -v")
    )
    return EXIT_INTERNAL


def _parser(arguments: Sequence[str]) -> Parser:
    """Return the parser of all commands. Only the one that is named gets its options: they take imports."""
    parser = Parser(
        prog="mobiledeploy",
        description="PyTorch convolutional networks to fast, checked int8 TFLite for the CPU of a phone.",
        epilog=EXPORT_EXIT_CODES,
    )
    parser.add_argument("--version", action="version", version=f"mobiledeploy {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    shared = _shared_parser()
    for name, title in COMMANDS.items():
        own = commands.add_parser(name, parents=[shared], help=title)
        if name in arguments:
            command = command_named(name)
            own.description, own.epilog = command.description, command.epilog
            own.set_defaults(command=command)
            add_options(own, command.options)
    return parser


def command_named(name: str) -> Command[Options]:
    """Return the command that the file of that name describes."""
    command: Command[Options] = importlib.import_module(f"mobiledeploy.cli.{name}").COMMAND
    return command


def _shared_parser() -> Parser:
    """Return a parser of the options that every command has, which fill an ``Output``."""
    parser = Parser(add_help=False)
    parser.add_argument("--json", action="store_true", help="print one JSON document instead of tables")
    loudness = parser.add_mutually_exclusive_group()
    loudness.add_argument(
        "-q", "--quiet", action="store_true", help="print errors, and with --json the document, only"
    )
    loudness.add_argument(
        "-v", "--verbose", action="store_true", help="print times, rewrites and refusals, too"
    )
    return parser
