"""`mobiledeploy bench` and `mobiledeploy doctor` on the command line."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mobiledeploy.base.errors import InputError, VerificationError
from mobiledeploy.base.terminal import complain, console, print_json, progress_on_stderr, warn
from mobiledeploy.cli.arguments import EXIT_USAGE, at_least, number

if TYPE_CHECKING:
    from rich.console import RenderableType

    from mobiledeploy.bench.devices.open_devices import Tools
    from mobiledeploy.bench.latency.settings import Settings
    from mobiledeploy.bench.run import BenchResult

__all__ = ["add_bench", "add_doctor"]

_EPILOG = """exit codes: 0 measured; 1 internal error; 2 bad input, no such device, or something that is not
installed; 3 measured, but over a limit, not stable though that was demanded, or with other outputs than this
host's; 4 a device failed while measuring; 130 interrupted"""

_SUFFIXES = {"k": 1e3, "m": 1e6, "g": 1e9}


def add_bench(parser: argparse.ArgumentParser) -> None:
    """The options of ``mobiledeploy bench``."""
    parser.description = (
        "Measure .tflite files on a phone or on this host (latency), or on an emulated Arm CPU "
        "(instructions). One thread, pinned to the largest core, in turns."
    )
    parser.epilog = _EPILOG
    parser.set_defaults(command=_bench)
    add = parser.add_argument
    add(
        "files",
        type=Path,
        nargs="*",
        metavar="FILE.tflite",
        help="what to measure, in turns, each against the first; with --compare, none means the files and "
        "the device of the old measurement, and one NEW.json is compared as it is",
    )
    add(
        "--device",
        action="append",
        default=[],
        metavar="SERIAL|phone|all|host|arm:PROFILE",
        help="a phone of `adb devices`, the only one, each of them, this host, or an emulated Cortex-A53, "
        "A55, A72 or A76, such as arm:cortex-a76; as often as needed (default: the phone if one is "
        "connected, else this host)",
    )
    add("--core", type=at_least(0), metavar="N", help="core to measure on (default: the largest)")
    add("--inputs", type=Path, metavar="FILE", help=".npy or .npz to feed (default: seeded noise)")
    add("--seed", type=at_least(0), default=0, metavar="N", help="of the noise and of the order of turns")
    add(
        "--precision",
        type=_positive,
        default=1.0,
        metavar="PERCENT",
        help="stop when medians are known this well (default: 1)",
    )
    add(
        "--time-limit",
        type=_positive,
        default=60.0,
        metavar="S",
        help="stop after so many seconds in any case (default: 60)",
    )
    add("--fp16", action="store_true", help="let XNNPACK compute float models in half precision")
    add(
        "--per-op",
        action="store_true",
        help="list what each op takes (instructions, or benchmark_model's milliseconds)",
    )
    add(
        "--check-outputs", action="store_true", help="compare what is computed there with this host's results"
    )
    files = parser.add_argument_group("what runs on phones and emulated CPUs")
    files.add_argument(
        "--runner",
        type=Path,
        metavar="FILE",
        help="Google's benchmark_model for Android arm64, to run on phones instead of our runner",
    )
    files.add_argument("--litert-library", type=Path, metavar="FILE", help="libLiteRt.so for AArch64 Linux")
    files.add_argument(
        "--arm-libraries", type=Path, metavar="DIR", help="glibc's loader and libraries for AArch64"
    )
    files.add_argument("--keep", action="store_true", help="leave the files on the phone, for the next run")
    output = parser.add_argument_group("results")
    output.add_argument("--out", type=Path, metavar="FILE.json", help="keep everything, with every sample")
    output.add_argument("--csv", action="store_true", help="print a line for each model instead of tables")
    output.add_argument(
        "--compare",
        type=Path,
        metavar="OLD.json",
        help="say what changed since then, and whether it is noise",
    )
    output.add_argument("--require-stable", action="store_true", help="fail unless the measurement is stable")
    output.add_argument("--max-ms", type=_positive, metavar="MS", help="fail when a median is above")
    output.add_argument(
        "--max-insns", type=_instructions, metavar="N", help="fail when a count is above, such as 15M"
    )


def _positive(text: str) -> float:
    value = number(text)
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r}, expected a number above 0")
    return value


def _instructions(text: str) -> float:
    """A number, perhaps of thousands, millions or billions."""
    factor = _SUFFIXES.get(text[-1:].lower(), 1.0)
    return _positive(text[:-1] if factor > 1 else text) * factor


