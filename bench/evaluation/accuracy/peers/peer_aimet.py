"""AIMET's post-training quantization of a float ONNX file; runs in an environment of its own."""
# mypy: disable-error-code="import-not-found, import-untyped"

from __future__ import annotations

import argparse
import json
import sys
import time
from importlib.metadata import version
from pathlib import Path

import aimet_onnx
import numpy as np
import onnx
from aimet_onnx.cross_layer_equalization import equalize_model

METHODS = ("default", "cle", "adaround")
"""Quantization as AIMET has it by default (min-max); after equalization; with adaptive rounding."""

ADAROUND_ITERATIONS = 1000
"""Of each layer. AIMET recommends 10,000, which take hours on 2 cores."""

PACKAGES = ("aimet-onnx", "onnx", "onnxruntime", "numpy")


def main() -> int:
    """Command line: quantize, and note versions and seconds."""
    parser = argparse.ArgumentParser(description="AIMET on a float ONNX file of one input")
    parser.add_argument("--model", type=Path, required=True, help="float .onnx")
    parser.add_argument("--calibration", type=Path, required=True, help=".npy, (count, C, H, W)")
    parser.add_argument("--method", choices=METHODS, required=True)
    parser.add_argument("--out", type=Path, required=True, help="QDQ .onnx to write")
    args = parser.parse_args()

    model, inputs = onnx.load(args.model), np.load(args.calibration)
    (name,) = (value.name for value in model.graph.input)
    samples = [{name: image[np.newaxis]} for image in inputs]
    start = time.perf_counter()
    if args.method == "cle":
        equalize_model(model)
    sim = aimet_onnx.QuantizationSimModel(
        model, param_type="int8", activation_type="int8", config_file="default"
    )
    if args.method == "adaround":
        aimet_onnx.apply_adaround(sim, samples, num_iterations=ADAROUND_ITERATIONS)
    sim.compute_encodings(samples)
    seconds = time.perf_counter() - start
    onnx.save(sim.to_onnx_qdq(export_int32_bias=True, prequantize_constants=True), args.out)
    record = {"seconds": seconds, "versions": {package: version(package) for package in PACKAGES}}
    args.out.with_name(args.out.name + ".json").write_text(json.dumps(record, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
