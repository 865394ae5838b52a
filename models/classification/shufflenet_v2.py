"""ShuffleNet V2: Practical Guidelines for Efficient CNN Architecture Design (arXiv:1807.11164).

With torchvision's keys and its strided units, which halve the output between both branches.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor, nn

from mobiledeploy.models.blocks import ConvBNAct, chained, channel_shuffle, init_weights
from mobiledeploy.models.facts.shufflenet_v2 import CONVENTIONS
from mobiledeploy.models.spec import Conventions

__all__ = [
    "RepeatedUnit",
    "ShuffleNet",
    "ShuffleNetV2",
    "Unit",
    "Widths",
    "shufflenetv2_x0_5",
    "shufflenetv2_x1_0",
    "shufflenetv2_x1_5",
    "shufflenetv2_x2_0",
]

RepeatedUnit = Callable[[int, Conventions], nn.Module]
"""Builds a unit that keeps shape and channels, from the number of these."""

STEM = 24  # 112 x 112, and 56 x 56 after the max pool
REPEATS = (4, 8, 4)  # units of stages 2 to 4, the first of each strided


class Widths(NamedTuple):
    """A column of table 5: output channels of the stages and of the last convolution."""

    stage2: int  # 28 x 28
    stage3: int  # 14 x 14
    stage4: int  # 7 x 7
    conv5: int


X0_5 = Widths(48, 96, 192, 1024)
X1_0 = Widths(116, 232, 464, 1024)
X1_5 = Widths(176, 352, 704, 1024)
X2_0 = Widths(244, 488, 976, 2048)


class Unit(nn.Module):
    """(N, C, H, W) -> (N, C, H, W): half of the channels pass as they are (figure 3 c)."""

    def __init__(self, channels: int, conventions: Conventions) -> None:
        super().__init__()
        self.branch2 = _branch2(channels // 2, channels // 2, 1, conventions)

    def forward(self, x: Tensor) -> Tensor:
        passed, x = x.chunk(2, dim=1)
        return channel_shuffle(torch.cat([passed, self.branch2(x)], dim=1), groups=2)


class StridedUnit(nn.Module):
    """(N, in, H, W) -> (N, out, H / 2, W / 2): two branches make half of the channels each (figure 3 d)."""

    def __init__(self, in_channels: int, out_channels: int, conventions: Conventions) -> None:
        super().__init__()
        half = out_channels // 2
        self.branch1 = chained(
            ConvBNAct(in_channels, in_channels, 3, stride=2, groups=in_channels, conventions=conventions),
            ConvBNAct(in_channels, half, conventions=conventions, activation=nn.ReLU),
        )
        self.branch2 = _branch2(in_channels, half, 2, conventions)

    def forward(self, x: Tensor) -> Tensor:
        return channel_shuffle(torch.cat([self.branch1(x), self.branch2(x)], dim=1), groups=2)


def _branch2(in_channels: int, channels: int, stride: int, conventions: Conventions) -> nn.Sequential:
    return chained(
        ConvBNAct(in_channels, channels, conventions=conventions, activation=nn.ReLU),
        ConvBNAct(channels, channels, 3, stride, groups=channels, conventions=conventions),
        ConvBNAct(channels, channels, conventions=conventions, activation=nn.ReLU),
    )


class ShuffleNet(nn.Module):
    """Images (N, 3, H, W) -> logits (N, num_classes).

    Args:
        repeated: what stages 2, 3 and 4 repeat after their strided unit.
        stem_stride: of the first convolution; at 1, for small images such as CIFAR's, the max pool goes, too.
    """

    def __init__(
        self,
        widths: Widths,
        num_classes: int,
        conventions: Conventions,
        *,
        repeated: Sequence[RepeatedUnit],
        stem_stride: int,
    ) -> None:
        super().__init__()
        self.conv1 = ConvBNAct(3, STEM, 3, stem_stride, conventions=conventions, activation=nn.ReLU)
        self.maxpool = nn.MaxPool2d(3, 2, padding=1) if stem_stride > 1 else nn.Identity()
        stages, in_channels = [], STEM
        for channels, repeats, unit in zip(widths[:3], REPEATS, repeated, strict=True):
            same = (unit(channels, conventions) for _ in range(repeats - 1))
            stages.append(nn.Sequential(StridedUnit(in_channels, channels, conventions), *same))
            in_channels = channels
        self.stage2, self.stage3, self.stage4 = stages
        self.conv5 = ConvBNAct(in_channels, widths.conv5, conventions=conventions, activation=nn.ReLU)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(widths.conv5, num_classes)
        init_weights(self)

    def features(self, x: Tensor) -> Tensor:
        """Images (N, 3, H, W) -> (N, conv5 channels, H / 32, W / 32)."""
        x = self.stage2(self.maxpool(self.conv1(x)))
        features: Tensor = self.conv5(self.stage4(self.stage3(x)))
        return features

    def head(self, x: Tensor) -> Tensor:
        logits: Tensor = self.fc(self.avgpool(x).flatten(1))
        return logits

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.features(x))


class ShuffleNetV2(ShuffleNet):
    """Images (N, 3, H, W) -> logits (N, num_classes)."""

    def __init__(
        self, widths: Widths, num_classes: int = 1000, *, conventions: Conventions = CONVENTIONS
    ) -> None:
        super().__init__(widths, num_classes, conventions, repeated=(Unit,) * 3, stem_stride=2)


shufflenetv2_x0_5 = partial(ShuffleNetV2, X0_5)
shufflenetv2_x1_0 = partial(ShuffleNetV2, X1_0)
shufflenetv2_x1_5 = partial(ShuffleNetV2, X1_5)
shufflenetv2_x2_0 = partial(ShuffleNetV2, X2_0)
