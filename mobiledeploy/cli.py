"""The command line: parse, call the library, print. Everything here can be done from Python, too."""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, NoReturn

from mobiledeploy.errors import InputError, MobileDeployError, VerificationError
from mobiledeploy.version import __version__

if TYPE_CHECKING:
    from rich.console import Console

    from mobiledeploy.pipeline import ExportResult, ExportSettings
    from mobiledeploy.progress import Advance, Progress

__all__ = ["main", "run"]

EXIT_INTERRUPTED = 130

_EPILOG = """exit codes: 0 all checks passed; 2 bad input, or a model that cannot be exported; 3 artifacts were
written but miss a threshold; 130 interrupted"""


def run() -> NoReturn:
    """Entry point of the ``mobiledeploy`` command."""
    sys.exit(main(sys.argv[1:]))


def main(arguments: Sequence[str]) -> int:
    """Run a command line and return its exit code."""
    options = _parser().parse_args(arguments)
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        code: int = options.command(options)
        return code
    except KeyboardInterrupt:
        print("mobiledeploy: interrupted, nothing was written", file=sys.stderr)
        return EXIT_INTERRUPTED
    except MobileDeployError as error:
        print(f"mobiledeploy: error: {error}", file=sys.stderr)
        return error.exit_code
    except BrokenPipeError:
        # The reader of our output went away, as `| head` does. Python would complain again when it closes stdout.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


# list


def _list(options: argparse.Namespace) -> int:
    from mobiledeploy.models.registry import specs

    if options.json:
        from dataclasses import asdict

        print(json.dumps({name: asdict(spec) for name, spec in specs().items()}, indent=2))
        return 0
    from rich.table import Table

    table = Table("network", "task", "input", "parameters", "multiply-adds", "top-1 %", "paper")
    for spec in specs().values():
        table.add_row(
            spec.name,
            spec.task,
            "x".join(map(str, spec.input_size)),
            f"{spec.parameters / 1e6:.2f} M",
            f"{spec.multiply_adds_m:.1f} M",
            "" if spec.reported_top1 is None else f"{spec.reported_top1:.1f}",
            spec.paper,
        )
    _console(sys.stdout).print(table)
    return 0


# export


def _export(options: argparse.Namespace) -> int:
    from mobiledeploy.pipeline import run_export

    settings = _export_settings(options)
    with _progress(options) as progress:
        result = run_export(settings, progress)
    if options.json:
        print(json.dumps(_summary(result), indent=2))
    elif not options.quiet:
        _print_result(result, options)
    if not result.passed:
        raise VerificationError(_failures(result))
    return 0


def _export_settings(options: argparse.Namespace) -> ExportSettings:
    from mobiledeploy.pipeline import ExportSettings
    from mobiledeploy.sources import ModelOptions
    from mobiledeploy.verify import Thresholds

    model = ModelOptions(
        weights=options.weights,
        size=options.size,
        num_classes=options.num_classes,
        width_mult=options.width_mult,
        seed=options.seed,
        weights_host=options.weights_host,
    )
    return ExportSettings(
        source=options.source,
        int8=options.int8,
        out=options.out,
        model=model,
        calibration=options.calibration,
        samples=options.samples,
        calibrator=options.calibrator,
        validation=options.validation,
        validation_limit=options.validation_limit,
        seed=options.seed,
        io=options.io,
        target=options.target,
        thresholds=Thresholds(float_error=options.max_float_error, int8_sqnr_db=options.min_sqnr),
    )


def _summary(result: ExportResult) -> dict[str, Any]:
    files = {key: str(path) for key, path in result.artifacts.items()}
    seconds = {step: round(value, 3) for step, value in result.seconds.items()}
    return {"name": result.name, "files": files, "seconds": seconds, "report": result.report.to_json()}


