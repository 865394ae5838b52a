"""A network's preprocessing. Imports neither torch nor numpy: the list of networks is instant."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["Preprocessing"]


@dataclass(frozen=True)
class Preprocessing:
    """How an image becomes a network's input: RGB in [0, 1], resized, centre-cropped, then (x - mean) / std.

    Attributes:
        resize: length in pixels of the shorter side before the centre crop to the input size. It belongs to
            the network's own input size and scales in proportion with another. None: no crop, the image is
            resized to the input size as it is.
        interpolation: filter of the resize, antialiased.
        mean: per channel R, G, B, in units of the [0, 1] range.
        std: per channel R, G, B, in units of the [0, 1] range.
    """

    resize: int | None
    interpolation: Literal["bilinear", "bicubic"]
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
