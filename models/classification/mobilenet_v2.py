"""MobileNetV2: Inverted Residuals and Linear Bottlenecks (arXiv:1801.04381), with torchvision's keys."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from torch import nn

from mobiledeploy.models.blocks import (
    Bottleneck,
    Classifier,
    ConvBNAct,
    Layers,
    Residual,
    init_weights,
    round_channels,
)
from mobiledeploy.models.facts.mobilenet_v2 import CONVENTIONS
from mobiledeploy.models.spec import Conventions

__all__ = ["MobileNetV2", "mobilenetv2"]


class Stage(NamedTuple):
    """A row of table 2; the stride is that of the stage's first block."""

    expansion: int
    out_channels: int
    repeats: int
    stride: int


STEM, LAST = 32, 1280
STAGES = (
    #     t    c  n  s
    Stage(1, 16, 1, 1),  # 112 x 112
    Stage(6, 24, 2, 2),  # 56 x 56
    Stage(6, 32, 3, 2),  # 28 x 28
    Stage(6, 64, 4, 2),  # 14 x 14
    Stage(6, 96, 3, 1),
    Stage(6, 160, 3, 2),  # 7 x 7
    Stage(6, 320, 1, 1),
)


class MobileNetV2(Classifier):
    """Images (N, 3, H, W) -> logits (N, num_classes).

    The last convolution is widened above width 1 and keeps its 1280 channels below, as the paper has it.
    """

    def __init__(
        self, num_classes: int = 1000, width_mult: float = 1.0, *, conventions: Conventions = CONVENTIONS
    ) -> None:
        super().__init__()
        stem = round_channels(STEM * width_mult)
        last = round_channels(LAST * max(1.0, width_mult))
        bottlenecks = list(_bottlenecks(stem, width_mult))
        self.features = nn.Sequential(
            ConvBNAct(3, stem, 3, stride=2, conventions=conventions, activation=nn.ReLU6),
            *(Residual("conv", shape, conventions, _flat_end) for shape in bottlenecks),
            ConvBNAct(bottlenecks[-1].out_channels, last, conventions=conventions, activation=nn.ReLU6),
        )
        self.classifier = nn.Sequential(nn.Dropout(0.2), nn.Linear(last, num_classes))
        self.depths = tuple(stage.repeats for stage in STAGES)
        init_weights(self)


def _flat_end(layers: Layers) -> list[nn.Module]:
    """torchvision's keys have the projection's convolution and batch norm beside the other layers."""
    *layers, project = layers
    return [*layers, *project.children()]


def _bottlenecks(in_channels: int, width_mult: float) -> Iterator[Bottleneck]:
    for stage in STAGES:
        out_channels = round_channels(stage.out_channels * width_mult)
        for stride in (stage.stride, *[1] * (stage.repeats - 1)):
            yield Bottleneck(in_channels, in_channels * stage.expansion, out_channels, 3, stride, nn.ReLU6)
            in_channels = out_channels


mobilenetv2 = MobileNetV2  # the paper's widths are 0.35 to 1.4
