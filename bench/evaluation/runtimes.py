"""`runtimes`: the fp32 and int8 artifact of a network on LiteRT, tensorflow and tflite-runtime.

Each runtime runs with each kind of kernels, on the same inputs. XNNPACK and the runtimes' own int8 kernels
round products differently, each to a neighbour of the exact value. Over fifty layers that adds up to several
steps at the output with neither of them wrong, so other kernels than XNNPACK are held to XNNPACK's distance
from fp32 and not to its values.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mobiledeploy.base.errors import InputError
from mobiledeploy.base.json_text import as_json
from mobiledeploy.bench.evaluation.arguments import EXIT_MISSED, add_pythons, add_seed, given_pythons, number
from mobiledeploy.bench.evaluation.images import AS_THEY_ARE
from mobiledeploy.bench.evaluation.other_python import TOOLS, failure, run_python
from mobiledeploy.bench.evaluation.page import made_by, plain_rows, table
from mobiledeploy.bench.evaluation.rows import Row
from mobiledeploy.inputs.open_inputs import open_inputs
from mobiledeploy.runtime.runtimes import TfliteSession
from mobiledeploy.verify.metrics import compare

__all__ = ["Figures", "Tolerances", "add_options", "complaint", "figures_of_run", "run"]

Array = NDArray[Any]

ENVIRONMENTS = ("tensorflow", "tflite-runtime")
KINDS = ("fp32", "int8")
TIMEOUT_S = 600


@dataclass(frozen=True)
class Tolerances:
    """The largest differences that count as the same result.

    Attributes:
        steps: Largest error of int8 where XNNPACK runs it, in quantization steps of the output.
        loss_db: How far int8 on other kernels may lie below XNNPACK in SQNR against fp32.
        relative: Largest error of fp32, as a share of the output's range.
    """

    steps: float = 1.0
    loss_db: float = 1.0
    relative: float = 1e-4


@dataclass(frozen=True)
class Figures:
    """Outputs of one run against the reference run of the same artifact.

    Attributes:
        partitions: XNNPACK partitions that the runtime made; 0 where it did not use XNNPACK.
        max_abs: Largest difference, in the output's real unit.
        max_steps: The same in quantization steps; None for a float artifact.
        relative: The same as a share of the reference's range.
        unequal: Number of values that are not equal.
        values: Number of values.
        beyond: Number of inputs with a value more than one step apart; 0 for a float artifact.
        inputs: Number of inputs.
        sqnr_db: SQNR against the fp32 artifact on the reference runtime.
        complaint: Why it does not pass, or nothing.
    """

    partitions: int
    max_abs: float
    max_steps: float | None
    relative: float
    unequal: int
    values: int
    beyond: int
    inputs: int
    sqnr_db: float
    complaint: str = ""


def _steps(found: Figures) -> str:
    return "-" if found.max_steps is None else f"{found.max_steps:g}"


COLUMNS: Mapping[str, Callable[[Figures], str]] = {
    "parts": lambda found: str(found.partitions),
    "max steps": _steps,
    "max abs": lambda found: f"{found.max_abs:.2e}",
    "unequal": lambda found: f"{found.unequal} of {found.values}",
    "SQNR dB": lambda found: f"{found.sqnr_db:.2f}",
    "verdict": lambda found: found.complaint or "ok",
}


def figures_of_run(
    reference: Array, candidate: Array, fp32: Array, step: float | None, partitions: int = 0
) -> Figures:
    """Set a run beside the reference run.

    Args:
        reference: Outputs of the reference run as real numbers, (inputs, values).
        candidate: Outputs of this run, the same shape.
        fp32: Outputs of the float artifact on the reference runtime, the same shape.
        step: Size of a quantization step of the output; None for a float artifact.
        partitions: What XNNPACK made of the artifact in this run.
    """
    difference = np.abs(reference.astype(np.float64) - candidate)
    max_abs = float(difference.max())
    spread = float(np.ptp(reference)) or 1.0
    # Rounded, as a difference of dequantized values carries the float error of two multiplications.
    steps = None if step is None else np.round(difference / step, 3)
    return Figures(
        partitions=partitions,
        max_abs=max_abs,
        max_steps=None if steps is None else float(steps.max()),
        relative=max_abs / spread,
        unequal=int(np.count_nonzero(difference)),
        values=difference.size,
        beyond=0 if steps is None else int(np.count_nonzero(steps.max(axis=1) > 1)),
        inputs=len(difference),
        sqnr_db=compare([fp32], [candidate]).sqnr_db,
    )


def complaint(found: Figures, reference: Figures, tolerances: Tolerances) -> str:
    """Return what is wrong with a run, or nothing.

    Args:
        reference: The reference run set beside itself, for its SQNR.
    """
    if found.max_steps is None:
        if found.relative <= tolerances.relative:
            return ""
        return f"error {found.relative:.1e} of the output range, expected at most {tolerances.relative:.0e}"
    if found.partitions:
        if found.max_steps <= tolerances.steps:
            return ""
        return (
            f"{found.max_steps:g} quantization steps apart, expected at most {tolerances.steps:g}; "
            f"{found.beyond} of {found.inputs} inputs are more than one apart"
        )
    loss = reference.sqnr_db - found.sqnr_db
    if loss <= tolerances.loss_db:
        return ""
    most = f"{tolerances.loss_db:g} dB"
    return f"SQNR against fp32 is {loss:.1f} dB below that of XNNPACK, expected at most {most}"


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    add, default = parser.add_argument, Tolerances()
    for kind in KINDS:
        add(kind, type=Path, metavar=f"{kind.upper()}.tflite")
    add_pythons(parser, ENVIRONMENTS)
    add("--inputs", type=Path, help="folder of images or .npz of inputs (default: generated images)")
    add_seed(parser, samples=16)
    add("--max-steps", type=number, default=default.steps, help="int8 on XNNPACK (default: %(default)g)")
    add(
        "--max-loss-db",
        type=number,
        default=default.loss_db,
        help="other int8 kernels (default: %(default)g)",
    )
    add("--json", action="store_true", help="print JSON in place of the table")


def run(args: argparse.Namespace) -> int:
    """Run both artifacts everywhere on the same inputs, and print the table."""
    pythons = {"ai-edge-litert": sys.executable} | given_pythons(args, ENVIRONMENTS)
    tolerances = Tolerances(steps=args.max_steps, loss_db=args.max_loss_db)
    rows: list[Row[Figures]] = []
    fp32: Array | None = None
    for kind in KINDS:
        artifact: Path = getattr(args, kind)
        inputs = _inputs(artifact, args.inputs, args.samples, args.seed)
        reference: tuple[Array, Figures] | None = None
        for package, python in pythons.items():
            for record, outputs in _in_child(python, package, artifact, inputs):
                names = (kind, f"{package} {record['version']}", record["kernels"])
                if outputs is None:
                    rows.append(Row(names, None, f"did not run: {record['error'].splitlines()[0]}"))
                    continue
                fp32 = outputs if fp32 is None else fp32
                first = outputs if reference is None else reference[0]
                found = figures_of_run(first, outputs, fp32, record["step"], record["partitions"])
                reference = reference or (outputs, found)
                found = replace(found, complaint=complaint(found, reference[1], tolerances))
                rows.append(Row(names, found))
    if args.json:
        print(as_json({**made_by(), "rows": plain_rows(rows)}), end="")
    else:
        print(table(("artifact", "runtime", "kernels"), COLUMNS, rows, aligned=True), end="")
    return EXIT_MISSED if any(row.figures is None or row.figures.complaint for row in rows) else 0


def _inputs(path: Path, data: Path | None, samples: int, seed: int) -> dict[str, NDArray[np.float32]]:
    """Inputs in an artifact's own layout: "input_<i>" -> float32 (count, *shape).

    Raises:
        InputError: LiteRT cannot load the artifact, or the data does not fit it.
    """
    session = TfliteSession(path)
    shapes = session.input_shapes()
    source = open_inputs(data, shapes, AS_THEY_ARE, samples, seed, holdout=0)
    numbers = {details["index"]: i for i, details in enumerate(session.interpreter.get_input_details())}
    found = {}
    for name, details in session.inputs.items():
        drawn = np.stack([sample[name] for sample in source.calibration])  # (count, 1, C, H, W)
        if session.nhwc and len(shapes[name]) == 4:
            drawn = drawn.transpose(0, 1, 3, 4, 2)
        found[f"input_{numbers[details['index']]}"] = drawn
    return found


def _in_child(
    python: str, package: str, artifact: Path, inputs: dict[str, NDArray[np.float32]]
) -> Iterator[tuple[dict[str, Any], Array | None]]:
    """Yield record and outputs, (inputs, values), for each kind of kernels; no outputs if it did not run.

    Raises:
        InputError: The interpreter cannot be run, or has not the package.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        np.savez(folder / "inputs.npz", **inputs)  # type: ignore[arg-type]
        command: list[str | Path] = [TOOLS / "run_artifact.py", "--package", package, "--artifact", artifact]
        command += ["--inputs", folder / "inputs.npz", "--out", folder]
        done = run_python(python, command, package, TIMEOUT_S)
        records = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
        if done.returncode != 0 and not records:
            raise InputError(
                f"{python} cannot run {package} (it {failure(done)}); give the Python interpreter that has it"
            )
        for record in records:
            yield record, None if record["error"] else np.load(folder / f"{record['kernels']}.npy")
        if done.returncode != 0:
            crash = f"the runtime {failure(done)}"
            yield {"kernels": "the next", "version": records[0]["version"], "error": crash}, None
