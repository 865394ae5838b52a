"""What the user can choose about quantization."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from mobiledeploy.base.errors import InputError
from mobiledeploy.quantize.calibrate.calibrators import CALIBRATORS, DEFAULT_CALIBRATOR

__all__ = ["QuantizeRecipe"]


@dataclass(frozen=True)
class QuantizeRecipe:
    """Settings of post-training quantization.

    Attributes:
        calibrator: How activation ranges are chosen: one of ``CALIBRATORS``. int16 has steps so small that
            clipping never pays: its ranges are always twice those of min-max.
        equalize: Whether channels that stand out are scaled, where that changes nothing in float. int8 only.
        correct_bias: Whether biases take back what rounding shifts on average. int8 only.
        effort: "high" learns roundings, weights and scales from what the float network computes. int8 only.
        keep_float: What stays in float: shell-style patterns of layers' names, or of op types after "op:".
        activations: Type of the activations.
        seed: Of all that is drawn at random.
    """

    calibrator: str = DEFAULT_CALIBRATOR
    equalize: bool = True
    correct_bias: bool = True
    effort: Literal["default", "high"] = "default"
    keep_float: tuple[str, ...] = ()
    activations: Literal["int8", "int16"] = "int8"
    seed: int = 0

    def __post_init__(self) -> None:
        if self.calibrator not in CALIBRATORS:
            raise InputError(
                f"unknown calibrator {self.calibrator!r}, expected one of {', '.join(CALIBRATORS)}"
            )

    @property
    def method(self) -> str:
        """How ranges are chosen in fact."""
        return self.calibrator if self.activations == "int8" else "min-max"

    @property
    def reconstructs(self) -> bool:
        """Whether blocks are reconstructed in fact."""
        return self.effort == "high" and self.activations == "int8"

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of the activations."""
        return np.dtype(self.activations)