def _print_result(result: ExportResult, options: argparse.Namespace) -> None:
    from mobiledeploy.report import tables

    console = _console(sys.stdout)
    for table in tables(result.report):
        console.print(table)
    if options.verbose:
        for step, seconds in result.seconds.items():
            console.print(f"{seconds:7.2f} s  {step}")
        for precision, log in result.report.rewrites.items():
            for rule in log["applied"]:
                console.print(f"{precision}: {rule['rule']} x {rule['count']}")
            for refusal in log["refused"]:
                console.print(f"{precision}: {refusal['rule']} not at {refusal['node']}: {refusal['reason']}")
    for warning in result.report.warnings:
        console.print(f"[yellow]warning:[/] {warning}", highlight=False)
    console.print(f"written to {result.out} in {sum(result.seconds.values()):.1f} s", highlight=False)


def _failures(result: ExportResult) -> str:
    layers = sorted(result.report.layers, key=lambda layer: layer.sqnr_db)[:1]
    where = f"\nthe layer of least SQNR is {layers[0].name} ({layers[0].sqnr_db:.1f} dB)" if layers else ""
    lines = "\n".join(result.report.failures)
    return f"the artifacts in {result.out} miss a threshold:\n{lines}{where}"


# verify


def _verify(options: argparse.Namespace) -> int:
    from mobiledeploy.report import checks_table, layers_table
    from mobiledeploy.verify import Limit, verify_files

    limit = Limit("sqnr_db", options.min_sqnr)
    checks, layers, warnings = verify_files(
        options.candidate, options.reference, options.inputs, options.samples, options.seed, limit
    )
    if options.json:
        rows = [
            {"output": c.output, **c.difference.to_json(), "limit": str(c.limit), "passed": c.passed}
            for c in checks
        ]
        named = {layer.name: layer.sqnr_db for layer in layers}
        print(json.dumps({"checks": rows, "layers": named, "warnings": warnings}, indent=2))
    elif not options.quiet:
        console = _console(sys.stdout)
        console.print(checks_table(checks))
        if layers:
            console.print(layers_table(layers))
        for warning in warnings:
            console.print(f"[yellow]warning:[/] {warning}", highlight=False)
    if failures := [check.failure() for check in checks if not check.passed]:
        raise VerificationError("\n".join(failures))
    return 0


# Parsing


def _size(text: str) -> tuple[int, int]:
    parts = text.lower().split("x")
    if len(parts) > 2 or not all(part.isdecimal() and int(part) > 0 for part in parts):
        raise argparse.ArgumentTypeError(f"size {text!r}, expected N or HEIGHTxWIDTH in pixels, such as 224")
    return int(parts[0]), int(parts[-1])


