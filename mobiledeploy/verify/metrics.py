"""How far a candidate's outputs are from a reference's, in numbers that mean the same for every network."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from mobiledeploy.base.errors import InputError

__all__ = ["Accumulator", "Difference", "compare"]

Array = NDArray[np.generic]


@dataclass(frozen=True)
class Difference:
    """A candidate's output against the reference's, over all samples together.

    Attributes:
        samples: number of pairs compared.
        max_abs_error: largest |reference - candidate|, in units of the output; infinite if there is a NaN.
        output_range: largest minus smallest value of the reference, in the same units.
        sqnr_db: signal to quantization noise ratio in dB, 10 log10(sum reference^2 / sum (reference -
            candidate)^2); infinite if they are equal.
        cosine: cosine of the angle between reference and candidate.
    """

    samples: int
    max_abs_error: float
    output_range: float
    sqnr_db: float
    cosine: float

    @property
    def relative_error(self) -> float:
        """Return `max_abs_error` as a share of `output_range`."""
        if self.output_range > 0:
            return self.max_abs_error / self.output_range
        return 0.0 if self.max_abs_error == 0 else math.inf

    def to_json(self) -> dict[str, float | str | None]:
        """Return all figures; an infinite one, which JSON cannot hold, as the string "inf" or "-inf"."""
        figures = asdict(self) | {"relative_error": self.relative_error}
        return {name: _finite_or_text(value) for name, value in figures.items()}


class Accumulator:
    """Sums over pairs of outputs, taken one by one; memory does not grow with their number."""

    def __init__(self) -> None:
        self._samples = 0
        self._max_abs_error = 0.0
        self._lowest, self._highest = math.inf, -math.inf
        self._signal = self._noise = self._candidate_power = self._product = 0.0

    def add(self, reference: Array, candidate: Array) -> None:
        """Take one sample's output of both, of the same shape, dequantized.

        Raises:
            InputError: the shapes differ.
        """
        if reference.shape != candidate.shape:
            raise InputError(
                f"candidate output has shape {candidate.shape}, expected {reference.shape} as the reference; "
                "compare two forms of the same network"
            )
        ref, cand = reference.astype(np.float64), candidate.astype(np.float64)
        error = np.nan_to_num(np.abs(ref - cand), nan=math.inf, posinf=math.inf)
        self._samples += 1
        self._max_abs_error = max(self._max_abs_error, float(error.max()))
        self._lowest, self._highest = (
            min(self._lowest, float(ref.min())),
            max(self._highest, float(ref.max())),
        )
        self._signal += float(np.sum(ref * ref))
        self._noise += float(np.sum(error * error))
        self._candidate_power += float(np.sum(cand * cand))
        with np.errstate(invalid="ignore"):  # 0 times infinity; the noise says it all
            self._product += float(np.sum(ref * cand))

    def result(self) -> Difference:
        """Return the difference over all pairs so far.

        Raises:
            ValueError: there was no pair.
        """
        if not self._samples:
            raise ValueError("no outputs were compared, expected at least one pair")
        return Difference(
            samples=self._samples,
            max_abs_error=self._max_abs_error,
            output_range=self._highest - self._lowest,
            sqnr_db=_decibels(self._signal, self._noise),
            cosine=self._cosine(),
        )

    def _cosine(self) -> float:
        lengths = math.sqrt(self._signal) * math.sqrt(self._candidate_power)
        if lengths == 0:
            return 1.0 if self._noise == 0 else 0.0
        return self._product / lengths if math.isfinite(lengths) else 0.0


def compare(reference: Iterable[Array], candidate: Iterable[Array]) -> Difference:
    """Return the difference between two equally long runs of outputs, pair by pair."""
    accumulator = Accumulator()
    for pair in zip(reference, candidate, strict=True):
        accumulator.add(*pair)
    return accumulator.result()


def _decibels(signal: float, noise: float) -> float:
    if noise == 0:
        return math.inf
    return 10.0 * math.log10(signal / noise) if signal > 0 and math.isfinite(noise) else -math.inf


def _finite_or_text(value: float | None) -> float | str | None:
    return value if value is None or math.isfinite(value) else str(value)
