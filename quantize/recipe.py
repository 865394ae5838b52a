"""What the user can choose about quantization."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from mobiledeploy.errors import InputError
from mobiledeploy.quantize.ranges import METHODS

__all__ = ["Effort", "QuantizeRecipe"]

Effort = Literal["default", "high"]


@dataclass(frozen=True)
class QuantizeRecipe:
    """Settings of post-training quantization.

    Attributes:
        calibrator: How activation ranges are chosen: "mse", "min-max" or "percentile".
        correct_bias: Whether biases take back what rounding shifts on average.
        keep_float: What stays in float: shell-style patterns of layers' names, or of op types after "op:".
    """

    calibrator: str = "mse"
    correct_bias: bool = True
    keep_float: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.calibrator not in METHODS:
            raise InputError(f"unknown calibrator {self.calibrator!r}, expected one of {', '.join(METHODS)}")
