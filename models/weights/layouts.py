"""Whose keys a weights file has, and the network's own for them."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

from mobiledeploy.models.blocks import Classifier
from mobiledeploy.models.classification.shufflenet_v1 import ShuffleNetV1
from mobiledeploy.models.spec import ModelSpec, Publisher
from mobiledeploy.models.weights.megvii_names import from_megvii, has_megvii_names
from mobiledeploy.models.weights.timm_names import HEAD_KEY, from_timm, has_timm_names

__all__ = ["head_key", "publisher_of", "with_own_keys"]


def publisher_of(state: Mapping[str, Tensor]) -> Publisher:
    """Whose keys a state_dict has. Torchvision's are our own, and stand for those of anybody else."""
    if has_timm_names(state):
        return "timm"
    return "megvii" if has_megvii_names(state) else "torchvision"


def head_key(spec: ModelSpec, publisher: Publisher) -> str:
    """What a publisher calls the weight whose first axis is the classes."""
    return HEAD_KEY if publisher == "timm" else spec.head_key


def with_own_keys(network: nn.Module, state: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
    """The state_dict with the keys that the network has, as far as it is known to its publisher."""
    publisher = publisher_of(state)
    if publisher == "timm" and isinstance(network, Classifier):
        return from_timm(network, state)
    if publisher == "megvii" and isinstance(network, ShuffleNetV1):
        return from_megvii(state)
    return state
