"""The inputs of a run: which are chosen, to calibrate with or held back, and how they are made.

Samples are made when they are asked for, so that memory does not grow with their number.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import overload

import numpy as np

from mobiledeploy.runtime.runtimes import Sample

__all__ = ["InputSource", "SampleChoice", "Samples", "content_digest", "input_source"]


class Samples(Sequence[Sample]):
    """Sequence of samples that are made when asked for, the same on every pass.

    Args:
        numbers: number of each sample in its source.
        make: returns the sample of a number.
    """

    def __init__(self, numbers: Sequence[int], make: Callable[[int], Sample]) -> None:
        self._numbers = numbers
        self._make = make

    def __len__(self) -> int:
        return len(self._numbers)

    @overload
    def __getitem__(self, index: int) -> Sample: ...
    @overload
    def __getitem__(self, index: slice) -> Samples: ...
    def __getitem__(self, index: int | slice) -> Sample | Samples:
        if isinstance(index, slice):
            return Samples(self._numbers[index], self._make)
        return self._make(self._numbers[index])


@dataclass(frozen=True)
class InputSource:
    """Inputs of a run, and where they come from.

    Attributes:
        description: one line for the report: how many of what, and how they were prepared.
        holdout_description: the same of the samples that are held back.
        warnings: what the user should know about them, a sentence each.
        calibration: samples to calibrate with.
        holdout: other samples, to check the result on; the same ones for any number of calibration samples,
            as long as there are enough of both.
        fingerprint: SHA-256 (hex) of what the samples are made from, in order: files, array rows, or seeds.
    """

    description: str
    holdout_description: str
    warnings: list[str]
    calibration: Samples
    holdout: Samples
    fingerprint: str


@dataclass(frozen=True)
class SampleChoice:
    """How many samples are wanted, and how they are chosen.

    Attributes:
        samples: most samples to calibrate with.
        holdout: most samples to hold back for checks.
        seed: random seed of the choice among more, or of generated samples.
    """

    samples: int
    holdout: int
    seed: int

    @property
    def total(self) -> int:
        """Number of samples that are wanted, held back ones included."""
        return self.samples + self.holdout

    def order(self, count: int) -> list[int]:
        """Return the numbers 0..count-1 in the order in which samples are taken."""
        return [int(number) for number in np.random.default_rng(self.seed).permutation(count)]

    def split(self, found: int) -> tuple[range, range]:
        """Return which of `found` samples to calibrate with, and which to hold back.

        Those held back come first, so that another number of calibration samples leaves them as they are.
        """
        if found == 1:
            return range(1), range(min(1, self.holdout))
        kept = min(self.holdout, max(found - self.samples, found // 5, 1))
        return range(kept, min(found, kept + self.samples)), range(kept)

    def warnings(self, found: int, kind: str) -> list[str]:
        """Return a sentence for the user if `found` samples are too few; `kind` says what they are."""
        calibration, kept = self.split(found)
        if found == 1 and kept:
            return [f"calibration wants {self.samples} {kind}, found 1: it serves to calibrate and to check"]
        if len(calibration) < self.samples:
            return [
                f"calibration wants {self.samples} {kind}, found {found} and held back {len(kept)} of these"
            ]
        return []


def input_source(
    wanted: SampleChoice,
    make: Callable[[int], Sample],
    digests: Sequence[bytes],
    kind: str,
    notes: Iterable[str],
    how: str,
) -> InputSource:
    """Split the samples of a source as wanted, and describe it.

    Args:
        wanted: how many samples are wanted.
        make: returns the sample of a number from 0 on.
        digests: SHA-256 of what each sample is made from; there are as many samples.
        kind: what the samples are, in the plural.
        notes: warnings about the source.
        how: where the samples are from and how they are prepared, in words.
    """
    calibration, kept = wanted.split(len(digests))
    parts = (b"".join(digests[number] for number in part) for part in (calibration, kept))
    held_back = "held back from calibration" if len(digests) > 1 else "that calibrate, too"
    return InputSource(
        holdout_description=f"{len(kept)} {kind} {held_back}; {how}",
        description=f"{len(calibration)} {kind}, {len(kept)} held back; {how}",
        warnings=[*notes, *wanted.warnings(len(digests), kind)],
        calibration=Samples(calibration, make),
        holdout=Samples(kept, make),
        fingerprint=hashlib.sha256(b"|".join(parts)).hexdigest(),
    )


def content_digest(content: bytes | str) -> bytes:
    """Return the SHA-256 of bytes, or of text in UTF-8."""
    return hashlib.sha256(content.encode() if isinstance(content, str) else content).digest()
