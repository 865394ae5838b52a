from __future__ import annotations

import torch
from torch import Tensor

from mobiledeploy.models import registry
from mobiledeploy.models.megvii_names import from_megvii, has_megvii_names
from mobiledeploy.models.spec import Conventions
from mobiledeploy.models.weights import apply_state_dict

MEGVII = Conventions(shuffle="inverse", head_bias=False)


def released() -> dict[str, Tensor]:
    """Stands for a file of theirs at half width."""
    network = registry.create("shufflenetv1_g3", {"width_mult": 0.5}, MEGVII)
    return {key.replace("units.", "features."): value for key, value in network.state_dict().items()}


def test_their_weights_fit_under_their_conventions() -> None:
    state = released()
    network = registry.create("shufflenetv1_g3", {"width_mult": 0.5}, MEGVII)
    apply_state_dict(network, from_megvii(state), "theirs")
    loaded = network.state_dict()["units.15.branch_main_2.0.weight"]
    assert torch.equal(loaded, state["features.15.branch_main_2.0.weight"])


def test_rgb_sees_what_bgr_saw() -> None:
    state = released()
    image = torch.rand(1, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    theirs = torch.conv2d(image.flip(1), state["first_conv.0.weight"], stride=2, padding=1)
    ours = torch.conv2d(image, from_megvii(state)["first_conv.0.weight"], stride=2, padding=1)
    assert torch.allclose(ours, theirs, atol=1e-6)


def test_their_names_are_told_from_ours_and_others() -> None:
    assert has_megvii_names(released())
    assert not has_megvii_names(from_megvii(released()))
    assert not has_megvii_names({"features.0.0.weight": torch.zeros(1)})
