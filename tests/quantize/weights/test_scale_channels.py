"""Scaled channels change no network: one of most families, with seeded weights.

MobileNetV1 has ReLU6 everywhere and no channel that may be scaled; MixNet and AugShuffleNet take too long.
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest
import torch

from mobiledeploy.exporters.rewrites.stages import rewrite_for_target
from mobiledeploy.exporters.torch_to_onnx import torch_to_onnx
from mobiledeploy.models.registry import create
from mobiledeploy.quantize.weights.adjust_weights import scale_channels
from mobiledeploy.quantize.weights.channel_factors import channel_factors
from mobiledeploy.runtime.targets import LITERT_2_3
from mobiledeploy.testing import assert_same_outputs, random_sample, weights_from_names

FAMILIES: dict[str, dict[str, float | str]] = {
    "mobilenetv2": {"width_mult": 0.5},
    "mobilenetv3_small": {},
    "mnasnet_b1": {},
    "shufflenetv1_g3": {},
    "shufflenetv2_x0_5": {},
}


def family(name: str) -> ir.Model:
    torch.manual_seed(0)
    module = create(name, {"num_classes": 10, **FAMILIES[name]}).eval()
    shapes = {key: tuple(tensor.shape) for key, tensor in module.state_dict().items()}
    module.load_state_dict({key: torch.tensor(a) for key, a in weights_from_names(shapes).items()})
    model = torch_to_onnx(module, {"image": (1, 3, 32, 32)})
    rewrite_for_target(model, LITERT_2_3, "int8")
    return model


@pytest.mark.parametrize("name", FAMILIES)
def test_factors_that_may_be_chosen_change_no_network(name: str) -> None:
    """Whatever the factors, not only those that would be chosen for these weights."""
    model = family(name)
    before, channels = model.clone(), channel_factors(model.graph)
    factors = np.ones(channels.count)
    movable = channels.movable
    factors[movable] = 2 ** np.random.default_rng(0).uniform(-4, 4, len(movable))
    assert len(movable) > 50
    scale_channels(model.graph, channels, factors)
    assert_same_outputs(before, model, rtol=1e-3, atol=1e-4, sample=random_sample(before, scale=1.0))
