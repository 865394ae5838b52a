"""litert-torch: a `torch.export` program of one NCHW input to float TFLite with NHWC input."""
# mypy: disable-error-code="import-not-found, import-untyped"

from __future__ import annotations

from pathlib import Path

import litert_torch
import numpy as np
import torch
from numpy.typing import NDArray

METHODS = ("default",)
PACKAGES = ("litert-torch", "torch")


def run(model: Path, inputs: NDArray[np.float32], method: str, out: Path) -> None:
    """Convert; of the inputs, (count, C, H, W), only the shape counts.

    `to_channel_last_io` is the documented way to an NHWC input; without it the artifact keeps the NCHW input
    and pays for a TRANSPOSE in every inference.
    """
    network = torch.export.load(model).module()
    _, channels, height, width = inputs.shape
    converted = litert_torch.convert(
        litert_torch.to_channel_last_io(network, args=[0]), (torch.zeros(1, height, width, channels),)
    )
    converted.export(str(out))
