"""What the user can choose about quantization."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from mobiledeploy.calibrators import CALIBRATORS
from mobiledeploy.errors import InputError

__all__ = ["Effort", "QuantizeRecipe"]

Effort = Literal["default", "high"]


@dataclass(frozen=True)
class QuantizeRecipe:
    """Settings of post-training quantization.

    Attributes:
        calibrator: How activation ranges are chosen: one of ``CALIBRATORS``.
        correct_bias: Whether biases take back what rounding shifts on average.
    """

    calibrator: str = "mse"
    correct_bias: bool = True

    def __post_init__(self) -> None:
        if self.calibrator not in CALIBRATORS:
            raise InputError(
                f"unknown calibrator {self.calibrator!r}, expected one of {', '.join(CALIBRATORS)}"
            )
