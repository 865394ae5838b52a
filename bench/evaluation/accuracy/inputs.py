"""The images of a run: those to calibrate with, the same bits for every tool, and those to measure on."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mobiledeploy.base.errors import InputError
from mobiledeploy.bench.evaluation.accuracy.image_classes import ImageClasses, prepared, read_image_classes
from mobiledeploy.inputs.open_inputs import open_inputs
from mobiledeploy.sources.source import INPUT_NAME

__all__ = ["Inputs", "draw_inputs"]

_HELD_BACK = 16  # that an export checks its artifacts on


@dataclass(frozen=True)
class Inputs:
    """Attributes:
    size: Side of the networks' input in pixels.
    samples: Number of images to calibrate with.
    for_export: .npy, float32 (samples + 16, 3, size, size), of which an export calibrates with ``samples``.
    calibration: .npy, float32 (samples, 3, size, size): just these, in their order, for other tools.
    fingerprint: Of the images in ``for_export``, as an export's report has it.
    validation: Labelled images to measure on.
    validation_sha256: Of their pixels and labels.
    """

    size: int
    samples: int
    seed: int
    for_export: Path
    calibration: Path
    fingerprint: str
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
        limit: Of the validation images; None for all.

    Raises:
        InputError: Nothing usable there, too few images, or the two differ in their classes.
    """
    drawn = read_image_classes(data, size, samples + _HELD_BACK, seed)
    measured = read_image_classes(validation, size, limit, seed)
    if drawn.names != measured.names:
        raise InputError(
            f"{data} has the classes {drawn.names}, {validation} {measured.names}, expected the same; give "
            "both folders the same names"
        )
    if len(drawn) < samples + _HELD_BACK:
        raise InputError(
            f"{data} has {len(drawn)} images, expected {samples} to calibrate with and {_HELD_BACK} to check "
            "on; pass fewer --samples"
        )
    folder.mkdir(parents=True, exist_ok=True)
    for_export, calibration = folder / "inputs.npy", folder / "calibration.npy"
    np.save(for_export, np.concatenate([prepared(pixels, size) for pixels in drawn.pixels]))
    # Opened as an export opens it, so that other tools get the part that it calibrates with.
    source = open_inputs(for_export, {INPUT_NAME: (1, 3, size, size)}, None, samples, seed, _HELD_BACK)
    np.save(calibration, np.concatenate([sample[INPUT_NAME] for sample in source.calibration]))
    digest = hashlib.sha256(f"{size} {measured.names}".encode())
    digest.update(measured.pixels.tobytes())
    digest.update(measured.labels.tobytes())
    return Inputs(
        size, samples, seed, for_export, calibration, source.fingerprint(), measured, digest.hexdigest()
    )
