"""NNCF's post-training quantization of a float ONNX file; runs in an environment of its own."""
# mypy: disable-error-code="import-not-found, import-untyped"

from __future__ import annotations

import argparse
import json
import sys
import time
from importlib.metadata import version
from pathlib import Path

import nncf
import numpy as np
import onnx

METHODS = {"fast": True, "accurate": False}
"""Bias correction -> `fast_bias_correction`; all else is as NNCF has it by default."""

PACKAGES = ("nncf", "onnx", "onnxruntime", "numpy")


def main() -> int:
    """Command line: quantize, and note versions and seconds."""
    parser = argparse.ArgumentParser(description="NNCF on a float ONNX file of one input")
    parser.add_argument("--model", type=Path, required=True, help="float .onnx")
    parser.add_argument("--calibration", type=Path, required=True, help=".npy, (count, C, H, W)")
    parser.add_argument("--method", choices=METHODS, required=True, help="bias correction")
    parser.add_argument("--out", type=Path, required=True, help="QDQ .onnx to write")
    args = parser.parse_args()

    model, inputs = onnx.load(args.model), np.load(args.calibration)
    (name,) = (value.name for value in model.graph.input)
    start = time.perf_counter()
    quantized = nncf.quantize(
        model,
        nncf.Dataset(list(inputs), lambda image: {name: image[np.newaxis]}),
        subset_size=len(inputs),
        fast_bias_correction=METHODS[args.method],
    )
    seconds = time.perf_counter() - start
    onnx.save(quantized, args.out)
    record = {"seconds": seconds, "versions": {package: version(package) for package in PACKAGES}}
    args.out.with_name(args.out.name + ".json").write_text(json.dumps(record, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
