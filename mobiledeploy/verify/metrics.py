"""How far a candidate's outputs are from a reference's, and how often logits name the right class."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from mobiledeploy.base.errors import InputError

__all__ = ["Accumulator", "Accuracy", "Difference", "compare", "rank"]

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
        cosine: of the angle between reference and candidate.
        top1_agreement: share of samples in [0, 1] for which both name the same class; None unless the output
            is (1, classes) with at least 2 classes.
        top5_agreement: share of samples in [0, 1] whose class by the reference is among the first 5 of the
            candidate; None also for up to 5 classes.
    """

    samples: int
    max_abs_error: float
    output_range: float
    sqnr_db: float
    cosine: float
    top1_agreement: float | None
    top5_agreement: float | None

    @property
    def relative_error(self) -> float:
        """`max_abs_error` as a share of `output_range`."""
        if self.output_range > 0:
            return self.max_abs_error / self.output_range
        return 0.0 if self.max_abs_error == 0 else math.inf

    def to_json(self) -> dict[str, float | str | None]:
        """All figures; an infinite one, which JSON cannot hold, as the string "inf" or "-inf"."""
        figures = asdict(self) | {"relative_error": self.relative_error}
        return {name: _finite_or_text(value) for name, value in figures.items()}


class Accumulator:
    """Takes pairs of outputs one by one; memory does not grow with their number."""

    def __init__(self) -> None:
        self._samples = 0
        self._max_abs_error = 0.0
        self._lowest, self._highest = math.inf, -math.inf
        self._signal = self._noise = self._candidate_power = self._product = 0.0
        self._agreement: Accuracy | None = Accuracy()

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
        if ref.ndim != 2 or ref.shape[0] != 1 or ref.shape[1] < 2:
            self._agreement = None
        if self._agreement is not None:
            self._agreement.add(cand, int(ref.argmax()))

    def result(self) -> Difference:
        """The difference over all pairs so far.

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
            top1_agreement=self._agreement.top1 if self._agreement else None,
            top5_agreement=self._agreement.top5 if self._agreement else None,
        )

    def _cosine(self) -> float:
        lengths = math.sqrt(self._signal) * math.sqrt(self._candidate_power)
        if lengths == 0:
            return 1.0 if self._noise == 0 else 0.0
        return self._product / lengths if math.isfinite(lengths) else 0.0


class Accuracy:
    """Share of samples whose label is the first, or among the first five, by logits."""

    def __init__(self) -> None:
        self.samples = 0
        self._classes = 0
        self._first = 0
        self._first_five = 0

    def add(self, logits: Array, label: int) -> None:
        """Take one sample: logits of any shape that holds one value a class, and the class that is right."""
        place = rank(logits, label)
        self.samples += 1
        self._classes = logits.size
        self._first += place < 1
        self._first_five += place < 5

    @property
    def top1(self) -> float | None:
        """In [0, 1]; None without samples."""
        return self._first / self.samples if self.samples else None

    @property
    def top5(self) -> float | None:
        """In [0, 1]; None without samples or for up to 5 classes, where it says nothing."""
        return self._first_five / self.samples if self.samples and self._classes > 5 else None


def compare(reference: Iterable[Array], candidate: Iterable[Array]) -> Difference:
    """The difference between two equally long runs of outputs, pair by pair."""
    accumulator = Accumulator()
    for pair in zip(reference, candidate, strict=True):
        accumulator.add(*pair)
    return accumulator.result()


def rank(logits: Array, label: int) -> int:
    """Place of a class among all, 0 for the first. Of equal classes the lower index goes first, as in argmax.

    Quantized logits are often equal. Logits with NaN or infinity put every class last.
    """
    values = logits.ravel()
    if not np.isfinite(values).all():
        return values.size
    return int(np.sum(values > values[label]) + np.sum(values[:label] == values[label]))


def _decibels(signal: float, noise: float) -> float:
    if noise == 0:
        return math.inf
    return 10.0 * math.log10(signal / noise) if signal > 0 and math.isfinite(noise) else -math.inf


def _finite_or_text(value: float | None) -> float | str | None:
    return value if value is None or math.isfinite(value) else str(value)