def _bench(options: argparse.Namespace) -> int:
    from mobiledeploy.bench.report.document import check_writable, load, save
    from mobiledeploy.bench.run import Limits, bench

    old = None if options.compare is None else load(options.compare)
    if old is not None and [file.suffix for file in options.files] == [".json"]:
        return _compare(options, old, load(options.files[0]))
    if not options.files and old is not None:
        options.files = _files_of(old, options.compare)
        options.device = options.device or _devices_of(old)
    if not options.files:
        raise InputError(
            "no file, expected one or more .tflite files to measure; see mobiledeploy bench --help"
        )
    if options.json and options.csv:
        raise InputError(
            "--json and --csv together, expected one of them; --out FILE keeps JSON beside either"
        )
    _check_limits(options)
    if options.out is not None:
        check_writable(options.out)
    with progress_on_stderr(options.quiet) as progress:
        result = bench(
            options.files,
            options.device,
            settings=_settings(options),
            tools=_tools(options),
            inputs=options.inputs,
            check=options.check_outputs,
            per_op=options.per_op,
            progress=progress,
        )
    warn(result.warnings, options.quiet)
    content = result.to_json()
    if options.out is not None:
        save(options.out, content)
    if old is not None:
        content["changes"] = _changes(old, content)
    _print(options, result, content, old)
    for error in result.errors:
        complain(f"error: {error}")
    if failures := result.failures(Limits(options.max_ms, options.max_insns, options.require_stable)):
        raise VerificationError("\n".join(failures))
    return max((error.exit_code for error in result.errors), default=0)


def _check_limits(options: argparse.Namespace) -> None:
    """A limit that nothing is held against would let everything pass.

    Raises:
        InputError: There is one.
    """
    counted = [device.startswith("arm:") for device in options.device]
    if options.max_insns is not None and not any(counted):
        raise InputError("--max-insns without an emulated core, expected one; pass --device arm:PROFILE, too")
    if (options.max_ms is not None or options.require_stable) and counted and all(counted):
        raise InputError(
            "--max-ms and --require-stable hold for latencies, expected a device with a clock; pass --device "
            "host or a phone's, too"
        )


def _compare(options: argparse.Namespace, old: dict[str, Any], new: dict[str, Any]) -> int:
    """Two documents, without measuring."""
    from mobiledeploy.bench.report.compare import comparison_tables

    if options.json:
        print_json({"changes": _changes(old, new)})
    elif not options.quiet:
        _show(comparison_tables(old, new))
    return 0


def _show(parts: Iterable[RenderableType]) -> None:
    screen = console(sys.stdout)
    for part in parts:
        screen.print(part)
        screen.print()


def _files_of(old: dict[str, Any], path: Path) -> list[Path]:
    """The files of an old measurement, in its order.

    Raises:
        InputError: One is gone.
    """
    files = [Path(model["path"]) for result in old["results"][:1] for model in result["models"]]
    for file in files:
        if not file.is_file():
            raise InputError(
                f"{file}, which {path} was measured on, is gone, expected it there; name the files"
            )
    return files


def _devices_of(old: dict[str, Any]) -> list[str]:
    return [result["device"]["key"] for result in old["results"]]


def _settings(options: argparse.Namespace) -> Settings:
    from mobiledeploy.bench.latency.settings import FP16, INT8, Settings

    return Settings(
        core=options.core,
        precision=options.precision / 100,
        time_limit_s=options.time_limit,
        seed=options.seed,
        flags=INT8 | (FP16 if options.fp16 else 0),
    )


def _tools(options: argparse.Namespace) -> Tools:
    from mobiledeploy.bench.devices.open_devices import Tools

    return Tools(options.runner, options.litert_library, options.arm_libraries, options.keep)


def _changes(old: dict[str, Any], new: dict[str, Any]) -> list[dict[str, Any]]:
    from mobiledeploy.bench.report.compare import compared

    return [
        {
            "device": pair.new["device"],
            "figures": [row.to_json() for row in pair.changes],
            "differs": pair.differences,
        }
        for pair in compared(old, new)
    ]


def _print(
    options: argparse.Namespace, result: BenchResult, content: dict[str, Any], old: dict[str, Any] | None
) -> None:
    from mobiledeploy.bench.report.compare import comparison_tables
    from mobiledeploy.bench.report.outputs import outputs_table
    from mobiledeploy.bench.report.tables import csv_text, tables

    if options.json:
        print_json(content)
    elif options.csv:
        print(csv_text(content["results"]), end="")
    elif not options.quiet:
        parts = [*tables(result.results, options.per_op)]
        if result.checks:
            parts.append(outputs_table(result.checks))
        if old is not None:
            parts += comparison_tables(old, content)
        if options.out is not None:
            parts.append(f"written to {options.out}")
        _show(parts)


def add_doctor(parser: argparse.ArgumentParser) -> None:
    """The options of ``mobiledeploy doctor``."""
    parser.description = (
        "Say what `mobiledeploy bench` needs, what of it is missing, and how to install that."
    )
    parser.epilog = "exit codes: 0 what --device names can be measured on; 2 it cannot"
    parser.set_defaults(command=_doctor)
    parser.add_argument(
        "--device",
        choices=("host", "arm", "phone"),
        default="host",
        help="what the exit code is to tell of (default: host)",
    )


def _doctor(options: argparse.Namespace) -> int:
    from mobiledeploy.bench.doctor import examine, findings_table, missing_for

    findings = examine()
    if options.json:
        print_json({"findings": [finding.to_json() for finding in findings]})
    elif not options.quiet:
        console(sys.stdout).print(findings_table(findings))
    return EXIT_USAGE if missing_for(findings, options.device) else 0
