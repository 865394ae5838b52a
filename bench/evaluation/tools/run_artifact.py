"""One TFLite file on one runtime; runs in that runtime's own environment.

    python run_artifact.py --package tensorflow --artifact FILE.tflite --inputs IN.npz --out FOLDER

Runs every input with each kind of kernels in turn, writes FOLDER/<kernels>.npy and prints a line of JSON for
each. The file stands alone: it needs Python 3.10 or later, numpy and the runtime.
"""
# mypy: disable-error-code="import-not-found, import-untyped"

from __future__ import annotations

import argparse
import importlib
import json
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

KERNELS = {
    "default": "AUTO",
    "builtin": "BUILTIN_WITHOUT_DEFAULT_DELEGATES",
    "reference": "BUILTIN_REF",
}
"""Kind of kernels -> name of the runtime's op resolver. "default" is what an app gets, with XNNPACK."""

DISTRIBUTIONS = {
    "ai-edge-litert": ("ai-edge-litert",),
    "tensorflow": ("tensorflow", "tensorflow-cpu"),
    "tflite-runtime": ("tflite-runtime",),
}
"""Runtime -> names under which it is installed, for its version."""


def runtime(package: str) -> tuple[Any, Any]:
    """Interpreter class and op resolver enumeration of a runtime."""
    if package == "tensorflow":
        lite = importlib.import_module("tensorflow").lite
        return lite.Interpreter, lite.experimental.OpResolverType
    module = importlib.import_module(f"{package.replace('-', '_')}.interpreter")
    return module.Interpreter, module.OpResolverType


def installed_version(package: str) -> str:
    """Version of the runtime, or "unknown"."""
    for name in DISTRIBUTIONS[package]:
        try:
            return version(name)
        except PackageNotFoundError:
            continue
    return "unknown"


def run(interpreter: Any, inputs: dict[str, Any]) -> Any:
    """All outputs as real numbers, (count, values), from "input_<i>" -> float32 (count, *shape)."""
    interpreter.allocate_tensors()
    rows = []
    for k in range(len(inputs["input_0"])):
        for i, tensor in enumerate(interpreter.get_input_details()):
            interpreter.set_tensor(tensor["index"], as_input(inputs[f"input_{i}"][k], tensor))
        interpreter.invoke()
        outputs = interpreter.get_output_details()
        rows.append(np.concatenate([real(interpreter.get_tensor(o["index"]), o).ravel() for o in outputs]))
    return np.stack(rows)


def as_input(values: Any, tensor: dict[str, Any]) -> Any:
    """Values in the input's own type."""
    if tensor["dtype"] is np.float32:
        return values
    scale, zero_point = tensor["quantization"]
    limits = np.iinfo(tensor["dtype"])
    return np.clip(np.rint(values / scale) + zero_point, limits.min, limits.max).astype(tensor["dtype"])


def real(values: Any, tensor: dict[str, Any]) -> Any:
    """An output as float64."""
    if tensor["dtype"] is np.float32:
        return values.astype(np.float64)
    scale, zero_point = tensor["quantization"]
    return (values.astype(np.float64) - zero_point) * scale


def step(interpreter: Any) -> float | None:
    """Quantization step of the first output; where it is float, that of what a DEQUANTIZE made it from."""
    output = interpreter.get_output_details()[0]
    if output["dtype"] is not np.float32:
        return float(output["quantization"][0])
    scales = {tensor["index"]: tensor["quantization"][0] for tensor in interpreter.get_tensor_details()}
    for op in interpreter._get_ops_details():
        if op["op_name"] == "DEQUANTIZE" and output["index"] in op["outputs"]:
            return float(scales[int(op["inputs"][0])]) or None
    return None


def main() -> int:
    """Command line: a line of JSON per kind of kernels, flushed at once lest a later crash take it."""
    parser = argparse.ArgumentParser(description="one TFLite file on one runtime")
    parser.add_argument("--package", choices=sorted(DISTRIBUTIONS), required=True)
    parser.add_argument("--artifact", type=Path, required=True)
    parser.add_argument("--inputs", type=Path, required=True, help=".npz with input_0, input_1, ...")
    parser.add_argument("--out", type=Path, required=True, help="existing folder for the outputs")
    args = parser.parse_args()

    interpreter_class, resolvers = runtime(args.package)
    inputs = dict(np.load(args.inputs))
    for kernels, resolver in KERNELS.items():
        found = installed_version(args.package)
        record = {"kernels": kernels, "version": found, "partitions": 0, "step": None, "error": ""}
        try:
            interpreter = interpreter_class(
                str(args.artifact), num_threads=1, experimental_op_resolver_type=getattr(resolvers, resolver)
            )
            np.save(args.out / f"{kernels}.npy", run(interpreter, inputs))
            record["step"] = step(interpreter)
            record["partitions"] = sum(op["op_name"] == "DELEGATE" for op in interpreter._get_ops_details())
        except (RuntimeError, ValueError) as error:  # what the interpreters raise for a file they cannot run
            record["error"] = str(error).strip() or type(error).__name__
        print(json.dumps(record), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
