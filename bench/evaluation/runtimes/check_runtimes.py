"""The fp32 and int8 artifact of a network on LiteRT, tensorflow and tflite-runtime, side by side.

python -m mobiledeploy.bench.evaluation.runtimes.check_runtimes A_fp32.tflite A_int8.tflite \\
    --tensorflow-python tf/bin/python --tflite-runtime-python tfl/bin/python
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mobiledeploy.base.errors import InputError, MobileDeployError
from mobiledeploy.bench.evaluation.runtimes.agreement import Agreement, Limits, agreement, complaint
from mobiledeploy.inputs.open_inputs import open_inputs
from mobiledeploy.inputs.preprocessing import Preprocessing
from mobiledeploy.runtime.runtimes import TfliteSession

__all__ = ["Run", "check", "main"]

Array = NDArray[Any]

IMAGENET = Preprocessing(None, "bilinear", (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
CHILD = Path(__file__).with_name("run_artifact.py")
TIMEOUT_S = 600


@dataclass(frozen=True)
class Run:
    """One artifact on one runtime with one kind of kernels.

    Attributes:
        artifact: "fp32" or "int8".
        runtime: package and version.
        kernels: "default" (with XNNPACK, where the runtime does that), "builtin" or "reference".
        partitions: XNNPACK partitions that the runtime made; 0 where it did not use XNNPACK.
        agreement: with LiteRT's default run; None if it did not run.
        complaint: why it does not pass, or nothing.
    """

    artifact: str
    runtime: str
    kernels: str
    partitions: int
    agreement: Agreement | None
    complaint: str


@dataclass(frozen=True)
class _Tensors:
    """Inputs of an artifact in its own layout and types, and how to read its outputs."""

    inputs: dict[str, Array]
    steps: list[tuple[float, int] | None]  # scale and zero point of each output; None for float
    float_step: float | None  # where an int8 network ends in DEQUANTIZE: its step

    def real(self, outputs: dict[str, Array]) -> Array:
        """All outputs dequantized, a row for each input."""
        parts = []
        for i, step in enumerate(self.steps):
            values = outputs[f"output_{i}"].astype(np.float64)
            parts.append(values if step is None else (values - step[1]) * step[0])
        return np.concatenate([part.reshape(len(part), -1) for part in parts], axis=1)

    @property
    def step(self) -> float | None:
        """Size of the first output's quantization step; None for a float network."""
        return self.float_step if self.steps[0] is None else self.steps[0][0]


def check(
    artifacts: dict[str, Path],
    pythons: dict[str, str],
    *,
    data: Path | None = None,
    samples: int = 16,
    seed: int = 0,
    limits: Limits | None = None,
) -> list[Run]:
    """Run both artifacts everywhere on the same inputs.

    Args:
        artifacts: "fp32" and "int8" -> .tflite file.
        pythons: package -> Python interpreter that has it: "ai_edge_litert" (the reference, first),
            "tensorflow", "tflite_runtime".
        data: folder of images or .npz of inputs; None: generated images.
        samples: number of inputs.
        seed: of their choice.
        limits: what still counts as the same result.

    Raises:
        InputError: an artifact that LiteRT cannot load, or an interpreter that cannot be run.
    """
    limits = limits or Limits()
    runs: list[Run] = []
    fp32: Array | None = None
    for kind in ("fp32", "int8"):
        tensors = _tensors(artifacts[kind], data, samples, seed)
        reference: Array | None = None
        at_reference: Agreement | None = None
        for package, python in pythons.items():
            for record, outputs in _in_child(python, package, artifacts[kind], tensors.inputs):
                name = f"{package} {record['version']}"
                if outputs is None:
                    message = f"did not run: {record['error'].splitlines()[0]}"
                    runs.append(Run(kind, name, record["kernels"], 0, None, message))
                    continue
                real = tensors.real(outputs)
                reference = real if reference is None else reference
                fp32 = real if fp32 is None else fp32
                found = agreement(reference, real, fp32, tensors.step)
                at_reference = at_reference or found
                wrong = complaint(found, at_reference, record["partitions"] > 0, limits)
                runs.append(Run(kind, name, record["kernels"], record["partitions"], found, wrong))
    return runs


def _tensors(path: Path, data: Path | None, samples: int, seed: int) -> _Tensors:
    session = TfliteSession(path)
    interpreter = session.interpreter
    shapes = session.input_shapes()
    source = open_inputs(data, shapes, IMAGENET, samples, seed, held_back=0)
    numbers = {details["index"]: i for i, details in enumerate(interpreter.get_input_details())}
    inputs: dict[str, Array] = {}
    for name, details in session.inputs.items():
        drawn = np.stack([sample[name] for sample in source.calibration])  # (count, 1, C, H, W)
        if session.nhwc and len(shapes[name]) == 4:
            drawn = drawn.transpose(0, 1, 3, 4, 2)
        inputs[f"input_{numbers[details['index']]}"] = _as_input(drawn, details)
    outputs = interpreter.get_output_details()
    steps = [None if out["dtype"] is np.float32 else out["quantization"] for out in outputs]
    return _Tensors(inputs, steps, _step_before_dequantize(interpreter, outputs[0]["index"]))


