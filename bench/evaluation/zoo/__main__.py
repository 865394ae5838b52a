"""Command line of the zoo: `python -m mobiledeploy.bench.evaluation.zoo`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from mobiledeploy.base.errors import MobileDeployError
from mobiledeploy.bench.evaluation.zoo.export import Export, jobs, run
from mobiledeploy.bench.evaluation.zoo.row import misses
from mobiledeploy.bench.evaluation.zoo.table import page

__all__ = ["main"]

PROGRAM = "python -m mobiledeploy.bench.evaluation.zoo"
EXIT_MISSED = 3  # as of `mobiledeploy export`


def main(arguments: list[str] | None = None) -> int:
    """Parse, export one after the other, write the table. Returns the exit code."""
    args = _parser().parse_args(arguments)
    try:
        todo = jobs(args.only)
    except MobileDeployError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    exports: list[Export] = []
    for number, job in enumerate(todo, 1):
        exports.append(run(job, args.out))
        verdict = "; ".join(misses(exports[-1])) or "ok"
        print(f"{number}/{len(todo)} {job}: {exports[-1].seconds:.0f} s, {verdict}", flush=True)

    text = page(exports, " ".join([PROGRAM, *(["--only", *args.only] if args.only else [])]))
    if args.table is None:
        print(f"\n{text}", end="")
    else:
        args.table.parent.mkdir(parents=True, exist_ok=True)
        args.table.write_text(text)
        print(f"written to {args.table}")
    missed = {export.job: wrong for export in exports if (wrong := misses(export))}
    for job, wrong in missed.items():
        print("\n  ".join([f"missed: {job}", *wrong]), file=sys.stderr)
    return EXIT_MISSED if missed else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=PROGRAM,
        description="Export every network of the registry at full size, and write a table of the results.",
        epilog=f"exit codes: 0 all is as it should be; 2 bad input; {EXIT_MISSED} a network missed something",
    )
    parser.add_argument("--only", nargs="+", default=[], metavar="NAME", help="these networks, at all widths")
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("artifacts/zoo"),
        metavar="DIR",
        help="where artifacts go, a folder each (default: %(default)s; all take about 2 GB)",
    )
    parser.add_argument("--table", type=Path, metavar="FILE", help="where the table goes (default: printed)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
