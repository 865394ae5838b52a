"""ai-edge-quantizer: float TFLite of one NHWC input, of any origin, to int8 TFLite."""
# mypy: disable-error-code="import-not-found, import-untyped"

from __future__ import annotations

from pathlib import Path

import ai_edge_quantizer
import numpy as np
from ai_edge_litert.interpreter import Interpreter
from numpy.typing import NDArray

METHODS = ("static_wi8_ai8",)
"""Recipes; all settings are at their defaults."""

PACKAGES = ("ai-edge-quantizer", "ai-edge-litert")


def run(model: Path, inputs: NDArray[np.float32], method: str, out: Path) -> None:
    """Quantize with all inputs, (count, C, H, W)."""
    ((signature, tensors),) = Interpreter(str(model)).get_signature_list().items()
    (name,) = tensors["inputs"]
    # (1, H, W, C) each
    samples = [{name: np.ascontiguousarray(image.transpose(1, 2, 0)[np.newaxis])} for image in inputs]
    recipe = getattr(ai_edge_quantizer.recipe, method)()
    quantizer = ai_edge_quantizer.quantizer.Quantizer(str(model), recipe)
    statistics = quantizer.calibrate({signature: samples})
    quantizer.quantize(statistics).export_model(str(out), overwrite=True)
