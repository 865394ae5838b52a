"""ShuffleNet: An Extremely Efficient Convolutional Neural Network for Mobile Devices (arXiv:1707.01083).

The keys are those of the authors' released code, but for `units`, which is `features` there (see
megvii_names.py).
"""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor, nn

from mobiledeploy.base.errors import InputError
from mobiledeploy.models.blocks import ConvBNAct, chained, channel_shuffle, init_weights
from mobiledeploy.models.facts.shufflenet_v1 import CONVENTIONS
from mobiledeploy.models.spec import Conventions

__all__ = [
    "ShuffleNetV1",
    "shufflenetv1_g1",
    "shufflenetv1_g2",
    "shufflenetv1_g3",
    "shufflenetv1_g4",
    "shufflenetv1_g8",
]

# Table 1. Width -> channels of the first convolution (112 x 112, and 56 x 56 after the max pool). The paper
# has the one for width 1, the released code the others, which are not all in proportion.
STEM = {0.5: 12, 1.0: 24, 1.5: 24, 2.0: 48}
# Groups -> channels of stage 2 (28 x 28); stage 3 (14 x 14) has twice as many, stage 4 (7 x 7) four times.
STAGE2 = {1: 144, 2: 200, 3: 240, 4: 272, 8: 384}
REPEATS = (4, 8, 4)  # units of stages 2 to 4, the first of each strided


class ChannelShuffle(nn.Module):
    """`channel_shuffle` as a layer."""

    def __init__(self, groups: int) -> None:
        super().__init__()
        self.groups = groups

    def forward(self, x: Tensor) -> Tensor:
        return channel_shuffle(x, self.groups)


class Unit(nn.Module):
    """(N, in, H, W) -> (N, out, H / stride, W / stride) (figure 2 b, c).

    With a stride, the branch makes what the average-pooled input lacks of the output channels. The paper has
    its ReLU after that concatenation. The pooled input is never negative, so the branch alone gets it here.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        stride: int,
        groups: int,
        conventions: Conventions,
        *,
        first_groups: int,
    ) -> None:
        super().__init__()
        narrow = out_channels // 4
        made = out_channels - in_channels if stride > 1 else out_channels
        expand = ConvBNAct(
            in_channels, narrow, groups=first_groups, conventions=conventions, activation=nn.ReLU
        )
        depthwise = ConvBNAct(narrow, narrow, 3, stride, groups=narrow, conventions=conventions)
        if groups > 1 and conventions.shuffle == "paper":
            expand[2] = nn.Sequential(expand[2], ChannelShuffle(groups))
        elif groups > 1:
            depthwise.append(ChannelShuffle(narrow // groups))  # the inverse permutation
        self.branch_main_1 = chained(expand, depthwise)
        self.branch_main_2 = chained(ConvBNAct(narrow, made, groups=groups, conventions=conventions))
        # Counts the padding: a border's mean is over 9 pixels, too.
        self.branch_proj = nn.AvgPool2d(3, 2, padding=1) if stride > 1 else None
        self.relu = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        y = self.branch_main_2(self.branch_main_1(x))
        if self.branch_proj is None:
            joined: Tensor = self.relu(x + y)
            return joined
        return torch.cat([self.branch_proj(x), self.relu(y)], dim=1)


class ShuffleNetV1(nn.Module):
    """Images (N, 3, H, W) -> logits (N, num_classes).

    Raises:
        InputError: a width that gives channels which the groups do not divide, or that nobody has defined.
    """

    def __init__(
        self,
        groups: int,
        num_classes: int = 1000,
        width_mult: float = 1.0,
        *,
        conventions: Conventions = CONVENTIONS,
    ) -> None:
        super().__init__()
        known = [width for width in STEM if STAGE2[groups] * width % (4 * groups) == 0]
        if width_mult not in known:
            raise InputError(
                f"width_mult {width_mult:g} for ShuffleNetV1 of {groups} groups, expected one of "
                f"{', '.join(f'{width:g}' for width in known)}, whose layers the groups divide; leave it out"
            )
        in_channels = -(-STEM[width_mult] // groups) * groups
        self.first_conv = ConvBNAct(3, in_channels, 3, stride=2, conventions=conventions, activation=nn.ReLU)
        self.maxpool = nn.MaxPool2d(3, 2, padding=1)
        units: list[Unit] = []
        for stage, repeats in enumerate(REPEATS):
            channels = int(STAGE2[groups] * width_mult) * 2**stage
            for stride in (2, *[1] * (repeats - 1)):
                first_groups = groups if units else 1  # the stem's channels are few
                units.append(
                    Unit(in_channels, channels, stride, groups, conventions, first_groups=first_groups)
                )
                in_channels = channels
        self.units = nn.Sequential(*units)
        self.globalpool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Sequential(nn.Linear(in_channels, num_classes, bias=conventions.head_bias))
        init_weights(self)

    def features(self, x: Tensor) -> Tensor:
        """Images (N, 3, H, W) -> (N, channels of stage 4, H / 32, W / 32)."""
        features: Tensor = self.units(self.maxpool(self.first_conv(x)))
        return features

    def head(self, x: Tensor) -> Tensor:
        logits: Tensor = self.classifier(self.globalpool(x).flatten(1))
        return logits

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.features(x))


# Widths 0.5 to 2, where the groups divide the layers: 2 and 4 groups have 1 and 2 alone.
shufflenetv1_g1 = partial(ShuffleNetV1, 1)  # without shuffles
shufflenetv1_g2 = partial(ShuffleNetV1, 2)
shufflenetv1_g3 = partial(ShuffleNetV1, 3)  # the paper's main network
shufflenetv1_g4 = partial(ShuffleNetV1, 4)
shufflenetv1_g8 = partial(ShuffleNetV1, 8)
