"""NNCF's post-training quantization: float ONNX to QDQ ONNX."""
# mypy: disable-error-code="import-not-found, import-untyped"

from __future__ import annotations

from pathlib import Path

import nncf
import numpy as np
import onnx
from numpy.typing import NDArray

METHODS = {"fast": True, "accurate": False}
"""Bias correction -> `fast_bias_correction`; all else is as NNCF has it by default."""

PACKAGES = ("nncf", "onnx", "onnxruntime", "numpy")


def run(model: Path, inputs: NDArray[np.float32], method: str, out: Path) -> None:
    """Quantize with all inputs, (count, C, H, W)."""
    network = onnx.load(model)
    (name,) = (value.name for value in network.graph.input)
    quantized = nncf.quantize(
        network,
        nncf.Dataset(list(inputs), lambda image: {name: image[np.newaxis]}),
        subset_size=len(inputs),
        fast_bias_correction=METHODS[method],
    )
    onnx.save(quantized, out)
