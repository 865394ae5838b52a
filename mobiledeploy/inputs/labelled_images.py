"""Images with labels, to measure accuracy on: one in memory at a time, in an order of their own.

Where labels are from and what they are is the task's: see `mobiledeploy.tasks`.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Generic, TypeVar

import numpy as np

from mobiledeploy.base.errors import InputError
from mobiledeploy.inputs.image_folder import named_in_short, read_bytes
from mobiledeploy.inputs.images import (
    ImageInput,
    describe_preprocessing,
    image_input,
    preprocess,
    read_image,
    shapes_in_words,
)
from mobiledeploy.inputs.preprocessing import Preprocessing
from mobiledeploy.runtime.runtimes import Sample

__all__ = ["LabelledImages"]

Label = TypeVar("Label")


class LabelledImages(Generic[Label]):
    """Labelled images as pairs of sample and label, the same on every pass.

    Attributes:
        description: one line for the report.

    Args:
        folder: folder that holds the images.
        entries: path below the folder, with "/", and label of each image.
        inputs: name -> shape of the model's only input, (1, 3, H, W) or (1, 1, H, W).
        preprocessing: what the model wants done to an image; None: resize to the input size, scale to [0, 1].
        limit: most images to take, chosen by `seed`; None: all.
        seed: random seed of the choice.

    Raises:
        InputError: the model takes no image. While iterating: none of the images can be read.
    """

    def __init__(
        self,
        folder: Path,
        entries: Sequence[tuple[str, Label]],
        inputs: Mapping[str, tuple[int, ...]],
        preprocessing: Preprocessing | None,
        *,
        limit: int | None = None,
        seed: int = 0,
    ) -> None:
        self._folder = folder
        self._input = _only_image(inputs)
        self._preprocessing = preprocessing
        self._entries = _chosen(entries, limit, seed)
        self._broken: dict[str, str] = {}
        how = describe_preprocessing(self._input.size, preprocessing)
        self.description = f"{len(self._entries)} labelled images; {folder.resolve().name}, {how}"

    def split(self, most: int) -> tuple[LabelledImages[Label], LabelledImages[Label]]:
        """Split off at most half of the images, and at most that many, spread over the whole list.

        Returns:
            What was split off, and the others.
        """
        step = max(2, -(-len(self._entries) // most))
        chosen, others = copy.copy(self), copy.copy(self)
        chosen._entries = self._entries[::step]
        others._entries = [entry for number, entry in enumerate(self._entries) if number % step]
        return chosen, others

    def __len__(self) -> int:
        """Return how many images are listed; those that turn out to be broken are not delivered."""
        return len(self._entries)

    def __iter__(self) -> Iterator[tuple[Sample, Label]]:
        delivered = 0
        for path, label in self._entries:
            try:
                picture = read_image(read_bytes(self._folder / path), self._input.mode)
            except InputError as error:
                self._broken[path] = str(error)
                continue
            delivered += 1
            yield {self._input.name: preprocess(picture, self._input.size, self._preprocessing)}, label
        if not delivered:
            path, reason = next(iter(self._broken.items()))
            raise InputError(
                f"{self._folder}: none of {len(self)} images can be read (first: {path}, {reason}), expected "
                "JPEG or PNG; correct the list or the files"
            )

    @property
    def warnings(self) -> list[str]:
        """Images left out so far because they could not be read; complete after a pass over all."""
        return named_in_short(
            [f"{path} ({reason})" for path, reason in self._broken.items()], "left out of the validation"
        )


def _only_image(inputs: Mapping[str, tuple[int, ...]]) -> ImageInput:
    image = image_input(inputs)
    if image is None:
        raise InputError(
            f"--validation for a model that takes {shapes_in_words(inputs)}, expected one input "
            "(1, 3, H, W) or (1, 1, H, W); leave it out"
        )
    return image


def _chosen(
    entries: Sequence[tuple[str, Label]], limit: int | None, seed: int
) -> Sequence[tuple[str, Label]]:
    if limit is None or limit >= len(entries):
        return entries
    if limit < 1:
        raise InputError(f"validation limit {limit}, expected at least 1; take more")
    order = np.random.default_rng(seed).permutation(len(entries))[:limit]
    return [entries[number] for number in np.sort(order)]
