"""onnxruntime.quantization.quantize_static: float ONNX to QDQ ONNX; mobiledeploy's own environment has it."""
# mypy: disable-error-code="import-not-found, import-untyped"

from __future__ import annotations

import tempfile
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
"""Calibrators; all else is as it is by default, but for int8 throughout and weights per channel."""

PACKAGES = ("onnxruntime", "onnx", "numpy")


class Reader(CalibrationDataReader):  # type: ignore[misc]  # onnxruntime ships no stubs
    """Hands out the rows of an array, one at a time."""

    def __init__(self, name: str, inputs: NDArray[np.float32]) -> None:
        self._samples = iter([{name: image[np.newaxis]} for image in inputs])

    def get_next(self) -> dict[str, NDArray[np.float32]] | None:
        """The next sample; None at the end."""
        return next(self._samples, None)


def run(model: Path, inputs: NDArray[np.float32], method: str, out: Path) -> None:
    """Quantize with all inputs, (count, C, H, W)."""
    (name,) = (value.name for value in onnx.load(model).graph.input)
    with tempfile.TemporaryDirectory() as folder:
        prepared = Path(folder) / "prepared.onnx"
        quant_pre_process(str(model), str(prepared))
        quantize_static(
            str(prepared),
            str(out),
            Reader(name, inputs),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            activation_type=QuantType.QInt8,
            weight_type=QuantType.QInt8,
            calibrate_method=METHODS[method],
        )
