"""Images in one folder per class, in a folder or in a zip file, decoded into one array."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mobiledeploy.data import files_under, read_bytes
from mobiledeploy.errors import InputError
from mobiledeploy.images import is_image_file, preprocess, read_image
from mobiledeploy.models.spec import Preprocessing

__all__ = ["IMAGENET_MEAN", "IMAGENET_STD", "ImageClasses", "prepared", "read_image_classes"]

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)

_AS_IT_IS = Preprocessing(None, "bilinear", IMAGENET_MEAN, IMAGENET_STD)


@dataclass(frozen=True)
class ImageClasses:
    """Attributes:
    pixels: uint8 (N, side, side, 3).
    labels: int64 (N,), the place of the class among all class names in alphabetical order.
    names: Class names.
    """

    pixels: NDArray[np.uint8]
    labels: NDArray[np.int64]
    names: list[str]

    def __len__(self) -> int:
        return len(self.labels)


def read_image_classes(path: Path, largest_side: int) -> ImageClasses:
    """Read all images below ``path``, each CLASS/any/depth/name.jpg.

    Args:
        path: A folder, or a zip file of such a folder.
        largest_side: Images are made squares of the first one's shorter side, but not larger than this: small
            ones stay as they are and are enlarged when they are used.

    Raises:
        InputError: ``path`` holds no such images, or one cannot be read.
    """
    decoded: list[NDArray[np.uint8]] = []
    classes: list[str] = []
    side = 0
    for name, content in _files(path):
        try:
            image = read_image(content)
        except InputError as error:
            raise InputError(f"{path}: {name} cannot be read ({error}), expected a JPEG or PNG") from error
        side = side or min(*image.size, largest_side)
        edge = min(image.size)
        left, top = (image.width - edge) // 2, (image.height - edge) // 2
        if image.size != (side, side):
            image = image.crop((left, top, left + edge, top + edge)).resize((side, side))
        decoded.append(np.asarray(image))
        classes.append(name.split("/")[0])
    names = sorted(set(classes))
    if len(names) < 2:
        raise InputError(
            f"{path} has images of {len(names)} classes, expected 2 or more; give it a folder for each class"
        )
    number = {name: index for index, name in enumerate(names)}
    return ImageClasses(np.stack(decoded), np.array([number[name] for name in classes], np.int64), names)


def prepared(pixels: NDArray[np.uint8], size: int) -> NDArray[np.float32]:
    """One image as the networks take it: enlarged bilinearly to (1, 3, size, size), ImageNet's mean and std.

    Args:
        pixels: (side, side, 3).
    """
    from PIL import Image

    return preprocess(Image.fromarray(pixels), (size, size), _AS_IT_IS)


def _files(path: Path) -> Iterator[tuple[str, bytes]]:
    """(CLASS/name, content) of every image, in the order of their names."""
    if path.is_dir():
        for name in files_under(path):
            if is_image_file(name) and "/" in name:
                yield name, read_bytes(path / name)
        return
    try:
        with zipfile.ZipFile(path) as archive:
            for name in sorted(archive.namelist()):
                if is_image_file(name) and "/" in name:
                    yield name, archive.read(name)
    except (OSError, zipfile.BadZipFile) as error:
        raise InputError(
            f"{path} cannot be read ({error}), expected a folder or a zip file with a folder for each class"
        ) from error
