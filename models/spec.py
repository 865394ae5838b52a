"""What is known about a network without building it. Imports neither torch nor numpy: `list` is instant."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from pathlib import PurePosixPath
from typing import Literal

from mobiledeploy.inputs.preprocessing import Preprocessing

__all__ = ["Conventions", "ModelSpec", "Publisher", "Reported", "WeightsEntry", "Width"]

Publisher = Literal["torchvision", "timm", "megvii"]


@dataclass(frozen=True, kw_only=True)
class Conventions:
    """What weights were trained with and do not say of themselves; under others they lose accuracy.

    Attributes:
        padding: "symmetric", (kernel - 1) / 2 on each side; "same" as TensorFlow has it, which at stride 2
            puts the odd row and column after the image and so samples another grid.
        norm_eps: what batch norms add to the variance.
        norm_momentum: weight of a new batch in the running statistics, for training alone.
        shuffle: ShuffleNetV1's channel shuffle: "paper" reads (groups, channels) column by column, before the
            depthwise convolution; "inverse" is the inverse permutation, and after that convolution, as the
            authors' released code has it.
        head_bias: whether the last linear layer has a bias.
    """

    padding: Literal["symmetric", "same"] = "symmetric"
    norm_eps: float = 1e-5
    norm_momentum: float = 0.1
    shuffle: Literal["paper", "inverse"] = "paper"
    head_bias: bool = True


@dataclass(frozen=True, kw_only=True)
class WeightsEntry:
    """One published weights file.

    Attributes:
        name: how its publisher calls it, e.g. "imagenet1k_v1".
        publisher: where it is published, and whose keys it has.
        path: what follows the publisher's host in its address, e.g. "models/mobilenet_v2-b0353104.pth"; None
            for a file that cannot be downloaded by itself, whose conventions are worth knowing all the same.
        sha256_prefix: the first hex digits of the file's SHA-256; empty where that is not known.
        num_classes: size of its head.
        accuracy: published, in percent, by what the task is judged by, with `preprocessing`; None if not.
        preprocessing: what its training recipe evaluates with.
        conventions: what it was trained with.
        width_mult: width of the network that it is for.
    """

    name: str
    publisher: Publisher = "torchvision"
    path: str | None
    sha256_prefix: str
    num_classes: int = 1000
    accuracy: float | None
    preprocessing: Preprocessing
    conventions: Conventions
    width_mult: float = 1.0

    @property
    def file_name(self) -> str:
        """Last part of `path`; caches store the file under it. Empty without a path."""
        return PurePosixPath(self.path or "").name


@dataclass(frozen=True)
class Reported:
    """What the authors print of a network; None for what they do not say.

    Attributes:
        accuracy: in percent, float, by what the task is judged by: ImageNet's top-1 of one that classifies.
        parameters_m: millions of parameters.
        multiply_adds_m: millions of multiply-adds.
        tolerance: largest relative difference of our counts from these. Papers round to two or three digits.
        why: where `tolerance` is more than that rounding, the reason.
        source: where they print it.
    """

    accuracy: float | None
    parameters_m: float | None
    multiply_adds_m: float | None
    _: KW_ONLY
    tolerance: float = 0.02
    why: str = ""
    source: Literal["paper", "released code"] = "paper"


@dataclass(frozen=True)
class Width:
    """Facts about a network at one width.

    Attributes:
        parameters, multiply_adds_m: as counted here, see `ModelSpec`.
        reported: the authors' figures; None where the width is that of published weights alone.
    """

    width_mult: float
    parameters: int
    multiply_adds_m: float
    reported: Reported | None = None


@dataclass(frozen=True, kw_only=True)
class ModelSpec:
    """Facts about one network of the registry.

    Attributes:
        name: registry name, and the name of the factory in the architecture's module.
        task: name of the task in `mobiledeploy.tasks`, and of the folder of the architecture.
        input_size: (height, width) in pixels; the input is (1, 3, height, width).
        preprocessing: of images, unless the weights ask for another.
        conventions: of initial weights, and of weights that match no entry of `weights`.
        paper: title and arXiv id.
        parameters: learnable parameters at `num_classes` and width 1, batch-norm scale and shift included.
        multiply_adds_m: millions of multiply-adds of convolutions and linear layers at `input_size` and
            width 1.
        reported: the authors' figures at width 1.
        weights: published files of all widths, the preferred one first.
        aliases: other names that users know it by; case, dashes and underscores never matter.
        width_mult: whether the factory takes a width multiplier.
        widths: the widths, other than 1, that the authors or published weights have.
        head_key: state_dict key of the weight whose first axis is the classes, (num_classes, features).
        num_classes: size of the head unless asked otherwise.
    """

    name: str
    task: str
    input_size: tuple[int, int]
    preprocessing: Preprocessing
    conventions: Conventions
    paper: str
    parameters: int
    multiply_adds_m: float
    reported: Reported
    weights: tuple[WeightsEntry, ...]
    aliases: tuple[str, ...]
    width_mult: bool
    head_key: str
    num_classes: int = 1000
    widths: tuple[Width, ...] = ()
