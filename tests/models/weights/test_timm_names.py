from __future__ import annotations

import pytest
import torch
from torch import Tensor

from mobiledeploy.base.errors import WeightsError
from mobiledeploy.models import registry
from mobiledeploy.models.blocks import Classifier
from mobiledeploy.models.weights.load import apply_state_dict, head_classes
from mobiledeploy.models.weights.timm_names import from_timm, has_timm_names, timm_names

NETWORKS = "mobilenetv1", "mobilenetv2", "mobilenetv3_small", "mnasnet_a1", "mnasnet_b1", "mixnet_s"


def created(name: str, num_classes: int = 1000) -> Classifier:
    network = registry.create(name, {"num_classes": num_classes})
    assert isinstance(network, Classifier)
    return network


def as_timm_has_it(network: Classifier) -> dict[str, Tensor]:
    own = network.state_dict()
    state = {theirs: own[ours] for ours, theirs in timm_names(network).items()}
    if "conv_head.bias" in state:  # MobileNetV3's linear layer is a convolution there
        state["conv_head.weight"] = state["conv_head.weight"][:, :, None, None]
    return state


@pytest.mark.parametrize("name", NETWORKS)
def test_every_key_has_one_name_and_comes_back(name: str) -> None:
    network = created(name)
    own, state = network.state_dict(), as_timm_has_it(network)
    assert len(state) == len(own)
    assert has_timm_names(state) and not has_timm_names(own)
    back = from_timm(network, state)
    assert back.keys() == own.keys()
    assert all(torch.equal(back[key], own[key]) for key in own)


def test_names_say_what_layers_are_for() -> None:
    names = timm_names(created("mobilenetv3_small"))
    assert names["features.1.block.1.fc1.weight"] == "blocks.0.0.se.conv_reduce.weight"
    assert names["features.1.block.2.0.weight"] == "blocks.0.0.conv_pw.weight"
    assert names["features.11.block.3.1.running_var"] == "blocks.4.2.bn3.running_var"
    assert names["features.12.0.weight"] == "blocks.5.0.conv.weight"
    assert names["classifier.0.bias"] == "conv_head.bias"
    assert timm_names(created("mobilenetv2"))["features.18.1.weight"] == "bn2.weight"
    mixed = timm_names(created("mixnet_s"))
    assert mixed["features.4.block.1.0.2.weight"] == "blocks.2.0.conv_dw.2.weight"


def test_classes_are_found_under_timms_name() -> None:
    state = as_timm_has_it(created("mixnet_s", 7))
    assert head_classes(registry.resolve("mixnet_s"), state) == 7


def test_a_file_that_does_not_fit_is_told_with_its_keys() -> None:
    state = as_timm_has_it(created("mobilenetv2"))
    state["blocks.9.0.conv_pw.weight"] = torch.ones(1)
    with pytest.raises(WeightsError, match=r"1 not in the network: blocks\.9\.0\.conv_pw\.weight"):
        apply_state_dict(created("mobilenetv2"), state, "w.pth")
