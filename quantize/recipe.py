"""What the user can choose about quantization, and what of it holds for a kind of artifact."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal, get_args

from mobiledeploy.base.options import Options, Texts, option
from mobiledeploy.quantize.calibrate.calibrators import CALIBRATORS, DEFAULT_CALIBRATOR

if TYPE_CHECKING:
    import numpy as np

__all__ = ["QuantizeOptions", "QuantizeRecipe"]

Effort = Literal["default", "high"]


@dataclass(frozen=True, kw_only=True)
class QuantizeOptions(Options):
    """What the user can choose.

    Attributes:
        seed: random seed of the order in which learning sees the samples.
    """

    title: ClassVar[str] = "quantization"

    calibrator: str = option(
        DEFAULT_CALIBRATOR,
        choices=lambda: CALIBRATORS,
        help="how activation ranges are chosen; search tries all on each tensor and keeps what is best at "
        "the outputs",
    )
    effort: Effort = option(
        "default",
        choices=get_args(Effort),
        only="int8",
        help="high: learn roundings, weights and scales from what the float network computes; takes minutes "
        "and no labels, goes on where an interrupted run left off",
    )
    equalize: bool = option(
        True, flag="--no-equalization", help="leave channels that reach much further than others as they are"
    )
    correct_bias: bool = option(
        True,
        flag="--no-bias-correction",
        help="leave biases as they are, whatever rounding shifts on average",
    )
    keep_float: Texts = option(
        (),
        only="int8",
        metavar="PATTERN",
        help="what stays in float: layers by name as in the report, or op:TYPE such as op:HardSwish, both "
        "shell-style patterns",
    )
    seed: int = 0


@dataclass(frozen=True, kw_only=True)
class QuantizeRecipe(QuantizeOptions):
    """Settings of post-training quantization to activations of one type.

    int16 has steps so small that clipping never pays: its ranges are always twice those of min-max. Channels
    are equalized and blocks reconstructed for int8 only.

    Attributes:
        activations: type of the activations.
    """

    activations: Literal["int8", "int16"] = "int8"

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
        """Type of the activations."""
        import numpy as np

        return np.dtype(self.activations)
