"""`accuracy`: trained networks, quantized by every method and measured on labelled images."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from mobiledeploy.bench.evaluation.accuracy.inputs import Inputs, draw_inputs
from mobiledeploy.bench.evaluation.accuracy.measure import Figures, measured_rows
from mobiledeploy.bench.evaluation.accuracy.methods import ENVIRONMENTS, GROUPS, METHODS, choose
from mobiledeploy.bench.evaluation.accuracy.network import request
from mobiledeploy.bench.evaluation.accuracy.results import drawing, misses, table
from mobiledeploy.bench.evaluation.arguments import (
    add_images,
    add_out,
    add_pythons,
    add_seed,
    at_least,
    given_pythons,
)
from mobiledeploy.bench.evaluation.page import page, plain_rows, write
from mobiledeploy.bench.evaluation.rows import Row

__all__ = ["add_options", "run"]


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.epilog = f"methods: {', '.join(METHODS)}"
    add = parser.add_argument
    add(
        "--network",
        type=request,
        action="append",
        required=True,
        metavar="NAME[,OPTION=VALUE...][,WEIGHTS.pt]",
        help="such as mobilenetv2,width_mult=0.5,net.pt; as often as needed",
    )
    add_images(parser)
    add("--size", type=at_least(8), default=96, metavar="N", help="side of the input (default: %(default)s)")
    add_seed(parser, samples=256)
    add("--limit", type=at_least(1), metavar="N", help="of the validation images (default: all)")
    add(
        "--methods",
        nargs="+",
        default=["ours", "peers"],
        metavar="NAME",
        help=f"names or groups ({', '.join(GROUPS)}); default: ours peers",
    )
    add_pythons(parser, ENVIRONMENTS)
    add("--again", action="store_true", help="make rows again that are there")
    add_out(parser, "artifacts/accuracy")


def run(args: argparse.Namespace) -> int:
    """Make the rows that are missing, and write the table after each."""
    environments = given_pythons(args, ENVIRONMENTS)
    methods = choose(args.methods, environments)
    inputs = draw_inputs(
        args.data, args.validation, args.size, args.samples, args.limit, args.seed, args.out / "inputs"
    )
    rows: list[Row[Figures]] = []
    for row, is_new in measured_rows(args.network, methods, inputs, environments, args.out, again=args.again):
        print(f"{_line(row)}{'' if is_new else ' (from an earlier run)'}", flush=True)
        rows.append(row)
        _write(args, inputs, rows)
    for text in misses(rows):
        print(f"missed: {text}")
    print(f"written to {args.out}")
    return 0


def _line(row: Row[Figures]) -> str:
    name = f"{row.names[0]}, {METHODS[row.names[1]].title}"
    if row.figures is None:
        return f"{name}: no result ({row.error})"
    figures = row.figures
    return (
        f"{name}: top-1 {figures.float_top1:.2f} -> {figures.top1:.2f}, drop {figures.drop:.2f} ± "
        f"{figures.drop_error:.2f}, {figures.sqnr_db:.1f} dB, {figures.seconds:.0f} s"
    )


def _write(args: argparse.Namespace, inputs: Inputs, rows: Sequence[Row[Figures]]) -> None:
    """accuracy.md, accuracy.json and, as soon as there is something to draw, accuracy.svg.

    The record has all that decides the figures, without paths of the machine.
    """
    record = {
        "settings": {
            "data": args.data.name,
            "validation": args.validation.name,
            "size": args.size,
            "samples": args.samples,
            "limit": args.limit,
            "seed": args.seed,
        },
        "images": {
            "calibration_sha256": inputs.stored.fingerprint,
            "validation_sha256": inputs.validation_sha256,
            "validation": len(inputs.validation),
            "classes": inputs.validation.names,
        },
        "rows": plain_rows(rows),
        "misses": misses(rows),
    }
    text = page("Accuracy after quantization", "accuracy", table(rows))
    write(args.out, "accuracy", text, record)
    if any(row.figures for row in rows):
        (args.out / "accuracy.svg").write_text(drawing(rows))
