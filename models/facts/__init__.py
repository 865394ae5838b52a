"""Facts about the networks: one module per architecture with a tuple `SPECS`, and here what they share.

A facts module has the name of the architecture module that builds its networks. Neither torch nor numpy is
imported here, so that names can be listed, completed and checked at once.
"""

from __future__ import annotations

from mobiledeploy.models.spec import Preprocessing

__all__ = ["TV232", "TV256"]

_IMAGENET_MEAN = (0.485, 0.456, 0.406)
_IMAGENET_STD = (0.229, 0.224, 0.225)

# What torchvision evaluates its ImageNet weights with: the first recipe, and the second (its "V2" files).
TV256 = Preprocessing(resize=256, interpolation="bilinear", mean=_IMAGENET_MEAN, std=_IMAGENET_STD)
TV232 = Preprocessing(resize=232, interpolation="bilinear", mean=_IMAGENET_MEAN, std=_IMAGENET_STD)
