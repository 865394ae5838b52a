from __future__ import annotations

import torch
from torch import Tensor, nn

from mobiledeploy.models import registry
from mobiledeploy.models.spec import Conventions
from mobiledeploy.models.weights.entries import entry_like
from mobiledeploy.models.weights.load import apply_state_dict
from mobiledeploy.models.weights.megvii_names import from_megvii, has_megvii_names

MEGVII = Conventions(shuffle="inverse", head_bias=False)


def released() -> dict[str, Tensor]:
    """Stands for a file of theirs at half width."""
    network = registry.create("shufflenetv1_g3", {"width_mult": 0.5}, MEGVII)
    return {key.replace("units.", "features."): value for key, value in network.state_dict().items()}


def test_their_weights_fit_under_their_conventions() -> None:
    state = released()
    network = registry.create("shufflenetv1_g3", {"width_mult": 0.5}, MEGVII)
    apply_state_dict(network, state, "theirs")
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


def test_their_weights_in_their_own_module_stay_as_they_are() -> None:
    class Theirs(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first_conv = nn.Sequential(nn.Conv2d(3, 4, 3, bias=False))
            self.features = nn.Sequential(nn.Module())
            self.features[0].branch_main_1 = nn.Sequential(nn.Conv2d(4, 4, 1, bias=False))

    state, module = Theirs().state_dict(), Theirs()
    apply_state_dict(module, state, "theirs")
    assert torch.equal(module.state_dict()["first_conv.0.weight"], state["first_conv.0.weight"])


def test_a_file_is_taken_for_theirs_by_its_names_alone() -> None:
    spec = registry.resolve("shufflenetv1_g3")
    entry, rivals = entry_like(spec, released(), sha256="0", width_mult=0.5)
    assert entry is not None and (entry.name, entry.conventions, rivals) == ("released_0.5x", MEGVII, ())
    assert entry_like(spec, from_megvii(released()), sha256="0", width_mult=0.5).entry is None
