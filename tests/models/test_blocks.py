from __future__ import annotations

import pytest
import torch
from torch import nn

from mobiledeploy.models.blocks import Bottleneck, ConvBNAct, SqueezeExcite, inverted_residual, round_channels
from mobiledeploy.models.spec import Conventions


@pytest.mark.parametrize(
    ("channels", "rounded"),
    [
        (3, 8),
        (11.2, 16),  # 8 is more than 10% below
        (12, 16),
        (18, 24),  # nearest is 16, more than 10% below
        (36, 40),
        (44.8, 48),
        (147.2, 144),
        (960, 960),
    ],
)
def test_round_channels(channels: float, rounded: int) -> None:
    assert round_channels(channels) == rounded


def test_conv_bn_act_halves_even_sizes_and_leaves_out_no_activation() -> None:
    block = ConvBNAct(3, 8, 5, stride=2, conventions=Conventions())
    assert block(torch.zeros(1, 3, 16, 16)).shape == (1, 8, 8, 8)
    assert [type(layer) for layer in block] == [nn.Conv2d, nn.BatchNorm2d]
    assert block[0].bias is None


def test_squeeze_excite_with_a_gate_of_zero_input_halves() -> None:
    gate = SqueezeExcite(8, 8, gate=nn.Hardsigmoid)
    for parameter in gate.parameters():
        nn.init.zeros_(parameter)
    x = torch.linspace(-1, 1, 8 * 4).reshape(1, 8, 2, 2)
    assert torch.equal(gate(x), x / 2)  # hardsigmoid(0) = 1/2


def test_inverted_residual_lists_only_the_layers_it_has() -> None:
    full = Bottleneck(8, 24, 16, kernel=5, stride=2, activation=nn.ReLU, squeezed=8)
    plain = Bottleneck(8, 8, 8, kernel=3, stride=1, activation=nn.ReLU)
    kinds = [type(layer) for layer in inverted_residual(full, Conventions())]
    assert kinds == [ConvBNAct, ConvBNAct, SqueezeExcite, ConvBNAct]
    assert len(inverted_residual(plain, Conventions())) == 2
    assert plain.has_shortcut and not full.has_shortcut
