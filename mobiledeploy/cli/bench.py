"""``mobiledeploy bench``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from mobiledeploy.base.errors import InputError, VerificationError
from mobiledeploy.base.options import Options, group, option, paths
from mobiledeploy.base.terminal import complain, print_json, progress_on_stderr, show, warn
from mobiledeploy.bench.devices.tools import Tools
from mobiledeploy.bench.latency.settings import Limits, Settings
from mobiledeploy.cli.command import Command, Output

__all__ = ["COMMAND"]

_EPILOG = """exit codes: 0 measured; 1 internal error; 2 bad input, no such device, or something that is not
installed; 3 measured, but over a limit, not stable though that was demanded, or with other outputs than this
host's; 4 a device failed while measuring; 130 interrupted"""


@dataclass(frozen=True, kw_only=True)
class _Results(Options):
    title: ClassVar[str] = "results"

    out: Path | None = option(None, Path, metavar="FILE.json", help="keep everything, with every sample")
    csv: bool = option(False, help="print a line for each model instead of tables")
    compare: Path | None = option(
        None, Path, metavar="OLD.json", help="say what changed since then, and whether it is noise"
    )
    limits: Limits = group(Limits)


@dataclass(frozen=True, kw_only=True)
class BenchOptions(_Results):
    """What ``mobiledeploy bench`` takes."""

    title = ""

    files: tuple[Path, ...] = option(
        (),
        paths,
        positional=True,
        metavar="FILE.tflite",
        help="what to measure, in turns, each against the first; with --compare, none means the files and "
        "the device of the old measurement, and one NEW.json is compared as it is",
    )
    device: tuple[str, ...] = option(
        (),
        metavar="SERIAL|phone|all|host|arm:PROFILE",
        help="a phone of `adb devices`, the only one, each of them, this host, or an emulated Cortex-A53, "
        "A55, A72 or A76, such as arm:cortex-a76",
        unset="the phone if one is connected, else this host",
    )
    inputs: Path | None = option(
        None, Path, metavar="FILE", help=".npy or .npz to feed", unset="seeded noise"
    )
    per_op: bool = option(
        False, help="list what each op takes (instructions, or benchmark_model's milliseconds)"
    )
    check_outputs: bool = option(False, help="compare what is computed there with this host's results")
    settings: Settings = group(Settings)
    tools: Tools = group(Tools)


def _bench(options: BenchOptions, output: Output) -> int:
    from mobiledeploy.bench.report.compare import compared
    from mobiledeploy.bench.report.document import check_writable, csv_text, load, save
    from mobiledeploy.bench.run import bench

    files, devices, old = options.files, options.device, None
    if options.compare is not None:
        old = load(options.compare)
    if old is not None and [file.suffix for file in files] == [".json"]:
        return _compare(output, old, load(files[0]))
    if not files and old is not None:
        files = _files_of(old, options.compare)
        devices = devices or tuple(result["device"]["key"] for result in old["results"])
    if not files:
        raise InputError(
            "no file, expected one or more .tflite files to measure; see mobiledeploy bench --help"
        )
    if output.json and options.csv:
        raise InputError(
            "--json and --csv together, expected one of them; --out FILE keeps JSON beside either"
        )
    _check_limits(options.limits, devices, options.per_op, options.tools.benchmark_model)
    if options.out is not None:
        check_writable(options.out)
    with progress_on_stderr(output.quiet) as progress:
        result = bench(
            files,
            devices,
            settings=options.settings,
            tools=options.tools,
            inputs=options.inputs,
            check=options.check_outputs,
            per_op=options.per_op,
            progress=progress,
        )
    warn(result.warnings, output.quiet)
    content = result.to_json()
    if options.out is not None:
        save(options.out, content)
    pairs = [] if old is None else compared(old, content)
    if output.json:
        print_json(content if old is None else content | {"changes": [pair.to_json() for pair in pairs]})
    elif options.csv:
        print(csv_text(content["results"]), end="")
    elif not output.quiet:
        show([*result.sections(options.per_op), *(pair.section() for pair in pairs)])
        if options.out is not None:
            print(f"written to {options.out}")
    for error in result.errors:
        complain(f"error: {error}")
    if failures := result.failures(options.limits):
        raise VerificationError("\n".join(failures))
    return max((error.exit_code for error in result.errors), default=0)


def _check_limits(limits: Limits, devices: Sequence[str], per_op: bool, runner: Path | None) -> None:
    """Refuse what no device could answer: a limit that nothing is held against lets everything pass.

    Raises:
        InputError: There is one.
    """
    counted = [device.startswith("arm:") for device in devices]
    if per_op and not any(counted) and runner is None:
        raise InputError(
            "--per-op without an emulated core or Google's benchmark_model, expected one, as they alone tell "
            "ops apart; pass --device arm:PROFILE, or a phone and --runner FILE"
        )
    if limits.instructions is not None and not any(counted):
        raise InputError("--max-insns without an emulated core, expected one; pass --device arm:PROFILE, too")
    if (limits.ms is not None or limits.stable) and counted and all(counted):
        raise InputError(
            "--max-ms and --require-stable hold for latencies, expected a device with a clock; pass --device "
            "host or a phone's, too"
        )


def _compare(output: Output, old: dict[str, Any], new: dict[str, Any]) -> int:
    """Two documents, without measuring."""
    from mobiledeploy.bench.report.compare import compared

    pairs = compared(old, new)
    if output.json:
        print_json({"changes": [pair.to_json() for pair in pairs]})
    elif not output.quiet:
        show(pair.section() for pair in pairs)
    return 0


def _files_of(old: dict[str, Any], path: Path | None) -> tuple[Path, ...]:
    """The files of an old measurement, in its order.

    Raises:
        InputError: One is gone.
    """
    files = tuple(Path(model["path"]) for result in old["results"][:1] for model in result["models"])
    for file in files:
        if not file.is_file():
            raise InputError(
                f"{file}, which {path} was measured on, is gone, expected it there; name the files"
            )
    return files


COMMAND = Command(
    BenchOptions,
    _bench,
    description="Measure .tflite files on a phone or on this host (latency), or on an emulated Arm CPU "
    "(instructions). One thread, pinned to the largest core, in turns.",
    epilog=_EPILOG,
)
