"""MobileNets: Efficient Convolutional Neural Networks for Mobile Vision Applications (arXiv:1704.04861).

As the authors released it: ReLU6 for the paper's ReLU, and stride 1 in the last depthwise convolution, for
which the paper's table prints 2 while its sizes stay at 7 x 7.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import NamedTuple

from torch import nn

from mobiledeploy.models.blocks import Classifier, ConvBNAct, init_weights
from mobiledeploy.models.facts.mobilenet_v1 import CONVENTIONS
from mobiledeploy.models.spec import Conventions

__all__ = ["MobileNetV1", "mobilenetv1"]


class Stage(NamedTuple):
    """Blocks of one width, each a depthwise and a pointwise row of table 1; the stride is the first's."""

    out_channels: int
    repeats: int
    stride: int


STEM = 32
STAGES = (
    #        c  n  s
    Stage(64, 1, 1),  # 112 x 112
    Stage(128, 2, 2),  # 56 x 56
    Stage(256, 2, 2),  # 28 x 28
    Stage(512, 6, 2),  # 14 x 14
    Stage(1024, 2, 2),  # 7 x 7
)


class MobileNetV1(Classifier):
    """Images (N, 3, H, W) -> logits (N, num_classes)."""

    def __init__(
        self, num_classes: int = 1000, width_mult: float = 1.0, *, conventions: Conventions = CONVENTIONS
    ) -> None:
        super().__init__()
        stem, last = _scaled(STEM, width_mult), _scaled(STAGES[-1].out_channels, width_mult)
        self.features = nn.Sequential(
            ConvBNAct(3, stem, 3, stride=2, conventions=conventions, activation=nn.ReLU6),
            *_blocks(stem, width_mult, conventions),
        )
        self.classifier = nn.Sequential(nn.Dropout(0.001), nn.Linear(last, num_classes))
        self.depths = tuple(stage.repeats for stage in STAGES)
        init_weights(self)


def _blocks(in_channels: int, width_mult: float, conventions: Conventions) -> Iterator[nn.Sequential]:
    layer = partial(ConvBNAct, conventions=conventions, activation=nn.ReLU6)
    for stage in STAGES:
        out_channels = _scaled(stage.out_channels, width_mult)
        for stride in (stage.stride, *[1] * (stage.repeats - 1)):
            yield nn.Sequential(
                layer(in_channels, in_channels, 3, stride, groups=in_channels),
                layer(in_channels, out_channels),
            )
            in_channels = out_channels


def _scaled(channels: int, width_mult: float) -> int:
    """The released code's rule: rounded down, at least 8. Not to multiples of 8, as later networks."""
    return max(8, int(channels * width_mult))


mobilenetv1 = MobileNetV1  # the paper's widths are 1, 0.75, 0.5 and 0.25
