"""Images with known classes, to measure accuracy on: what `--validation DIR` points at.

A folder for each class, with images at any depth inside:

    DIR/n01440764/ILSVRC2012_val_00000293.JPEG      class = place of the folder among all folders by name
    DIR/17/photo.jpg                                class = the number, if all folders are numbers

or a list, DIR/labels.txt or DIR/labels.csv, which wins over folders:

    photos/cat 1.jpg 281                            labels.txt: path below DIR, white space, class
    photos/cat 1.jpg,281                            labels.csv: the same with a comma; a heading is skipped

Classes count from 0. The ImageNet validation set, sorted into one folder for each WordNet id, is right as
it is: published weights number their classes in that order. Of the set as it comes, with all images in one
folder, a list of lines like `ILSVRC2012_val_00000001.JPEG 65` is right; the ids in the development kit's
ground truth are in another order and are not. Folders by name must be as many as the network has classes:
were one missing, every class after it would be off by one. For a subset, name the folders by class number
or write a list.
"""

from __future__ import annotations

import copy
import csv
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mobiledeploy.base.errors import InputError
from mobiledeploy.inputs.images import describe_preprocessing, is_image_file, preprocess, read_image
from mobiledeploy.inputs.open_inputs import (
    ImageInput,
    Sample,
    files_under,
    image_input,
    named_in_short,
    read_bytes,
)
from mobiledeploy.models.spec import Preprocessing

__all__ = ["LabelledImages"]

_LISTS = ("labels.txt", "labels.csv")


@dataclass(frozen=True)
class _Labelled:
    path: str  # below the folder, with "/"
    label: int


class LabelledImages:
    """Iterates over (sample, class index), one image in memory at a time, the same on every pass.

    Attributes:
        description: one line for the report.

    Args:
        folder: as described at the top of this module.
        inputs: name -> shape of the model's only input, (1, 3, H, W) or (1, 1, H, W).
        preprocessing: what the model wants done to an image; None: resize to the input size, scale to [0, 1].
        classes: how many the model's output has.
        limit: take this many images, chosen by `seed`; None: all.
        seed: of the choice.

    Raises:
        InputError: the folder has no labelled images, or labels that do not fit the number of classes. While
            iterating: none of the images can be read.
    """

    def __init__(
        self,
        folder: Path,
        inputs: Mapping[str, tuple[int, ...]],
        preprocessing: Preprocessing | None,
        classes: int,
        *,
        limit: int | None = None,
        seed: int = 0,
    ) -> None:
        self._folder = folder
        self._input = _only_image(inputs)
        self._preprocessing = preprocessing
        self._entries = _chosen(_labelled(folder, classes), limit, seed)
        self._broken: dict[str, str] = {}
        how = describe_preprocessing(self._input.size, preprocessing)
        self.description = f"{len(self._entries)} labelled images; {folder.resolve().name}, {how}"

    def parted(self, most: int) -> tuple[LabelledImages, LabelledImages]:
        """At most half of the images, and at most that many, from the whole list; and the others."""
        step = max(2, -(-len(self._entries) // most))
        chosen, others = copy.copy(self), copy.copy(self)
        chosen._entries = self._entries[::step]
        others._entries = [entry for number, entry in enumerate(self._entries) if number % step]
        return chosen, others

    def __len__(self) -> int:
        """Images that are listed; those that turn out to be broken are not delivered."""
        return len(self._entries)

    def __iter__(self) -> Iterator[tuple[Sample, int]]:
        delivered = 0
        for entry in self._entries:
            try:
                picture = read_image(read_bytes(self._folder / entry.path), self._input.mode)
            except InputError as error:
                self._broken[entry.path] = str(error)
                continue
            delivered += 1
            yield {self._input.name: preprocess(picture, self._input.size, self._preprocessing)}, entry.label
        if not delivered:
            path, reason = next(iter(self._broken.items()))
            raise InputError(
                f"{self._folder}: none of {len(self)} images can be read (first: {path}, {reason})"
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
            f"validation with images needs one input (1, 3, H, W) or (1, 1, H, W), got {dict(inputs)}"
        )
    return image


def _chosen(entries: list[_Labelled], limit: int | None, seed: int) -> list[_Labelled]:
    if limit is None or limit >= len(entries):
        return entries
    if limit < 1:
        raise InputError(f"validation limit {limit}, expected at least 1")
    order = np.random.default_rng(seed).permutation(len(entries))[:limit]
    return [entries[number] for number in np.sort(order)]


def _labelled(folder: Path, classes: int) -> list[_Labelled]:
    """All labelled images of a folder, in the order of its list or of the paths."""
    if not folder.is_dir():
        raise InputError(
            f"{folder} is not a folder, expected one with a folder for each class or a labels.txt"
        )
    lists = [folder / name for name in _LISTS if (folder / name).is_file()]
    if len(lists) > 1:
        raise InputError(f"{folder} has {' and '.join(_LISTS)}, expected one of them; remove the other")
    entries = _from_list(lists[0]) if lists else _from_folders(folder, classes)
    if not entries:
        raise InputError(
            f"{lists[0] if lists else folder} has no images, expected JPEG or PNG in class folders"
        )
    worst = max(entries, key=lambda entry: entry.label)
    if worst.label >= classes:
        raise InputError(
            f"{worst.path} has class {worst.label}, expected 0 to {classes - 1} as the network has {classes}"
        )
    return entries


def _from_folders(folder: Path, classes: int) -> list[_Labelled]:
    names = sorted(
        entry.name for entry in folder.iterdir() if entry.is_dir() and not entry.name.startswith(".")
    )
    if not names:
        raise InputError(f"{folder} has no folders, expected one for each class or a labels.txt")
    if all(name.isdecimal() for name in names):
        labels = {name: int(name) for name in names}
    elif len(names) == classes:
        labels = {name: number for number, name in enumerate(names)}
    else:
        raise InputError(
            f"{folder} has {len(names)} class folders, expected {classes}, the classes of the network; "
            "name them by class number or list the images in labels.txt"
        )
    images = (path for path in files_under(folder) if is_image_file(path) and "/" in path)
    return [_Labelled(path, labels[path.split("/")[0]]) for path in images]


def _from_list(file: Path) -> list[_Labelled]:
    try:
        text = file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{file} cannot be read ({error}), expected UTF-8 text") from error
    lines = text.splitlines()
    rows = list(csv.reader(lines)) if file.suffix == ".csv" else [line.rsplit(maxsplit=1) for line in lines]
    if file.suffix == ".csv" and rows and rows[0] and not is_image_file(rows[0][0].strip()):
        rows[0] = []  # the heading
    return [_entry(file, number, row) for number, row in enumerate(rows, start=1) if row]


def _entry(file: Path, line: int, row: list[str]) -> _Labelled:
    if len(row) != 2 or not row[1].strip().isdecimal():
        raise InputError(f'{file}, line {line} is "{" ".join(row)}", expected a path and a class number')
    return _Labelled(row[0].strip(), int(row[1]))