def _at_least(low: int) -> Any:
    def parse(text: str) -> int:
        if not text.lstrip("-").isdecimal() or int(text) < low:
            raise argparse.ArgumentTypeError(f"{text!r}, expected a whole number of {low} or more")
        return int(text)

    return parse


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="mobiledeploy",
        description="PyTorch convolutional networks to fast, checked int8 TFLite for the CPU of a phone.",
        epilog=_EPILOG,
    )
    parser.add_argument("--version", action="version", version=f"mobiledeploy {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument("--json", action="store_true", help="print one JSON document instead of tables")
    shared.add_argument("-q", "--quiet", action="store_true", help="print errors only")
    shared.add_argument("-v", "--verbose", action="store_true", help="print times, rewrites and refusals, too")

    listing = commands.add_parser("list", parents=[shared], help="the networks that are built in")
    listing.set_defaults(command=_list)
    _add_export(commands.add_parser("export", parents=[shared], help="a network to checked TFLite artifacts"))
    _add_verify(commands.add_parser("verify", parents=[shared], help="compare two .tflite files"))
    return parser


def _add_export(parser: argparse.ArgumentParser) -> None:
    from mobiledeploy.targets import LITERT_2_3, TARGETS

    parser.description = "Write SOURCE as ONNX and TFLite, float and (with --int8) int8, and check them."
    parser.epilog = _EPILOG
    parser.set_defaults(command=_export)
    add = parser.add_argument
    add(
        "source",
        metavar="SOURCE",
        help="a network of `mobiledeploy list`; your own file.py:FACTORY, a callable that returns an nn.Module "
        "(this runs the code in that file); or an .onnx file, float or QDQ (scales are kept to the bit)",
    )
    add("--int8", action="store_true", help="quantize, too")
    add("--out", type=Path, metavar="DIR", help="where artifacts go (default: artifacts/NAME)")
    add(
        "--weights",
        metavar="FILE|imagenet|random",
        help="a state_dict or checkpoint, the official ImageNet weights, or initial weights "
        "(default: imagenet if it can be had, else random with a warning)",
    )
    add("--weights-host", metavar="URL", help="a mirror to download official weights from")
    add("--size", type=_size, metavar="N|HxW", help="input size in pixels (default: the network's own)")
    add("--num-classes", type=_at_least(1), metavar="N", help="size of the head")
    add("--width-mult", type=float, metavar="X", help="width multiplier")
    add(
        "--calibration",
        type=Path,
        metavar="DIR|FILE",
        help="images (any depth, JPEG or PNG), or .npy/.npz of prepared inputs (default: generated images)",
    )
    add("--samples", type=_at_least(1), default=64, metavar="N", help="inputs to calibrate with (default: 64)")
    add(
        "--calibrator",
        choices=("mse", "min-max", "percentile"),
        default="mse",
        help="how activation ranges are chosen (default: mse)",
    )
    add(
        "--validation",
        type=Path,
        metavar="DIR",
        help="labelled images to measure accuracy on: a folder per class, or with labels.txt",
    )
    add("--validation-limit", type=_at_least(1), metavar="N", help="use at most N of them")
    add("--seed", type=_at_least(0), default=0, metavar="N", help="of every random choice (default: 0)")
    add(
        "--io",
        choices=("float32", "int8", "uint8"),
        default="float32",
        help="type of the int8 artifact's inputs and outputs (default: float32)",
    )
    add("--target", choices=tuple(TARGETS), default=LITERT_2_3.name, help="runtime to export for")
    add(
        "--min-sqnr",
        type=float,
        default=10.0,
        metavar="DB",
        help="fail when int8 is below this SQNR against fp32 (default: 10)",
    )
    add(
        "--max-float-error",
        type=float,
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
    add("--samples", type=_at_least(1), default=16, metavar="N", help="inputs to compare on (default: 16)")
    add("--seed", type=_at_least(0), default=0, metavar="N", help="of the choice of inputs (default: 0)")
    add("--min-sqnr", type=float, default=10.0, metavar="DB", help="fail below this SQNR (default: 10)")


# Printing


def _console(stream: Any) -> Console:
    from rich.console import Console

    # Without a terminal there is no width to respect: long lines stay whole for grep and logs.
    return Console(file=stream, width=None if stream.isatty() else 160)


@contextmanager
def _progress(options: argparse.Namespace) -> Iterator[Progress]:
    """Steps with spinners and bars on a terminal, a line each elsewhere, nothing with -q or --json."""
    from mobiledeploy.progress import Silent

    if options.quiet or options.json:
        yield Silent()
        return
    console = _console(sys.stderr)
    if not console.is_terminal:
        yield _Lines(console)
        return
    from rich.progress import BarColumn, MofNCompleteColumn, SpinnerColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bars

    columns = (SpinnerColumn(finished_text="[green]✓[/]"), TextColumn("{task.description}"), BarColumn(20))
    with Bars(*columns, MofNCompleteColumn(), TimeElapsedColumn(), console=console) as bars:
        yield _Bars(bars)


class _Lines:
    def __init__(self, console: Console) -> None:
        self._console = console

    @contextmanager
    def step(self, title: str, total: int | None = None) -> Iterator[Advance]:
        self._console.print(f"{title} ...", highlight=False)
        yield lambda: None


class _Bars:
    def __init__(self, bars: Any) -> None:
        self._bars = bars

    @contextmanager
    def step(self, title: str, total: int | None = None) -> Iterator[Advance]:
        task = self._bars.add_task(title, total=total)
        yield lambda: self._bars.advance(task)
        self._bars.update(task, total=total or 1, completed=total or 1)
