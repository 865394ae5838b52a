"""Command line of the accuracy table: `python -m mobiledeploy.bench.evaluation.accuracy`."""

from __future__ import annotations

import argparse
import os
import platform
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

from mobiledeploy.base.errors import MobileDeployError
from mobiledeploy.base.json_text import as_json
from mobiledeploy.base.terminal import complain
from mobiledeploy.base.version import __version__
from mobiledeploy.bench.devices.machine import processor
from mobiledeploy.bench.evaluation.accuracy.arguments import add_images
from mobiledeploy.bench.evaluation.accuracy.inputs import Inputs, draw_inputs
from mobiledeploy.bench.evaluation.accuracy.latency import measure_latency
from mobiledeploy.bench.evaluation.accuracy.methods import GROUPS, METHODS, choose
from mobiledeploy.bench.evaluation.accuracy.row import Row
from mobiledeploy.bench.evaluation.accuracy.run import rows_of
from mobiledeploy.bench.evaluation.accuracy.table import drawing, misses, table
from mobiledeploy.cli.arguments import Parser

__all__ = ["main"]

PROGRAM = "python -m mobiledeploy.bench.evaluation.accuracy"
PACKAGES = ("ai-edge-litert", "numpy", "onnx", "onnxruntime", "torch")
ENVIRONMENTS = tuple(dict.fromkeys(m.environment for m in METHODS.values() if m.environment))


def main(arguments: list[str] | None = None) -> int:
    """Parse, make the rows that are missing, write the table. Returns the exit code."""
    args = _parser().parse_args(arguments)
    try:
        _run(args)
    except MobileDeployError as error:
        complain(f"error: {error}")
        return error.exit_code
    return 0


def _run(args: argparse.Namespace) -> None:
    given = {name: getattr(args, f"{name}_python") for name in ENVIRONMENTS}
    environments = {name: python for name, python in given.items() if python is not None}
    methods = choose(args.methods, environments)
    inputs = draw_inputs(
        args.data, args.validation, args.size, args.samples, args.limit, args.seed, args.out / "inputs"
    )
    found: list[Row] = []

    def show(row: Row, is_new: bool) -> None:
        found.append(row)
        print(f"{_line(row)}{'' if is_new else ' (from an earlier run)'}", flush=True)
        _write(args.out, found, _record(args, inputs, found), {})

    rows = rows_of(args.network, methods, inputs, environments, args.out, again=args.again, on_row=show)
    latencies = measure_latency(rows, args.out / "files") if args.latency else {}
    _write(args.out, rows, _record(args, inputs, rows), latencies)
    for text in misses(rows):
        print(f"missed: {text}")
    print(f"written to {args.out}")


def _line(row: Row) -> str:
    name = f"{row.network}, {METHODS[row.method].title}"
    if row.figures is None:
        return f"{name}: no result ({row.error})"
    figures = row.figures
    return (
        f"{name}: top-1 {figures.float_top1:.2f} -> {figures.top1:.2f}, drop {figures.drop:.2f} ± "
        f"{figures.drop_error:.2f}, {figures.sqnr_db:.1f} dB, {row.seconds:.0f} s"
    )


def _write(
    out: Path, rows: Sequence[Row], record: Mapping[str, Any], latencies: Mapping[tuple[str, str], Any]
) -> None:
    """accuracy.md, accuracy.json and, as soon as there is something to draw, accuracy.svg."""
    shown = {key: f"{value['median_ms']:.2f}" for key, value in latencies.items()}
    measured = [{"network": key[0], "method": key[1], **value} for key, value in latencies.items()]
    out.mkdir(parents=True, exist_ok=True)
    (out / "accuracy.md").write_text(table(rows, shown))
    (out / "accuracy.json").write_text(as_json({**record, "latency": measured}))
    if any(row.figures for row in rows):
        (out / "accuracy.svg").write_text(drawing(rows))


def _record(args: argparse.Namespace, inputs: Inputs, rows: Sequence[Row]) -> dict[str, Any]:
    """Everything that decides the figures, without paths of the machine, and the figures."""
    return {
        "mobiledeploy": __version__,
        "packages": {name: version(name) for name in PACKAGES},
        "machine": {
            "processor": processor(),
            "logical_cores": os.cpu_count(),
            "system": platform.platform(),
        },
        "settings": {
            "data": args.data.name,
            "validation": args.validation.name,
            "size": inputs.size,
            "samples": inputs.samples,
            "limit": args.limit,
            "seed": inputs.seed,
        },
        "images": {
            "calibration_sha256": inputs.fingerprint,
            "validation_sha256": inputs.validation_sha256,
            "validation": len(inputs.validation),
            "classes": inputs.validation.names,
        },
        "rows": [asdict(row) for row in rows],
        "misses": misses(rows),
    }


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog=PROGRAM,
        description="What quantization does to trained networks: ours and other tools', in one table.",
        epilog=f"methods: {', '.join(METHODS)}. README.md in this folder says how to set up environments.",
    )
    add = parser.add_argument
    add_images(parser)
    add(
        "--methods",
        nargs="+",
        default=["ours", "peers"],
        metavar="NAME",
        help=f"names or groups ({', '.join(GROUPS)}); default: ours peers",
    )
    for name in ENVIRONMENTS:
        add(f"--{name}-python", metavar="PYTHON", help=f"interpreter of the environment of {name}")
    add("--again", action="store_true", help="make rows again that are there")
    add("--latency", action="store_true", help="measure latency on this host, which must be quiet, as well")
    add("--out", type=Path, default=Path("artifacts/accuracy"), metavar="DIR", help="default: %(default)s")
    return parser


if __name__ == "__main__":
    sys.exit(main())