def _as_input(values: NDArray[np.float32], tensor: dict[str, Any]) -> Array:
    if tensor["dtype"] is np.float32:
        return values
    scale, zero_point = tensor["quantization"]
    limits = np.iinfo(tensor["dtype"])
    quantized: Array = np.clip(np.rint(values / scale) + zero_point, limits.min, limits.max)
    return quantized.astype(tensor["dtype"])


def _step_before_dequantize(interpreter: Any, output: int) -> float | None:
    """Scale of the tensor that the last DEQUANTIZE of a quantized network with float output reads."""
    for op in interpreter._get_ops_details():
        if op["op_name"] == "DEQUANTIZE" and output in op["outputs"]:
            scales = {
                tensor["index"]: tensor["quantization"][0] for tensor in interpreter.get_tensor_details()
            }
            return float(scales[int(op["inputs"][0])]) or None
    return None


def _in_child(
    python: str, package: str, artifact: Path, inputs: dict[str, Array]
) -> list[tuple[dict[str, Any], dict[str, Array] | None]]:
    """Record and outputs (None if it did not run) for each kind of kernels."""
    with tempfile.TemporaryDirectory() as folder:
        given = Path(folder) / "inputs.npz"
        np.savez(given, **inputs)  # type: ignore[arg-type]
        command = [python, str(CHILD), "--package", package, "--artifact", str(artifact)]
        command += ["--inputs", str(given), "--out", folder]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
        except (OSError, subprocess.TimeoutExpired) as error:
            raise InputError(
                f"{python} cannot run {package} ({error}); give the Python interpreter that has it"
            ) from error
        found: list[tuple[dict[str, Any], dict[str, Array] | None]] = []
        for line in done.stdout.splitlines():
            if line.startswith("{"):
                record = json.loads(line)
                outputs = (
                    None if record["error"] else dict(np.load(Path(folder) / f"{record['kernels']}.npz"))
                )
                found.append((record, outputs))
        if done.returncode != 0:
            last = (done.stderr.strip().splitlines() or ["no message"])[-1]
            if not found:
                raise InputError(
                    f"{python} cannot run {package} ({last}); give the Python interpreter that has it"
                )
            crash = f"the runtime ended with status {done.returncode} ({last})"
            found.append(({"kernels": "the next", "version": found[0][0]["version"], "error": crash}, None))
        return found


def _table(runs: list[Run]) -> str:
    """The runs as text for a terminal, one line each."""
    columns = ("artifact", "runtime", "kernels", "parts", "max steps", "max abs", "unequal", "SQNR dB")
    widths = (8, 21, 9, 5, 9, 8, 15, 7)
    lines = ["  ".join(f"{name:{width}}" for name, width in zip(columns, widths, strict=True)) + "  verdict"]
    for run in runs:
        cells = [run.artifact, run.runtime, run.kernels, str(run.partitions), *[""] * 4]
        if (found := run.agreement) is not None:
            cells[4:] = [
                "-" if found.max_steps is None else f"{found.max_steps:g}",
                f"{found.max_abs:.2e}",
                f"{found.unequal} of {found.values}",
                f"{found.sqnr_db:.2f}",
            ]
        line = "  ".join(f"{cell:{width}}" for cell, width in zip(cells, widths, strict=True))
        lines.append(f"{line}  {run.complaint or 'ok'}")
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> int:
    """Command line. Exit code 1 when a run fails or lies over its limit."""
    defaults = Limits()
    parser = argparse.ArgumentParser(
        prog="python -m mobiledeploy.bench.evaluation.runtimes.check_runtimes",
        description="the fp32 and int8 artifact of a network on LiteRT, tensorflow and tflite-runtime",
    )
    parser.add_argument("fp32", type=Path, metavar="FP32.tflite")
    parser.add_argument("int8", type=Path, metavar="INT8.tflite")
    parser.add_argument(
        "--tensorflow-python", metavar="PYTHON", help="interpreter of an environment with tensorflow"
    )
    parser.add_argument(
        "--tflite-runtime-python", metavar="PYTHON", help="interpreter of one with tflite-runtime"
    )
    parser.add_argument(
        "--inputs", type=Path, help="folder of images or .npz of inputs (default: generated images)"
    )
    parser.add_argument("--samples", type=int, default=16)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--max-steps", type=float, default=defaults.steps, help="int8 on XNNPACK (default %(default)g)"
    )
    parser.add_argument(
        "--max-loss-db",
        type=float,
        default=defaults.loss_db,
        help="int8 on other kernels (default %(default)g)",
    )
    parser.add_argument("--json", action="store_true", help="print JSON in place of the table")
    args = parser.parse_args(arguments)

    pythons = {"ai_edge_litert": sys.executable}
    if args.tensorflow_python:
        pythons["tensorflow"] = args.tensorflow_python
    if args.tflite_runtime_python:
        pythons["tflite_runtime"] = args.tflite_runtime_python
    try:
        runs = check(
            {"fp32": args.fp32, "int8": args.int8},
            pythons,
            data=args.inputs,
            samples=args.samples,
            seed=args.seed,
            limits=Limits(steps=args.max_steps, loss_db=args.max_loss_db),
        )
    except MobileDeployError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    if args.json:
        print(json.dumps([asdict(run) for run in runs], indent=2))
    else:
        print(_table(runs))
    return 1 if any(run.complaint for run in runs) else 0


if __name__ == "__main__":
    sys.exit(main())
