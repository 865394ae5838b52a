"""`zoo`: every network of the registry exported at full size, fp32 and int8, and a table of what came out.

It takes the better part of an hour on 2 cores, so it is no part of the test suite. Each network has a process
of its own, which neither memory nor failures leave.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import mobiledeploy
from mobiledeploy.base.errors import MobileDeployError
from mobiledeploy.bench.evaluation.arguments import EXIT_MISSED, add_out
from mobiledeploy.bench.evaluation.other_python import failure, run_python
from mobiledeploy.bench.evaluation.page import made_by, page, plain_rows, table, write
from mobiledeploy.bench.evaluation.rows import Row, Rows
from mobiledeploy.models.registry import resolve, specs
from mobiledeploy.runtime.partitions import UNEXPLAINED

__all__ = ["Figures", "Job", "add_options", "export", "jobs", "misses", "run"]

PRECISIONS = ("fp32", "int8")

FLOAT_ERROR = 1e-4
"""fp32 TFLite may err against PyTorch by less than this share of the output range."""

_MISSED_A_THRESHOLD = 3  # the exit code of an export that wrote artifacts and a report all the same

TEXT = f"""\
Each network in its own input size, with 1000 classes, initial weights of seed 0, and int8 calibrated on
generated images. *fp32 error*: largest difference of the fp32 artifact's output from PyTorch's, as a share of
the output's range; demanded is less than {FLOAT_ERROR:g}. *Partitions*: pieces that XNNPACK runs; 1 is the
whole network. *SQNR*: the int8 artifact's output against the fp32 artifact's. On initial weights it shows
whether quantization changed from one version of mobiledeploy to the next; it says nothing of accuracy, and
does not compare networks. *Seconds*: of the whole command, checks included.
"""


@dataclass(frozen=True)
class Job:
    """A network to export."""

    network: str
    width_mult: float = 1.0

    def __str__(self) -> str:
        return self.network if self.width_mult == 1 else f"{self.network} {self.width_mult:g}x"


@dataclass(frozen=True)
class Figures:
    """The figures of an export.

    Attributes:
        float_error: Largest difference of the fp32 artifact's output from PyTorch's, as a share of its range.
        sqnr_db: SQNR of the int8 artifact's output against the fp32 artifact's.
        partitions: Precision -> number of XNNPACK partitions.
        outside: Precision -> "OP (why it is not delegated)" -> how many.
        size_bytes: Precision -> size of the file.
        seconds: Time of the whole process.
        failures: Thresholds of the export that are missed, in its words.
    """

    parameters: int
    multiply_adds: int
    float_error: float
    sqnr_db: float
    partitions: dict[str, int]
    outside: dict[str, dict[str, int]]
    size_bytes: dict[str, int]
    seconds: float
    failures: list[str]

    @classmethod
    def of(cls, report: dict[str, Any], seconds: float) -> Figures:
        """The figures in the report of an export that took so long."""
        model, files = report["model"], {key: report["artifacts"][key] for key in PRECISIONS}
        return cls(
            parameters=model["parameters"],
            multiply_adds=model["multiply_adds"],
            float_error=max(_compared(report, "fp32 TFLite", "PyTorch", "relative_error")),
            sqnr_db=min(_compared(report, "int8 TFLite", "fp32 TFLite", "sqnr_db")),
            partitions={key: file["partitions"]["count"] for key, file in files.items()},
            outside={
                key: dict(Counter(f"{op['op']} ({op['reason']})" for op in file["partitions"]["outside"]))
                for key, file in files.items()
            },
            size_bytes={key: file["size_bytes"] for key, file in files.items()},
            seconds=seconds,
            failures=report["failures"],
        )


def _compared(report: dict[str, Any], candidate: str, reference: str, figure: str) -> list[float]:
    """A figure of each output that was compared. JSON has an infinite one as text."""
    return [
        float(check[figure])
        for check in report["checks"]
        if (check["candidate"], check["reference"]) == (candidate, reference)
    ]


def jobs(names: Sequence[str] = ()) -> list[Job]:
    """The networks of these names, else all, at width 1 and at the other widths that their facts list.

    Raises:
        InputError: No network of such a name.
    """
    chosen = [resolve(name) for name in names] or specs().values()
    return [
        Job(spec.name, width_mult)
        for spec in chosen
        for width_mult in (1.0, *(width.width_mult for width in spec.widths))
    ]


def export(job: Job, out: Path) -> Figures:
    """Export with initial weights and generated images into a folder of `out`.

    Raises:
        MobileDeployError: There are no artifacts.
    """
    command = ["-m", "mobiledeploy", "export", job.network, "--int8", "--weights", "random"]
    command += [f"--max-float-error={FLOAT_ERROR}", "--json", "--quiet"]
    command.append(f"--out={out / str(job).replace(' ', '_')}")
    if job.width_mult != 1:
        command.append(f"--width-mult={job.width_mult}")
    start = time.perf_counter()
    done = run_python(sys.executable, command, f"the export of {job}")
    if done.returncode not in (0, _MISSED_A_THRESHOLD):
        raise MobileDeployError(failure(done))
    return Figures.of(json.loads(done.stdout)["report"], time.perf_counter() - start)


def misses(found: Figures) -> list[str]:
    """Return what keeps an export from being as it should, in words."""
    wrong = list(found.failures)
    if found.float_error >= FLOAT_ERROR:
        wrong.append(f"fp32 errs by {found.float_error:.1e} of the range, expected less than {FLOAT_ERROR:g}")
    for precision, count in found.partitions.items():
        outside = found.outside[precision]
        if count != 1 and (not outside or any(UNEXPLAINED in op for op in outside)):
            wrong.append(f"{precision} has {count} partitions, expected 1 or an op and a reason for it")
    return wrong


def _both(values: dict[str, int], unit: float = 1, digits: int = 0) -> str:
    return " / ".join(f"{values[precision] / unit:.{digits}f}" for precision in PRECISIONS)


def _outside(found: Figures) -> str:
    return "; ".join(
        f"{precision}: {count} {op}"
        for precision in PRECISIONS
        for op, count in found.outside[precision].items()
    )


COLUMNS: Mapping[str, Callable[[Figures], str]] = {
    "parameters M": lambda found: f"{found.parameters / 1e6:.2f}",
    "MAdds M": lambda found: f"{found.multiply_adds / 1e6:.1f}",
    "fp32 error": lambda found: f"{found.float_error:.1e}",
    "partitions fp32 / int8": lambda found: _both(found.partitions),
    "ops outside": _outside,
    "int8 SQNR dB": lambda found: f"{found.sqnr_db:.1f}",
    "MB fp32 / int8": lambda found: _both(found.size_bytes, 1e6, 2),
    "seconds": lambda found: f"{found.seconds:.0f}",
}


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    add = parser.add_argument
    add("--only", nargs="+", default=[], metavar="NAME", help="these networks, at all widths")
    add("--again", action="store_true", help="export again what was exported by the same code")
    add("--table", type=Path, metavar="FILE", help="where the page goes (default: zoo.md in --out)")
    add_out(parser, "artifacts/zoo")


def run(args: argparse.Namespace) -> int:
    """Export one network after the other, and write the table."""
    todo = jobs(args.only)
    kept = Rows(args.out / "rows", Figures, args.again)
    origin = made_by() | {"code_sha256": _code_sha256()}
    rows: list[Row[Figures]] = []
    missed: dict[str, list[str]] = {}
    for number, job in enumerate(todo, 1):
        row, is_new = kept.row((str(job),), origin, partial(export, job, args.out))
        rows.append(row)
        wrong = [row.error] if row.figures is None else misses(row.figures)
        took = f"{row.figures.seconds:.0f} s, " if row.figures else ""
        earlier = "" if is_new else " (from an earlier run)"
        print(f"{number}/{len(todo)} {job}: {took}{'; '.join(wrong) or 'ok'}{earlier}", flush=True)
        if wrong:
            missed[str(job)] = wrong

    command = " ".join(["zoo", *(["--only", *args.only] if args.only else [])])
    text = page("All networks, exported", command, TEXT, table(["network"], COLUMNS, rows))
    write(args.out, "zoo", text, {"rows": plain_rows(rows), "misses": missed})
    if args.table is not None:
        args.table.parent.mkdir(parents=True, exist_ok=True)
        args.table.write_text(text)
    print(f"written to {args.table or args.out / 'zoo.md'}")
    for name, wrong in missed.items():
        print("\n  ".join([f"missed: {name}", *wrong]), file=sys.stderr)
    return EXIT_MISSED if missed else 0


def _code_sha256() -> str:
    """Hash of the code that exports: a checkout changes more often than the version."""
    digest = hashlib.sha256()
    root = Path(mobiledeploy.__file__).parents[1]
    for folder in ("mobiledeploy", "models", "exporters", "quantize"):
        for file in sorted((root / folder).rglob("*.py")):
            digest.update(f"{file.relative_to(root)}\n".encode() + file.read_bytes())
    return digest.hexdigest()
