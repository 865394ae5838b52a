"""One TFLite file on one runtime; runs in that runtime's own environment.

    python run_artifact.py --package tensorflow --artifact FILE.tflite --inputs IN.npz --out FOLDER

Runs every input with each kind of kernels in turn, writes FOLDER/<kernels>.npz and prints a line of JSON for
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
    "ai_edge_litert": ("ai-edge-litert",),
    "tensorflow": ("tensorflow", "tensorflow-cpu"),
    "tflite_runtime": ("tflite-runtime",),
}
"""Package -> names under which it is installed, for its version."""


def runtime(package: str) -> tuple[Any, Any]:
    """Interpreter class and op resolver enumeration of a runtime."""
    if package == "tensorflow":
        lite = importlib.import_module("tensorflow").lite
        return lite.Interpreter, lite.experimental.OpResolverType
    module = importlib.import_module(f"{package}.interpreter")
    return module.Interpreter, module.OpResolverType


def installed_version(package: str) -> str:
    """Version of the runtime, or "unknown"."""
    for name in DISTRIBUTIONS[package]:
        try:
            return version(name)
        except PackageNotFoundError:
            continue
    return "unknown"


def run(interpreter: Any, inputs: dict[str, Any]) -> dict[str, Any]:
    """Outputs of all inputs: "output_<i>" -> (count, *shape), from "input_<i>" -> (count, *shape)."""
    interpreter.allocate_tensors()
    details = interpreter.get_input_details()
    outputs: list[list[Any]] = [[] for _ in interpreter.get_output_details()]
    for k in range(len(inputs["input_0"])):
        for i, tensor in enumerate(details):
            interpreter.set_tensor(tensor["index"], inputs[f"input_{i}"][k])
        interpreter.invoke()
        for values, tensor in zip(outputs, interpreter.get_output_details(), strict=True):
            values.append(interpreter.get_tensor(tensor["index"]).copy())
    return {f"output_{i}": np.stack(values) for i, values in enumerate(outputs)}


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
        record = {
            "kernels": kernels,
            "version": installed_version(args.package),
            "partitions": 0,
            "error": "",
        }
        try:
            interpreter = interpreter_class(
                str(args.artifact), num_threads=1, experimental_op_resolver_type=getattr(resolvers, resolver)
            )
            np.savez(args.out / f"{kernels}.npz", **run(interpreter, inputs))
            record["partitions"] = sum(op["op_name"] == "DELEGATE" for op in interpreter._get_ops_details())
        except (
            RuntimeError,
            ValueError,
        ) as error:  # the two that the interpreters raise for a file they cannot run
            record["error"] = str(error).strip() or type(error).__name__
        print(json.dumps(record), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
