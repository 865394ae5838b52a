"""Images in one folder per class, in a folder or in a zip file, decoded into one array."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mobiledeploy.base.errors import InputError
from mobiledeploy.inputs.image_folder import files_under, read_bytes
from mobiledeploy.inputs.images import is_image_file, preprocess, read_image
from mobiledeploy.inputs.preprocessing import Preprocessing

__all__ = ["AS_THEY_ARE", "ImageClasses", "prepared", "read_image_classes", "require_same_classes"]

AS_THEY_ARE = Preprocessing(None, "bilinear", (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
"""Images are resized without a crop, and get ImageNet's mean and standard deviation."""


@dataclass(frozen=True)
class ImageClasses:
    """Labelled images in memory.

    Attributes:
        pixels: uint8 (N, side, side, 3).
        labels: int64 (N,), the place of the class among all class names in alphabetical order.
        names: Class names.
    """

    pixels: NDArray[np.uint8]
    labels: NDArray[np.int64]
    names: list[str]

    def __len__(self) -> int:
        return len(self.labels)


def require_same_classes(data: ImageClasses, validation: ImageClasses) -> None:
    """Refuse images to measure on whose classes are not those of the training images.

    Raises:
        InputError: The two differ in their classes.
    """
    if data.names != validation.names:
        raise InputError(
            f"training images have the classes {data.names}, validation images {validation.names}, expected "
            "the same; give both folders the same names"
        )


def read_image_classes(
    path: Path, largest_side: int, limit: int | None = None, seed: int = 0
) -> ImageClasses:
    """Read images below ``path``, each CLASS/any/depth/name.jpg.

    Args:
        path: A folder, or a zip file of such a folder.
        largest_side: Images are made squares of the first one's shorter side, but not larger than this: small
            ones stay as they are and are enlarged when they are used.
        limit: Read this many, drawn by ``seed`` and in the order in which they are drawn; None for all, in
            the order of their names.

    Raises:
        InputError: ``path`` holds no such images, or one cannot be read.
    """
    with _opened(path) as (every, read):
        names = sorted({name.split("/")[0] for name in every})
        if len(names) < 2:
            raise InputError(
                f"{path} has images of {len(names)} classes, expected 2 or more; give it a folder for each "
                "class"
            )
        chosen = every
        if limit is not None:
            order = np.random.default_rng(seed).permutation(len(every))
            chosen = [every[number] for number in order[:limit]]
        decoded: list[NDArray[np.uint8]] = []
        side = 0
        for name in chosen:
            try:
                image = read_image(read(name))
            except InputError as error:
                raise InputError(
                    f"{path}: {name} cannot be read ({error}), expected a JPEG or PNG; replace or remove it"
                ) from error
            side = side or min(*image.size, largest_side)
            decoded.append(_square(image, side))
    number = {name: index for index, name in enumerate(names)}
    labels = [number[name.split("/")[0]] for name in chosen]
    return ImageClasses(np.stack(decoded), np.array(labels, np.int64), names)


def _square(image: Image.Image, side: int) -> NDArray[np.uint8]:
    """The middle of an image, (side, side, 3)."""
    edge = min(image.size)
    left, top = (image.width - edge) // 2, (image.height - edge) // 2
    if image.size != (side, side):
        image = image.crop((left, top, left + edge, top + edge)).resize((side, side))
    return np.asarray(image)


def prepared(pixels: NDArray[np.uint8], size: int) -> NDArray[np.float32]:
    """One image as the networks take it: enlarged bilinearly to (1, 3, size, size), ImageNet's mean and std.

    Args:
        pixels: (side, side, 3).
    """
    return preprocess(Image.fromarray(pixels), (size, size), AS_THEY_ARE)


@contextmanager
def _opened(path: Path) -> Iterator[tuple[list[str], Callable[[str], bytes]]]:
    """The sorted names CLASS/name of all images, and what reads one of them."""
    if path.is_dir():
        yield _images(files_under(path)), lambda name: read_bytes(path / name)
        return
    try:
        archive = zipfile.ZipFile(path)
    except (OSError, zipfile.BadZipFile) as error:
        raise InputError(
            f"{path} cannot be read ({error}), expected a folder or a zip file with a folder for each class; "
            "pass another"
        ) from error
    with archive:
        yield _images(archive.namelist()), lambda name: _unpacked(archive, name)


def _images(names: Iterable[str]) -> list[str]:
    return sorted(name for name in names if is_image_file(name) and "/" in name)


def _unpacked(archive: zipfile.ZipFile, name: str) -> bytes:
    try:
        return archive.read(name)
    except (OSError, zipfile.BadZipFile, zlib.error) as error:
        raise InputError(str(error)) from error
