"""Read an image and prepare it as a network's input."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from mobiledeploy.base.errors import InputError
from mobiledeploy.inputs.preprocessing import Preprocessing

__all__ = [
    "ImageInput",
    "as_image",
    "describe_preprocessing",
    "image_input",
    "is_image_file",
    "normalise",
    "preprocess",
    "read_image",
    "shapes_in_words",
]

_IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png")

_FILTERS = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}
_LONGEST_STRIP = 32  # times its width


@dataclass(frozen=True)
class ImageInput:
    """Input of a model that takes an image.

    Attributes:
        name: name of the input.
        channels: 3 for RGB, 1 for grey.
        size: (height, width) in pixels.
    """

    name: str
    channels: int
    size: tuple[int, int]

    @property
    def mode(self) -> str:
        """Pillow's name of the pixel format."""
        return "RGB" if self.channels == 3 else "L"


def image_input(inputs: Mapping[str, tuple[int, ...]]) -> ImageInput | None:
    """Return the input that takes an image if it is the model's only one; None otherwise."""
    images = [as_image(name, shape) for name, shape in inputs.items()]
    return images[0] if len(images) == 1 else None


def as_image(name: str, shape: tuple[int, ...]) -> ImageInput | None:
    """Return an input of that shape if it takes an image, (1, 3, H, W) or (1, 1, H, W); None otherwise."""
    if len(shape) != 4 or shape[0] != 1 or shape[1] not in (1, 3):
        return None
    return ImageInput(name, shape[1], (shape[2], shape[3]))


def shapes_in_words(inputs: Mapping[str, tuple[int, ...]]) -> str:
    """Return "x (1, 16), y (1, 4)" for name -> shape."""
    return ", ".join(f"{name} {shape}" for name, shape in inputs.items())


def is_image_file(name: str) -> bool:
    """Tell whether a file's name ends like a JPEG's or PNG's."""
    return name.lower().endswith(_IMAGE_SUFFIXES)


def read_image(content: bytes, mode: str = "RGB") -> Image.Image:
    """Decode a JPEG or PNG, turn it upright (EXIF) and convert it to mode RGB or L, 8 bits a channel.

    Transparency is dropped, as it is where networks are trained; 16-bit grey keeps its upper 8 bits.

    Raises:
        InputError: the bytes are no such image, or it is cut off.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # odd EXIF data; very large pictures
            image = Image.open(BytesIO(content), formats=("JPEG", "PNG"))
            upright = ImageOps.exif_transpose(image)
            if upright.mode.startswith("I"):  # Pillow would clip its 65536 levels at 255
                upright = Image.fromarray((np.asarray(upright) >> 8).astype(np.uint8))
            if "transparency" in upright.info:  # else Pillow warns about palettes
                upright = upright.convert("RGBA")
            return upright.convert(mode)
    except Exception as error:  # on damaged files Pillow raises whatever its parsers run into
        reason = "not a JPEG or PNG" if isinstance(error, UnidentifiedImageError) else str(error)
        raise InputError(reason) from error


def preprocess(
    image: Image.Image, size: tuple[int, int], preprocessing: Preprocessing | None
) -> NDArray[np.float32]:
    """Resize (antialiased), centre-crop and normalise an image, pixel for pixel as torchvision does.

    Args:
        image: image of mode RGB or L.
        size: (height, width) of the result.
        preprocessing: what the network wants done; None: resize to `size` as it is, scale to [0, 1].

    Returns:
        (1, 3, height, width), or (1, 1, height, width) for mode L.
    """
    if preprocessing is None or preprocessing.resize is None:
        method = "bilinear" if preprocessing is None else preprocessing.interpolation
        return normalise(np.asarray(image.resize((size[1], size[0]), _FILTERS[method])), preprocessing)
    resized = _resize_to_cover(image, size, preprocessing.resize, _FILTERS[preprocessing.interpolation])
    return normalise(np.asarray(_centre_crop(resized, size[1], size[0])), preprocessing)


def describe_preprocessing(size: tuple[int, int], preprocessing: Preprocessing | None) -> str:
    """Return in words how an image is prepared."""
    height, width = size
    if preprocessing is None:
        return f"resized to {width}x{height}, scaled to [0, 1], no mean and std"
    crop = "" if preprocessing.resize is None else f"shorter side to {preprocessing.resize}, centre crop "
    return (
        f"{preprocessing.interpolation} {crop}{width}x{height}, "
        f"mean {_numbers(preprocessing.mean)}, std {_numbers(preprocessing.std)}"
    )


def _resize_to_cover(
    image: Image.Image, size: tuple[int, int], resize: int, method: Image.Resampling
) -> Image.Image:
    """Resize to a shorter side of `resize`, or to more where that does not cover `size` (height, width)."""
    shorter = min(image.size)
    if max(image.size) > _LONGEST_STRIP * shorter:  # resized whole, it could take gigabytes
        image = _centre_crop(image, *(min(side, _LONGEST_STRIP * shorter) for side in image.size))
    # Whole numbers, rounded as torchvision does: the longer side down.
    resize = max(resize, -(-size[1] * shorter // image.width), -(-size[0] * shorter // image.height))
    return image.resize((image.width * resize // shorter, image.height * resize // shorter), method)


def _centre_crop(image: Image.Image, width: int, height: int) -> Image.Image:
    left, top = round((image.width - width) / 2), round((image.height - height) / 2)
    return image.crop((left, top, left + width, top + height))


def normalise(pixels: NDArray[np.uint8], preprocessing: Preprocessing | None) -> NDArray[np.float32]:
    """Return (H, W, 3) or (H, W) pixels as normalised (1, C, H, W); grey by the average mean and std."""
    scaled = np.atleast_3d(pixels).astype(np.float32) / np.float32(255.0)  # (H, W, C)
    if preprocessing is not None:
        mean, std = (np.array(value, np.float32) for value in (preprocessing.mean, preprocessing.std))
        if scaled.shape[2] == 1:
            mean, std = mean.mean(), std.mean()
        scaled = (scaled - mean) / std
    return np.ascontiguousarray(scaled.transpose(2, 0, 1)[None])


def _numbers(values: Sequence[float]) -> str:
    return " ".join(f"{value:g}" for value in values)
