"""Images of a folder as inputs: JPEG and PNG at any depth, each through the model's preprocessing."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from mobiledeploy.base.errors import InputError
from mobiledeploy.inputs.images import (
    ImageInput,
    describe_preprocessing,
    image_input,
    is_image_file,
    preprocess,
    read_image,
    shapes_in_words,
)
from mobiledeploy.inputs.preprocessing import Preprocessing
from mobiledeploy.inputs.samples import InputSource, SampleChoice, content_digest, input_source
from mobiledeploy.runtime.runtimes import Sample

__all__ = ["files_under", "image_folder_source", "named_in_short", "read_bytes"]


def image_folder_source(
    folder: Path,
    inputs: Mapping[str, tuple[int, ...]],
    preprocessing: Preprocessing | None,
    wanted: SampleChoice,
) -> InputSource:
    """Open a folder of images. Each is read once at the start: broken ones are left out, with a warning.

    Args:
        folder: where JPEG and PNG files are, at any depth.
        inputs: name -> shape of each input of the model.
        preprocessing: what the model wants done to an image; None: resize to the input size, scale to [0, 1].
        wanted: how many images to take, and which.

    Raises:
        InputError: the model does not take an image, or the folder has none that can be read.
    """
    image = image_input(inputs)
    if image is None:
        raise InputError(
            f"{folder} is a folder of images for a model that takes {shapes_in_words(inputs)}, expected one "
            "input (1, 3, H, W) or (1, 1, H, W); pass a .npy or .npz file"
        )
    files = files_under(folder)
    names = [name for name in files if is_image_file(name)]
    chosen: list[Path] = []
    digests: list[bytes] = []
    broken: list[str] = []
    enlarged = 0
    for number in wanted.order(len(names)):
        try:
            content = read_bytes(folder / names[number])
            width, height = read_image(content, image.mode).size
        except InputError as error:
            broken.append(f"{names[number]} ({error})")
            continue
        enlarged += height < image.size[0] or width < image.size[1]
        chosen.append(folder / names[number])
        digests.append(content_digest(content))
        if len(chosen) == wanted.total:
            break
    if not chosen:
        raise InputError(_nothing_usable(folder, files, broken))

    def make(number: int) -> Sample:
        try:
            picture = read_image(read_bytes(chosen[number]), image.mode)
        except InputError as error:
            raise InputError(
                f"{chosen[number]} could be read before and cannot be now ({error}), expected files that "
                "stay while they are used; try again"
            ) from error
        return {image.name: preprocess(picture, image.size, preprocessing)}

    notes = named_in_short(broken, "left out, as they cannot be read")
    notes += _enlarged_note(enlarged, len(chosen), image)
    how = f"{folder.resolve().name}, {describe_preprocessing(image.size, preprocessing)}"
    return input_source(wanted, make, digests, "images", notes, how)


def _nothing_usable(folder: Path, files: list[str], broken: list[str]) -> str:
    if not files:
        return f"{folder} is empty, expected JPEG or PNG images; pass a folder that holds some, at any depth"
    first = f" (first: {broken[0]})" if broken else ""
    count = f"{len(files)} files" if len(files) > 1 else "1 file"
    return f"{folder}: found {count}, none is a readable JPEG or PNG{first}; pass a folder of images"


def _enlarged_note(enlarged: int, count: int, image: ImageInput) -> list[str]:
    height, width = image.size
    note = f"{enlarged} of {count} images are smaller than the input ({width}x{height}) and were enlarged"
    return [note] if enlarged else []


def named_in_short(names: Sequence[str], what: str, limit: int = 10) -> list[str]:
    """Return a warning "<what>: <name>" for each name up to a limit, and one that counts the rest."""
    shown = [f"{what}: {name}" for name in names[:limit]]
    return shown + ([f"{what}: {len(names) - limit} more"] if len(names) > limit else [])


def files_under(folder: Path) -> list[str]:
    """Return the sorted paths of files at any depth, relative to `folder`, with "/"; dot files are left out.

    Raises:
        InputError: `folder` or a folder in it cannot be read.
    """

    def refuse(error: OSError) -> None:
        raise InputError(
            f"{error.filename} cannot be read ({error.strerror}), expected a readable folder; make it so"
        ) from error

    found: list[str] = []
    seen: set[str] = set()
    for parent, folders, files in os.walk(folder, onerror=refuse, followlinks=True):
        real = os.path.realpath(parent)
        if real in seen:  # a link back into the tree: it would never end
            folders.clear()
            continue
        seen.add(real)
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        relative = Path(parent).relative_to(folder)
        found += [(relative / name).as_posix() for name in files if not name.startswith(".")]
    return sorted(found)


def read_bytes(path: Path) -> bytes:
    """Return the content of a file.

    Raises:
        InputError: it is missing or cannot be read. The message does not name it.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(error.strerror or str(error)) from error
