"""AIMET's post-training quantization: float ONNX to QDQ ONNX."""
# mypy: disable-error-code="import-not-found, import-untyped"

from __future__ import annotations

from pathlib import Path

import aimet_onnx
import numpy as np
import onnx
from aimet_onnx.cross_layer_equalization import equalize_model
from numpy.typing import NDArray

METHODS = ("default", "cle")
"""Quantization as AIMET has it by default (min-max); after equalization."""

PACKAGES = ("aimet-onnx", "onnx", "onnxruntime", "numpy")


def run(model: Path, inputs: NDArray[np.float32], method: str, out: Path) -> None:
    """Quantize with all inputs, (count, C, H, W)."""
    network = onnx.load(model)
    (name,) = (value.name for value in network.graph.input)
    if method == "cle":
        equalize_model(network)
    sim = aimet_onnx.QuantizationSimModel(
        network, param_type="int8", activation_type="int8", config_file="default"
    )
    sim.compute_encodings([{name: image[np.newaxis]} for image in inputs])
    onnx.save(sim.to_onnx_qdq(export_int32_bias=True, prequantize_constants=True), out)
