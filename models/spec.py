"""What is known about a network without building it. Imports neither torch nor numpy: `list` is instant."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Literal

__all__ = ["ModelSpec", "Preprocessing", "WeightsEntry"]


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


@dataclass(frozen=True, kw_only=True)
class WeightsEntry:
    """One published weights file.

    Attributes:
        name: how its publisher calls it, e.g. "imagenet1k_v1".
        path: what follows the host in its address, e.g. "models/mobilenet_v2-b0353104.pth".
        sha256_prefix: the first hex digits of the file's SHA-256.
        num_classes: size of its head.
        top1: published accuracy in percent, with `preprocessing`.
        preprocessing: what its training recipe evaluates with.
    """

    name: str
    path: str
    sha256_prefix: str
    num_classes: int
    top1: float
    preprocessing: Preprocessing

    @property
    def file_name(self) -> str:
        """Last part of `path`; caches store the file under it."""
        return PurePosixPath(self.path).name


@dataclass(frozen=True, kw_only=True)
class ModelSpec:
    """Facts about one network of the registry.

    Attributes:
        name: registry name, and the name of the factory in the architecture's module.
        input_size: (height, width) in pixels; the input is (1, 3, height, width).
        preprocessing: that of the first entry of `weights`.
        paper: title and arXiv id.
        parameters: learnable parameters at `num_classes` and width 1.0, batch-norm scale and shift included.
        multiply_adds_m: millions of multiply-adds of convolutions and linear layers at `input_size`.
        reported_top1: ImageNet accuracy in percent that the paper reports for float.
        weights: published files, the preferred one first.
        aliases: other names that users know it by; case, dashes and underscores never matter.
        width_mult: whether the factory takes a width multiplier.
        head_key: state_dict key of the weight whose first axis is the classes, (num_classes, features).
        num_classes: size of the head unless asked otherwise.
    """

    name: str
    task: Literal["classification"]
    input_size: tuple[int, int]
    preprocessing: Preprocessing
    paper: str
    parameters: int
    multiply_adds_m: float
    reported_top1: float | None
    weights: tuple[WeightsEntry, ...]
    aliases: tuple[str, ...]
    width_mult: bool
    head_key: str
    num_classes: int = 1000
