from __future__ import annotations

from typing import Literal

import pytest
import torch
from torch import nn

from mobiledeploy.models.blocks import (
    Bottleneck,
    ConvBNAct,
    Kernels,
    MixConv,
    SqueezeExcite,
    convolution,
    inverted_residual,
    round_channels,
)
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


@pytest.mark.parametrize(
    ("kernel", "width", "sums"),
    [
        (3, 8, [0 + 1 + 2, 2 + 3 + 4, 4 + 5 + 6, 6 + 7]),  # nothing before, one column after
        (3, 7, [0 + 1, 1 + 2 + 3, 3 + 4 + 5, 5 + 6]),  # one on each side
        (5, 8, [0 + 1 + 2 + 3, 1 + 2 + 3 + 4 + 5, 3 + 4 + 5 + 6 + 7, 5 + 6 + 7]),  # one before, two after
    ],
)
def test_same_padding_samples_tensorflows_grid(kernel: int, width: int, sums: list[int]) -> None:
    conv = convolution(1, 1, kernel, 2, conventions=Conventions(padding="same"))
    assert isinstance(conv, nn.Conv2d)
    nn.init.ones_(conv.weight)
    row = torch.arange(float(width)).reshape(1, 1, 1, width)
    assert conv(row).flatten().tolist() == sums
    assert conv(row.mT).flatten().tolist() == sums


def test_symmetric_padding_samples_another() -> None:
    conv = convolution(1, 1, 3, 2, conventions=Conventions())
    assert isinstance(conv, nn.Conv2d)
    nn.init.ones_(conv.weight)
    assert conv(torch.arange(8.0).reshape(1, 1, 1, 8)).flatten().tolist() == [1, 6, 12, 18]


@pytest.mark.parametrize(
    ("kernels", "channels", "shares"),
    [
        (Kernels((3, 5, 7, 9)), 32, [8, 8, 8, 8]),  # the paper's example
        (Kernels((3, 5, 7, 9), "exponential"), 32, [16, 8, 4, 4]),  # as well
        (Kernels((3, 5, 7)), 50, [18, 16, 16]),
        (Kernels((3, 5, 7), "exponential"), 50, [26, 12, 12]),
        (Kernels((3, 5), "exponential"), 10, [5, 5]),
    ],
)
def test_channels_are_dealt_out_to_kernels(kernels: Kernels, channels: int, shares: list[int]) -> None:
    assert kernels.parts(channels) == shares


@pytest.mark.parametrize("padding", ["symmetric", "same"])
def test_mix_conv_gives_each_share_its_kernel(padding: Literal["symmetric", "same"]) -> None:
    conventions = Conventions(padding=padding)
    mixed = MixConv(9, 9, Kernels((3, 5, 7)), stride=2, conventions=conventions)
    x = torch.rand(2, 9, 10, 11, generator=torch.Generator().manual_seed(0))
    alone = []
    for share, kernel, own in zip(torch.split(x, 3, dim=1), (3, 5, 7), mixed, strict=True):
        conv = convolution(3, 3, kernel, 2, 3, conventions=conventions)
        conv.load_state_dict(own.state_dict())
        alone.append(conv(share))
    assert torch.equal(mixed(x), torch.cat(alone, 1))
    assert mixed(x).shape == (2, 9, 5, 6)


def test_two_kernels_of_size_1_are_a_convolution_in_two_groups() -> None:
    grouped = nn.Conv2d(6, 10, 1, groups=2, bias=False)
    mixed = convolution(6, 10, Kernels((1, 1)), conventions=Conventions())
    mixed.load_state_dict({"0.weight": grouped.weight[:5], "1.weight": grouped.weight[5:]})
    x = torch.rand(2, 6, 4, 4, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(mixed(x), grouped(x))
