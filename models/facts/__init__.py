"""Facts about the networks: one module per architecture with a tuple `SPECS`, and here what they share.

A facts module has the name of the architecture module that builds its networks. It reads as two tables per
network: one of `Width`, one of weights files. Neither torch nor numpy is imported here, so that names can be
listed, completed and checked at once.
"""

from __future__ import annotations

from functools import partial

from mobiledeploy.inputs.preprocessing import Preprocessing
from mobiledeploy.models.spec import Conventions, ModelSpec, Publisher, Reported, WeightsEntry, Width

__all__ = [
    "TF",
    "TIMM",
    "TIMM_RA4",
    "TIMM_RELEASES",
    "TIMM_TF",
    "TV232",
    "TV256",
    "network",
    "released_code",
    "timm_weights",
    "torchvision_weights",
    "weights_entry",
]

_IMAGENET_MEAN, _IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_HALF = (0.5, 0.5, 0.5)

# What torchvision evaluates its ImageNet weights with: the first recipe, and the second (its "V2" files).
TV256 = Preprocessing(256, "bilinear", _IMAGENET_MEAN, _IMAGENET_STD)
TV232 = Preprocessing(232, "bilinear", _IMAGENET_MEAN, _IMAGENET_STD)
# timm's, and its for weights that TensorFlow trained on [-1, 1].
TIMM = Preprocessing(256, "bicubic", _IMAGENET_MEAN, _IMAGENET_STD)
TIMM_TF = Preprocessing(256, "bilinear", _HALF, _HALF)
# timm's latest recipe; its file names say "ra4".
TIMM_RA4 = Preprocessing(256, "bicubic", _HALF, _HALF)

# Of weights that TensorFlow trained, which timm publishes with names that start with "tf_".
TF = Conventions(padding="same", norm_eps=1e-3)

TIMM_RELEASES = "rwightman/pytorch-image-models/releases/download"

released_code = partial(Reported, source="released code")


def network(
    name: str,
    own: Width,
    *others: Width,
    preprocessing: Preprocessing,
    conventions: Conventions,
    paper: str,
    head_key: str,
    weights: tuple[WeightsEntry, ...] = (),
    aliases: tuple[str, ...] = (),
    width_mult: bool = False,
) -> ModelSpec:
    """Return the facts about a network that classifies images (3, 224, 224), under the names of `ModelSpec`.

    Args:
        own: the network at width 1.
        others: the network at other widths.
    """
    return ModelSpec(
        name=name,
        task="classification",
        input_size=(224, 224),
        preprocessing=preprocessing,
        conventions=conventions,
        paper=paper,
        parameters=own.parameters,
        multiply_adds_m=own.multiply_adds_m,
        reported=own.reported or Reported(None, None, None),
        weights=weights,
        aliases=aliases,
        width_mult=width_mult,
        head_key=head_key,
        widths=others,
    )


def weights_entry(
    name: str,
    file: str | None,
    accuracy: float | None,
    preprocessing: Preprocessing = TIMM,
    conventions: Conventions = Conventions(),  # noqa: B008  # frozen
    *,
    width_mult: float = 1.0,
    publisher: Publisher,
    folder: str = "",
) -> WeightsEntry:
    """Return the entry of a published file, under the names of `WeightsEntry`.

    Args:
        file: its name, which ends with the start of its hash; None where it has no address of its own.
        folder: what the address has between the publisher's host and the file.
    """
    return WeightsEntry(
        name=name,
        publisher=publisher,
        path=f"{folder}/{file}" if file else None,
        sha256_prefix=file.removesuffix(".pth").rpartition("-")[2] if file else "",
        accuracy=accuracy,
        preprocessing=preprocessing,
        conventions=conventions,
        width_mult=width_mult,
    )


timm_weights = partial(weights_entry, publisher="timm", folder=f"{TIMM_RELEASES}/v0.1-weights")
torchvision_weights = partial(weights_entry, publisher="torchvision", folder="models")
