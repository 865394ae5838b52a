"""What a quantized network's logits say beside those of the float one."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mobiledeploy.runtime.runtimes import Runner
from mobiledeploy.verify.metrics import Accumulator

__all__ = ["Figures", "compare_logits", "logits"]


@dataclass(frozen=True)
class Figures:
    """Shares are in percent, as accuracy is quoted.

    Attributes:
        images: Number of validation images.
        float_top1, top1: Of the float and of the quantized network.
        drop: ``float_top1 - top1`` in points; negative where the quantized network is right more often.
        drop_error: Standard error of the drop in points, from the images that only one of the two gets right.
        sqnr_db: Of the logits against those in float, over all images together.
        agreement: Share of images for which both name the same class.
    """

    images: int
    float_top1: float
    top1: float
    drop: float
    drop_error: float
    sqnr_db: float
    agreement: float


def logits(runner: Runner, name: str, images: Iterable[NDArray[np.float32]]) -> NDArray[np.float32]:
    """The first output for every image, (images, classes).

    Args:
        name: Of the runner's only input.
    """
    return np.concatenate([next(iter(runner.run({name: image}).values())) for image in images])


def compare_logits(
    reference: NDArray[np.float32], candidate: NDArray[np.float32], labels: NDArray[np.int64]
) -> Figures:
    """Both logits (images, classes) beside each other.

    The error is that of a difference of paired shares (McNemar): with b images that only the float network
    gets right and c that only the other does, sqrt(b + c - (b - c)^2 / images) / images.
    """
    accumulator = Accumulator()
    for one, other in zip(reference, candidate, strict=True):
        accumulator.add(one[np.newaxis], other[np.newaxis])
    difference, images = accumulator.result(), len(labels)
    right, right_too = (found.argmax(1) == labels for found in (reference, candidate))
    lost, won = int((right & ~right_too).sum()), int((right_too & ~right).sum())
    return Figures(
        images=images,
        float_top1=100 * float(right.mean()),
        top1=100 * float(right_too.mean()),
        drop=100 * (lost - won) / images,
        drop_error=100 * math.sqrt(lost + won - (lost - won) ** 2 / images) / images,
        sqnr_db=difference.sqnr_db,
        agreement=100 * float((reference.argmax(1) == candidate.argmax(1)).mean()),
    )
