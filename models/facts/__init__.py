"""Facts about the networks: one module per architecture with a tuple `SPECS`, and here what they share.

A facts module has the name of the architecture module that builds its networks. Neither torch nor numpy is
imported here, so that names can be listed, completed and checked at once.
"""

from __future__ import annotations

from mobiledeploy.inputs.preprocessing import Preprocessing
from mobiledeploy.models.spec import Conventions, WeightsEntry

__all__ = [
    "IMAGENET_MEAN",
    "IMAGENET_STD",
    "TF",
    "TIMM",
    "TIMM_RA4",
    "TIMM_TF",
    "TV232",
    "TV256",
    "timm_weights",
]

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
_HALF = (0.5, 0.5, 0.5)

# What torchvision evaluates its ImageNet weights with: the first recipe, and the second (its "V2" files).
TV256 = Preprocessing(resize=256, interpolation="bilinear", mean=IMAGENET_MEAN, std=IMAGENET_STD)
TV232 = Preprocessing(resize=232, interpolation="bilinear", mean=IMAGENET_MEAN, std=IMAGENET_STD)
# timm's, and its for weights that TensorFlow trained on [-1, 1].
TIMM = Preprocessing(resize=256, interpolation="bicubic", mean=IMAGENET_MEAN, std=IMAGENET_STD)
TIMM_TF = Preprocessing(resize=256, interpolation="bilinear", mean=_HALF, std=_HALF)
# timm's latest recipe; its file names say "ra4".
TIMM_RA4 = Preprocessing(resize=256, interpolation="bicubic", mean=_HALF, std=_HALF)

# Of weights that TensorFlow trained, which timm publishes with names that start with "tf_".
TF = Conventions(padding="same", norm_eps=1e-3)


def timm_weights(
    name: str,
    file: str,
    accuracy: float | None,
    *,
    width_mult: float = 1.0,
    preprocessing: Preprocessing = TIMM,
    conventions: Conventions | None = None,
    tag: str = "v0.1-weights",
) -> WeightsEntry:
    """An entry for a file of timm's releases, whose name ends with the start of its hash.

    Args:
        file: its name there.
        conventions: PyTorch's, unless TensorFlow trained it.
        tag: of the release.
    """
    return WeightsEntry(
        name=name,
        publisher="timm",
        path=f"rwightman/pytorch-image-models/releases/download/{tag}/{file}",
        sha256_prefix=file.removesuffix(".pth").rpartition("-")[2],
        accuracy=accuracy,
        preprocessing=preprocessing,
        conventions=conventions or Conventions(),
        width_mult=width_mult,
    )
