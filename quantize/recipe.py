"""What the user can choose about quantization."""

from __future__ import annotations

from dataclasses import dataclass

from mobiledeploy.errors import InputError
from mobiledeploy.quantize.ranges import METHODS

__all__ = ["QuantizeRecipe"]


@dataclass(frozen=True)
class QuantizeRecipe:
    """Settings of post-training quantization.

    Attributes:
        calibrator: How activation ranges are chosen: "mse", "min-max" or "percentile".
        keep_float: What stays in float: shell-style patterns of layers' names, or of op types after "op:".
    """

    calibrator: str = "mse"
    keep_float: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.calibrator not in METHODS:
            raise InputError(f"unknown calibrator {self.calibrator!r}, expected one of {', '.join(METHODS)}")
