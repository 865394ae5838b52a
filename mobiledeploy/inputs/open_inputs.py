"""Inputs to calibrate a network with and to check it on.

    folder of images    JPEG and PNG at any depth, each through the model's own preprocessing
    .npy                float (N, C, H, W) or (N, H, W, C) that is preprocessed already, or pixels as uint8
                        (N, H, W, C), which are preprocessed as image files are
    .npz                the same, with an array named like each input of the model; for a model with a single
                        input, a single array of any name
    nothing             generated images, with a warning

Samples are chosen by seed and split into a part to calibrate with and a part held back to check the result.
They are made when they are asked for, so that memory does not grow with their number.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from PIL import Image

from mobiledeploy.base.errors import InputError
from mobiledeploy.inputs.arrays import array_source
from mobiledeploy.inputs.generated_images import generated_image
from mobiledeploy.inputs.image_folder import image_folder_source
from mobiledeploy.inputs.images import ImageInput, image_input, normalise, shapes_in_words
from mobiledeploy.inputs.preprocessing import Preprocessing
from mobiledeploy.inputs.samples import InputSource, SampleChoice, content_digest, input_source
from mobiledeploy.runtime.runtimes import Sample

__all__ = ["open_inputs"]

_ARCHIVE_SUFFIXES = (".zip", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".7z", ".rar")


def open_inputs(
    path: Path | None,
    inputs: Mapping[str, tuple[int, ...]],
    preprocessing: Preprocessing | None,
    samples: int,
    seed: int,
    holdout: int = 16,
) -> InputSource:
    """Open a source of inputs for a model and split it.

    Args:
        path: a folder of images, a .npy or .npz file, or None for generated images (random numbers, if the
            model does not take an image).
        inputs: name -> shape of each input of the model, batch 1, images as (1, C, H, W).
        preprocessing: what the model wants done to an image; None: resize to the input size, scale to [0, 1].
        samples: most samples to calibrate with.
        seed: random seed of the choice among what `path` holds, or of what is generated.
        holdout: most samples to hold back for checks. Of a source with too few for both, a fifth is kept; a
            single sample serves for both.

    Raises:
        InputError: nothing usable at `path`, or arrays that do not fit the model.
    """
    if samples < 1 or holdout < 0:
        raise InputError(f"samples {samples} and holdout {holdout}, expected at least 1 and 0; ask for more")
    wanted = SampleChoice(samples, holdout, seed)
    if path is None:
        image = image_input(inputs)
        return _generated_images(image, preprocessing, wanted) if image else _random_numbers(inputs, wanted)
    if not path.exists():
        raise InputError(
            f"{path} does not exist, expected a folder of images or a .npy or .npz file; check it"
        )
    if path.is_dir():
        return image_folder_source(path, inputs, preprocessing, wanted)
    if path.suffix.lower() in (".npy", ".npz"):
        return array_source(path, inputs, preprocessing, wanted)
    remedy = (
        "unpack it and pass the folder" if path.suffix.lower() in _ARCHIVE_SUFFIXES else "pass one of these"
    )
    raise InputError(f"{path} is a file, expected a folder of images or a .npy or .npz file; {remedy}")


def _generated_images(
    image: ImageInput, preprocessing: Preprocessing | None, wanted: SampleChoice
) -> InputSource:
    def make(number: int) -> Sample:
        picture = Image.fromarray(generated_image(number, image.size, wanted.seed)).convert(image.mode)
        return {image.name: normalise(np.asarray(picture), preprocessing)}

    texts = [f"generated {number} {image.size} {image.mode} {wanted.seed}" for number in range(wanted.total)]
    note = "calibration used generated images; for ranges that fit the real ones pass --calibration DIR"
    how = f"seed {wanted.seed}, {image.size[1]}x{image.size[0]}"
    return input_source(wanted, make, [*map(content_digest, texts)], "generated images", [note], how)


def _random_numbers(inputs: Mapping[str, tuple[int, ...]], wanted: SampleChoice) -> InputSource:
    def make(number: int) -> Sample:
        rng = np.random.default_rng([wanted.seed, number])
        return {name: rng.standard_normal(shape, np.float32) for name, shape in inputs.items()}

    texts = [f"normal {number} {dict(inputs)} {wanted.seed}" for number in range(wanted.total)]
    found = shapes_in_words(inputs)
    note = f"calibration used random numbers ({found} is no image); pass --calibration FILE.npz"
    how = f"standard normal, seed {wanted.seed}"
    return input_source(wanted, make, [*map(content_digest, texts)], "random inputs", [note], how)
