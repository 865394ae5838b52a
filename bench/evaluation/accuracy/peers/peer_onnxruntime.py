"""onnxruntime.quantization.quantize_static on a float ONNX file; mobiledeploy's own environment will do."""
# mypy: disable-error-code="import-not-found, import-untyped"

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnxruntime.quantization import (
    CalibrationDataReader,
    CalibrationMethod,
    QuantFormat,
    QuantType,
    quantize_static,
)
from onnxruntime.quantization.shape_inference import quant_pre_process

METHODS = {
    "minmax": CalibrationMethod.MinMax,
    "entropy": CalibrationMethod.Entropy,
    "percentile": CalibrationMethod.Percentile,
}

PACKAGES = ("onnxruntime", "onnx", "numpy")


class Reader(CalibrationDataReader):  # type: ignore[misc]  # onnxruntime ships no stubs
    """Hands out the rows of an array, one at a time."""

    def __init__(self, name: str, inputs: NDArray[np.float32]) -> None:
        self._samples = iter([{name: image[np.newaxis]} for image in inputs])

    def get_next(self) -> dict[str, NDArray[np.float32]] | None:
        """The next sample; None at the end."""
        return next(self._samples, None)


def main() -> int:
    """Command line: quantize, and note versions and seconds."""
    parser = argparse.ArgumentParser(description="onnxruntime.quantization on a float ONNX file of one input")
    parser.add_argument("--model", type=Path, required=True, help="float .onnx")
    parser.add_argument("--calibration", type=Path, required=True, help=".npy, (count, C, H, W)")
    parser.add_argument("--method", choices=METHODS, required=True, help="calibrator")
    parser.add_argument("--out", type=Path, required=True, help="QDQ .onnx to write")
    args = parser.parse_args()

    (name,) = (value.name for value in onnx.load(args.model).graph.input)
    inputs = np.load(args.calibration)
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        prepared = Path(folder) / "prepared.onnx"
        quant_pre_process(str(args.model), str(prepared))
        quantize_static(
            str(prepared),
            str(args.out),
            Reader(name, inputs),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            activation_type=QuantType.QInt8,
            weight_type=QuantType.QInt8,
            calibrate_method=METHODS[args.method],
        )
    seconds = time.perf_counter() - start
    record = {"seconds": seconds, "versions": {package: version(package) for package in PACKAGES}}
    args.out.with_name(args.out.name + ".json").write_text(json.dumps(record, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
