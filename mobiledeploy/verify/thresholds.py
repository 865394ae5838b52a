"""Bounds that the figures of a comparison must keep."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from mobiledeploy.base.options import Options, UnfitError, number, option

if TYPE_CHECKING:
    from mobiledeploy.verify.metrics import Difference

__all__ = ["DEFAULT_INT8_SQNR_DB", "AccuracyBudget", "Limit", "Thresholds"]

DEFAULT_INT8_SQNR_DB = 10.0


@dataclass(frozen=True)
class Thresholds(Options):
    """Bounds beyond which an artifact counts as wrong.

    Attributes:
        float_error: Largest error of a float artifact, as a share of the output's range.
        int8_sqnr_db: Least SQNR of int8 weights, whatever the activations, against float, in dB; None for
            10 dB, or for no limit where the weights are initial ones, of which it says nothing. 10 dB means
            noise of a third of the signal's amplitude: a classifier still mostly agrees with its float
            version, below it something is broken.
        fp16_sqnr_db: Least SQNR of float16 weights against float32, in dB. Rounding leaves 78 dB of a layer,
            and so about 60 dB of a network of 60; far below that, something is broken.
        qdq_sqnr_db: Least SQNR of int8 against the QDQ graph in ONNX Runtime, which differ by rounding only.
    """

    title: ClassVar[str] = "checks"

    float_error: float = option(
        1e-4,
        number,
        flag="--max-float-error",
        metavar="X",
        help="fail when fp32 errs by more than this share of the output range",
    )
    int8_sqnr_db: float | None = option(
        None,
        number,
        flag="--min-sqnr",
        metavar="DB",
        help="fail when int8 is below this SQNR against fp32",
        unset="10, or no limit for initial weights",
    )
    fp16_sqnr_db: float = 30.0
    qdq_sqnr_db: float = 15.0


@dataclass(frozen=True)
class Limit:
    """One figure of a Difference and the bound that it must keep."""

    figure: Literal["relative_error", "sqnr_db"]
    bound: float

    def holds(self, difference: Difference) -> bool:
        """Tell whether the bound is kept. Errors must not exceed it, an SQNR must reach it."""
        if self.figure == "sqnr_db":
            return difference.sqnr_db >= self.bound
        return difference.relative_error <= self.bound

    def __str__(self) -> str:
        if self.figure == "sqnr_db":
            return f"SQNR >= {self.bound:g} dB"
        return f"error <= {self.bound:g} of range"


@dataclass(frozen=True)
class AccuracyBudget:
    """Accuracy that int8 may lose: one of the two.

    Attributes:
        points: Most points below fp32, of what the network's task is judged by.
        sqnr_db: Least SQNR against fp32, in dB.
    """

    points: float | None = None
    sqnr_db: float | None = None

    @classmethod
    def of(cls, given: str | float | AccuracyBudget) -> AccuracyBudget:
        """Return the budget that "0.5" (points) or "20dB" stands for.

        Raises:
            UnfitError: It is neither.
        """
        if isinstance(given, AccuracyBudget):
            return given
        figure = str(given).strip().lower()
        decibels = figure.endswith("db")
        try:
            value = float(figure.removesuffix("db"))
        except ValueError:
            value = math.nan
        if not math.isfinite(value) or (value < 0 and not decibels):
            raise UnfitError("points of accuracy such as 0.5, or an SQNR such as 20dB")
        return cls(sqnr_db=value) if decibels else cls(points=value)

    def in_words(self, points: str = "points") -> str:
        """Return the budget in words; `points` says of what they are."""
        if self.sqnr_db is not None:
            return f"SQNR of at least {self.sqnr_db:g} dB"
        return f"at most {self.points:g} {points} lost"
