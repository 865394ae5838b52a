"""Figures of logits: against those of another network, and against the right classes."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mobiledeploy.runtime.runtimes import Runner
from mobiledeploy.verify.metrics import compare

__all__ = ["Closeness", "LogitFigures", "closeness", "compare_logits", "logits", "percent"]

Logits = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class Closeness:
    """Outputs of a network against those of a reference.

    Attributes:
        images: Number of images.
        sqnr_db: Signal to quantization noise ratio over all outputs of all images together, in dB.
        agreement: Images for which both name the same class, in percent; None if the outputs are no logits.
    """

    images: int
    sqnr_db: float
    agreement: float | None


@dataclass(frozen=True, kw_only=True)
class LogitFigures(Closeness):
    """Logits of a quantized network beside those of the float one and the right classes.

    Attributes:
        float_top1, top1: Images that the float and the quantized network get right, in percent.
        drop: `float_top1 - top1` in points; negative where the quantized network is right more often.
        drop_error: Standard error of the drop in points, from the images that only one of the two gets right.
    """

    float_top1: float
    top1: float
    drop: float
    drop_error: float


def logits(runner: Runner, name: str, images: Iterable[NDArray[np.float32]]) -> Logits:
    """The first output for every image, (images, classes).

    Args:
        name: Name of the runner's only input.
    """
    return np.concatenate([next(iter(runner.run({name: image}).values())) for image in images])


def closeness(reference: Logits, candidate: Logits) -> Closeness:
    """Both outputs, (images, ...), beside each other."""
    found = compare((value[np.newaxis] for value in reference), (value[np.newaxis] for value in candidate))
    agreement = None
    if reference.ndim == 2 and reference.shape[1] > 1:
        agreement = 100 * float((reference.argmax(1) == candidate.argmax(1)).mean())
    return Closeness(images=found.samples, sqnr_db=found.sqnr_db, agreement=agreement)


def compare_logits(reference: Logits, candidate: Logits, labels: NDArray[np.int64]) -> LogitFigures:
    """Both logits (images, classes) beside each other and beside the labels.

    The error is that of a difference of paired shares (McNemar): with b images that only the float network
    gets right and c that only the other does, sqrt(b + c - (b - c)^2 / images) / images.
    """
    images = len(labels)
    right, right_too = (each.argmax(1) == labels for each in (reference, candidate))
    lost, won = int((right & ~right_too).sum()), int((right_too & ~right).sum())
    return LogitFigures(
        **vars(closeness(reference, candidate)),
        float_top1=100 * float(right.mean()),
        top1=100 * float(right_too.mean()),
        drop=100 * (lost - won) / images,
        drop_error=100 * math.sqrt(lost + won - (lost - won) ** 2 / images) / images,
    )


def percent(share: float | None) -> str:
    """A figure in percent as a table has it; a dash where there is none."""
    return "-" if share is None else f"{share:.2f}"
