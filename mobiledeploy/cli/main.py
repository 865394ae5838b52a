"""The command line: parse, call the library, print. Everything here can be done from Python, too.

What a command is asked for goes to stdout; progress, warnings and errors go to stderr.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import traceback
from collections.abc import Iterator, Sequence
from contextlib import redirect_stdout
from dataclasses import asdict
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, NoReturn

from mobiledeploy.base.errors import MobileDeployError, VerificationError
from mobiledeploy.base.terminal import complain, console, drawn, print_json, progress_on_stderr, warn
from mobiledeploy.base.version import __version__
from mobiledeploy.cli.arguments import EXIT_USAGE, Parser, at_least, number, option, size
from mobiledeploy.cli.bench import add_bench, add_doctor

if TYPE_CHECKING:
    from mobiledeploy.api import ExportResult
    from mobiledeploy.models.spec import ModelSpec, Reported, Width

__all__ = ["main", "run"]

EXIT_INTERNAL = 1
EXIT_INTERRUPTED = 130

_EPILOG = """exit codes: 0 all checks passed; 1 internal error; 2 bad input, or a model that cannot be
exported; 3 artifacts were written but miss a threshold; 130 interrupted"""


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
        options = _parser().parse_args(arguments)
    except SystemExit as end:  # after --help and --version, too
        return EXIT_USAGE if end.code else 0
    try:
        code: int = options.command(options)
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
        return _report_bug(error, options.verbose)


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


# list


def _list(options: argparse.Namespace) -> int:
    from mobiledeploy.models.registry import specs

    if options.json:
        print(json.dumps({name: asdict(spec) for name, spec in specs().items()}, indent=2))
        return 0
    from rich import box
    from rich.table import Table

    columns = ("network", "task", "input", "params", "MAdds", "acc.", "arXiv")  # 80 characters wide
    table = Table(*columns, box=box.SIMPLE_HEAD, show_edge=False, padding=0)
    for spec in specs().values():
        sides = dict.fromkeys(spec.input_size)  # one number of a square
        arxiv = spec.paper.rpartition("arXiv:")[2]
        table.add_row(spec.name, spec.task, "x".join(map(str, sides)), *_figures(spec, spec.reported), arxiv)
        for width in spec.widths:
            table.add_row(f"  width {width.width_mult:g}", "", "", *_figures(width, width.reported))
    console(sys.stdout).print(table)
    return 0


def _figures(counted: ModelSpec | Width, reported: Reported | None) -> Iterator[str]:
    """Parameters and multiply-adds as counted, accuracy as reported."""
    yield f"{counted.parameters / 1e6:.2f}M"
    yield f"{counted.multiply_adds_m:.{0 if counted.multiply_adds_m >= 100 else 1}f}M"
    yield "" if reported is None or reported.accuracy is None else f"{reported.accuracy:.1f}"


# export


def _export(options: argparse.Namespace) -> int:
    from mobiledeploy.api import export
    from mobiledeploy.verify.thresholds import Thresholds

    # The user's own code may print; stdout is ours.
    with redirect_stdout(sys.stderr), progress_on_stderr(options.quiet) as progress:
        result = export(
            options.source,
            task=options.task,
            int8=options.int8,
            precision=options.precision,
            out=options.out,
            weights=options.weights,
            weights_as=options.weights_as,
            weights_host=options.weights_host,
            size=options.size,
            num_classes=options.num_classes,
            width_mult=options.width_mult,
            options=dict(options.option),
            calibration=options.calibration,
            samples=options.samples,
            calibrator=options.calibrator,
            keep_float=options.keep_float,
            accuracy_budget=options.accuracy_budget,
            sensitivity=options.sensitivity,
            cache=options.cache,
            equalize=options.equalization,
            correct_bias=options.bias_correction,
            effort=options.effort,
            validation=options.validation,
            validation_limit=options.validation_limit,
            seed=options.seed,
            io=options.io,
            target=options.target,
            thresholds=Thresholds(float_error=options.max_float_error, int8_sqnr_db=options.min_sqnr),
            progress=progress,
        )
    warn(result.report.warnings, options.quiet)
    if options.json:
        print_json(_summary(result))
    elif not options.quiet:
        _print_result(result, options.verbose)
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


# verify


def _verify(options: argparse.Namespace) -> int:
    from mobiledeploy.report.sections import checks_section, layers_section
    from mobiledeploy.verify.thresholds import Limit
    from mobiledeploy.verify.verify import verify_files

    limit = Limit("sqnr_db", options.min_sqnr)
    found = verify_files(
        options.candidate, options.reference, options.inputs, options.samples, options.seed, limit
    )
    warn(found.warnings, options.quiet)
    if options.json:
        checks = [check.to_json() for check in found.checks]
        layers = {layer.name: layer.sqnr_db for layer in found.layers}
        print_json({"checks": checks, "layers": layers, "warnings": found.warnings})
    elif not options.quiet:
        screen = console(sys.stdout)
        for section in (checks_section(found.checks), layers_section(found.layers)):
            if section.rows:
                screen.print(drawn(section))
    if found.failures:
        raise VerificationError("\n".join(found.failures))
    return 0


# Parsing


def _parser() -> Parser:
    parser = Parser(
        prog="mobiledeploy",
        description="PyTorch convolutional networks to fast, checked int8 TFLite for the CPU of a phone.",
        epilog=_EPILOG,
    )
    parser.add_argument("--version", action="version", version=f"mobiledeploy {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    shared = Parser(add_help=False)
    shared.add_argument("--json", action="store_true", help="print one JSON document instead of tables")
    loudness = shared.add_mutually_exclusive_group()
    loudness.add_argument(
        "-q", "--quiet", action="store_true", help="print errors, and with --json that, only"
    )
    loudness.add_argument(
        "-v", "--verbose", action="store_true", help="print times, rewrites and refusals, too"
    )

    listing = commands.add_parser("list", parents=[shared], help="the networks that are built in")
    listing.set_defaults(command=_list)
    _add_export(commands.add_parser("export", parents=[shared], help="a network to checked TFLite artifacts"))
    _add_verify(commands.add_parser("verify", parents=[shared], help="compare two .tflite files"))
    add_bench(commands.add_parser("bench", parents=[shared], help="measure .tflite files"))
    add_doctor(commands.add_parser("doctor", parents=[shared], help="what measuring needs"))
    return parser


def _add_export(parser: argparse.ArgumentParser) -> None:
    from mobiledeploy.quantize.calibrate.calibrators import CALIBRATORS, DEFAULT_CALIBRATOR
    from mobiledeploy.runtime.precisions import KINDS
    from mobiledeploy.runtime.targets import LITERT_2_3, TARGETS

    parser.description = (
        "Write SOURCE as ONNX and TFLite, float and (with --precision) others, and check them."
    )
    parser.epilog = _EPILOG
    parser.set_defaults(command=_export)
    add = parser.add_argument
    add(
        "source",
        metavar="SOURCE",
        help="a network of `mobiledeploy list`; your own file.py:FACTORY, a callable that returns an "
        "nn.Module (this runs the code in that file); or an .onnx file, float or QDQ (its scales are kept)",
    )
    add(
        "--precision",
        action="append",
        default=[],
        metavar="KIND,...",
        help=f"artifacts to write beside fp32: {', '.join(KINDS)} (docs/precisions.md); as often as needed",
    )
    add(
        "--task",
        metavar="NAME",
        help="what the network is for, where that is not known: classification or tensors (default: tensors)",
    )
    add("--int8", action="store_true", help="short for --precision int8")
    add("--out", type=Path, metavar="DIR", help="where artifacts go (default: artifacts/NAME)")
    add(
        "--weights",
        metavar="FILE|ENTRY|imagenet|random",
        help="a state_dict or checkpoint, published weights by the name of their entry, the preferred ones "
        "of these, or initial weights (default: imagenet if it can be had, else random with a warning)",
    )
    add(
        "--weights-as",
        metavar="ENTRY",
        help="the published weights whose padding, batch norm and preprocessing FILE was trained with "
        "(default: told by its hash and keys); `mobiledeploy list --json` has the entries",
    )
    add("--weights-host", metavar="URL", help="a mirror to download official weights from")
    add("--size", type=size, metavar="N|HxW", help="input size in pixels (default: the network's own)")
    add("--num-classes", type=at_least(1), metavar="N", help="size of the head")
    add("--width-mult", type=number, metavar="X", help="width multiplier")
    add(
        "--option",
        type=option,
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="another option of the network, such as partition=exponential of mixnet_s; as often as needed",
    )
    add(
        "--calibration",
        type=Path,
        metavar="DIR|FILE",
        help="images (any depth, JPEG or PNG), or .npy/.npz of prepared inputs (default: generated images)",
    )
    add("--samples", type=at_least(1), default=64, metavar="N", help="inputs to calibrate with (default: 64)")
    add(
        "--calibrator",
        choices=CALIBRATORS,
        default=DEFAULT_CALIBRATOR,
        help="how activation ranges are chosen; search tries all on each tensor and keeps what is best at "
        "the outputs (default: cubed)",
    )
    add(
        "--no-cache",
        dest="cache",
        action="store_false",
        help="calibrate anew, and keep nothing of it for the next export of the same network and inputs",
    )
    add(
        "--effort",
        choices=("default", "high"),
        default="default",
        help="high: learn roundings, weights and scales from what the float network computes; takes minutes "
        "and no labels, goes on where an interrupted run left off (default: default)",
    )
    add(
        "--no-equalization",
        dest="equalization",
        action="store_false",
        help="leave channels that reach much further than others as they are",
    )
    add(
        "--no-bias-correction",
        dest="bias_correction",
        action="store_false",
        help="leave biases as they are, whatever rounding shifts on average",
    )
    add(
        "--keep-float",
        action="append",
        default=[],
        metavar="PATTERN",
        help="what stays in float: a layer's name as in the report, or op:TYPE such as op:HardSwish, both "
        "shell-style patterns; as often as needed",
    )
    add(
        "--accuracy-budget",
        metavar="POINTS|DB",
        help="keep as few layers in float as it takes to lose at most so many points of accuracy (0.5), or "
        "to have at least that SQNR (20dB)",
    )
    add("--sensitivity", action="store_true", help="measure what each layer's rounding costs")
    add(
        "--validation",
        type=Path,
        metavar="DIR",
        help="labelled images to measure accuracy on: a folder per class, or with labels.txt",
    )
    add("--validation-limit", type=at_least(1), metavar="N", help="use at most N of them")
    add("--seed", type=at_least(0), default=0, metavar="N", help="of every random choice (default: 0)")
    add(
        "--io",
        choices=("float32", "int8", "uint8", "int16"),
        default="float32",
        help="type of inputs and outputs of the int8 artifact, or (int16) of int16x8 (default: float32)",
    )
    add("--target", choices=tuple(TARGETS), default=LITERT_2_3.name, help="runtime to export for")
    add(
        "--min-sqnr",
        type=number,
        metavar="DB",
        help="fail when int8 is below this SQNR against fp32 (default: 10; none for initial weights)",
    )
    add(
        "--max-float-error",
        type=number,
        default=1e-4,
        metavar="X",
        help="fail when fp32 errs by more than this share of the output range (default: 1e-4)",
    )


def _add_verify(parser: argparse.ArgumentParser) -> None:
    parser.description = "Run two .tflite files on the same inputs and compare outputs and layers."
    parser.epilog = _EPILOG
    parser.set_defaults(command=_verify)
    add = parser.add_argument
    add("candidate", type=Path, metavar="A.tflite", help="the file to check, such as the int8 artifact")
    add("reference", type=Path, metavar="B.tflite", help="what it is held against, such as the fp32 artifact")
    add("--inputs", type=Path, metavar="DIR|FILE", help="images, or .npy/.npz (default: generated images)")
    add("--samples", type=at_least(1), default=16, metavar="N", help="inputs to compare on (default: 16)")
    add("--seed", type=at_least(0), default=0, metavar="N", help="of the choice of inputs (default: 0)")
    add("--min-sqnr", type=number, default=10.0, metavar="DB", help="fail below this SQNR (default: 10)")
