"""Images with known classes: what `--validation DIR` points at for a network that classifies.

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

import csv
from pathlib import Path

from mobiledeploy.base.errors import InputError
from mobiledeploy.inputs.image_folder import files_under
from mobiledeploy.inputs.images import is_image_file

__all__ = ["labelled_by_class"]

_LISTS = ("labels.txt", "labels.csv")


def labelled_by_class(folder: Path, classes: int) -> list[tuple[str, int]]:
    """List the labelled images of a folder, in the order of its list or of their paths.

    Args:
        folder: Folder as described at the top of this module.
        classes: Number of classes of the network.

    Returns:
        Path below the folder, with "/", and class index of each image.

    Raises:
        InputError: The folder has no labelled images, or labels that do not fit the number of classes.
    """
    if not folder.is_dir():
        raise InputError(
            f"{folder} is not a folder, expected one with a folder for each class or a labels.txt; pass one"
        )
    lists = [folder / name for name in _LISTS if (folder / name).is_file()]
    if len(lists) > 1:
        raise InputError(f"{folder} has {' and '.join(_LISTS)}, expected one of them; remove the other")
    entries = _from_list(lists[0]) if lists else _from_folders(folder, classes)
    if not entries:
        raise InputError(
            f"{lists[0] if lists else folder} has no images, expected JPEG or PNG in class folders; add some"
        )
    path, largest = max(entries, key=lambda entry: entry[1])
    if largest >= classes:
        raise InputError(
            f"{path} has class {largest}, expected 0 to {classes - 1} for {classes} classes; correct it"
        )
    return entries


def _from_folders(folder: Path, classes: int) -> list[tuple[str, int]]:
    names = sorted(
        entry.name for entry in folder.iterdir() if entry.is_dir() and not entry.name.startswith(".")
    )
    if not names:
        raise InputError(f"{folder} has no folders, expected one for each class or a labels.txt; add one")
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
    return [(path, labels[path.split("/")[0]]) for path in images]


def _from_list(file: Path) -> list[tuple[str, int]]:
    try:
        text = file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{file} cannot be read ({error}), expected UTF-8 text; save it so") from error
    lines = text.splitlines()
    rows = list(csv.reader(lines)) if file.suffix == ".csv" else [line.rsplit(maxsplit=1) for line in lines]
    if file.suffix == ".csv" and rows and rows[0] and not is_image_file(rows[0][0].strip()):
        rows[0] = []  # the heading
    return [_entry(file, number, row) for number, row in enumerate(rows, start=1) if row]


def _entry(file: Path, line: int, row: list[str]) -> tuple[str, int]:
    if len(row) != 2 or not row[1].strip().isdecimal():
        found = " ".join(row)
        raise InputError(f'{file}, line {line} is "{found}", expected a path and a class number; correct it')
    return row[0].strip(), int(row[1])
