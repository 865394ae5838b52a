"""The images of a run: those to calibrate with, and those to measure on."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mobiledeploy.base.errors import InputError
from mobiledeploy.bench.evaluation.calibration import HOLDOUT, CalibrationInputs, store_inputs
from mobiledeploy.bench.evaluation.images import (
    ImageClasses,
    prepared,
    read_image_classes,
    require_same_classes,
)

__all__ = ["Inputs", "draw_inputs"]


@dataclass(frozen=True)
class Inputs:
    """The images of a run.

    Attributes:
        size: Side of the networks' input in pixels.
        stored: Images to calibrate with.
        validation: Labelled images to measure on.
        validation_sha256: Hash of their pixels and labels.
    """

    size: int
    stored: CalibrationInputs
    validation: ImageClasses
    validation_sha256: str

    def images(self) -> Iterator[NDArray[np.float32]]:
        """The validation images as networks take them, (1, 3, size, size) each."""
        for pixels in self.validation.pixels:
            yield prepared(pixels, self.size)


def draw_inputs(
    data: Path, validation: Path, size: int, samples: int, limit: int | None, seed: int, folder: Path
) -> Inputs:
    """Choose images by ``seed`` and write those to calibrate with into ``folder``.

    Args:
        data: Training images, a folder or a zip file with a folder per class.
        validation: The same to measure on.
        limit: Number of validation images; None for all.

    Raises:
        InputError: Nothing usable there, too few images, or the two differ in their classes.
    """
    drawn = read_image_classes(data, size, samples + HOLDOUT, seed)
    measured = read_image_classes(validation, size, limit, seed)
    require_same_classes(drawn, measured)
    if len(drawn) < samples + HOLDOUT:
        raise InputError(
            f"{data} has {len(drawn)} images, expected {samples} to calibrate with and {HOLDOUT} to check "
            "on; pass fewer --samples"
        )
    stored = store_inputs([prepared(pixels, size) for pixels in drawn.pixels], samples, seed, folder)
    digest = hashlib.sha256(f"{size} {measured.names}".encode())
    digest.update(measured.pixels.tobytes())
    digest.update(measured.labels.tobytes())
    return Inputs(size, stored, measured, digest.hexdigest())
