"""AugShuffleNet: Improve ShuffleNetV2 via More Information Communication (arXiv:2203.06589).

ShuffleNetV2 with other widths, whose stages 3 and 4 repeat augmented units. torchvision's keys for all that
both networks share.
"""

from __future__ import annotations

from functools import partial
from math import floor

import torch
from torch import Tensor, nn

from mobiledeploy.base.errors import InputError
from mobiledeploy.models.blocks import ConvBNAct, chained, channel_shuffle
from mobiledeploy.models.classification.shufflenet_v2 import RepeatedUnit, ShuffleNet, Unit, Widths
from mobiledeploy.models.facts.augshufflenet import CONVENTIONS
from mobiledeploy.models.spec import Conventions

__all__ = ["AugShuffleNet", "AugmentedUnit", "augshufflenet_x0_5", "augshufflenet_x1_0", "augshufflenet_x1_5"]

X0_5 = Widths(48, 96, 192, 1024)
X1_0 = Widths(120, 240, 480, 1024)  # ShuffleNetV2's 232 and 464 have no whole 3/8
X1_5 = Widths(176, 352, 704, 1024)


class AugmentedUnit(nn.Module):
    """(N, C, H, W) -> (N, C, H, W) that computes on C * split ratio channels and stores the others.

    The stored ones are two halves, of which one is mixed with what was computed and the other passes.
    """

    def __init__(self, channels: int, conventions: Conventions, *, computed: int) -> None:
        super().__init__()
        stored = (channels - computed) // 2
        self.split = [computed, stored, stored]
        self.branch2 = chained(
            ConvBNAct(computed, computed, conventions=conventions),
            ConvBNAct(computed, computed, 3, groups=computed, conventions=conventions),
        )
        self.mix = ConvBNAct(channels // 2, channels // 2, conventions=conventions, activation=nn.ReLU)

    def forward(self, x: Tensor) -> Tensor:
        x, mixed, passed = torch.split(x, self.split, dim=1)
        # Channel crossover: half of what was computed changes places with what was stored.
        kept, crossing = self.branch2(x).chunk(2, dim=1)
        y = self.mix(torch.cat([crossing, mixed], dim=1))
        return channel_shuffle(torch.cat([y, passed, kept], dim=1), groups=4)


class AugShuffleNet(ShuffleNet):
    """Images (N, 3, H, W) -> logits (N, num_classes).

    Args:
        split_ratio: share of the channels that augmented units compute on, less than 1/2.
        stem_stride: as in `ShuffleNet`; 1 is the paper's form for CIFAR.

    Raises:
        InputError: a ratio that does not give a stage an even number of channels.
    """

    def __init__(
        self,
        widths: Widths,
        num_classes: int = 1000,
        split_ratio: float = 3 / 8,
        stem_stride: int = 2,
        *,
        conventions: Conventions = CONVENTIONS,
    ) -> None:
        units: list[RepeatedUnit] = [Unit]
        for stage, channels in ((3, widths.stage3), (4, widths.stage4)):
            units.append(partial(AugmentedUnit, computed=_computed(stage, channels, split_ratio)))
        super().__init__(widths, num_classes, conventions, repeated=units, stem_stride=stem_stride)


def _computed(stage: int, channels: int, split_ratio: float) -> int:
    """How many of a stage's channels its units compute on: an even number, as half of them cross over."""
    asked = split_ratio * channels
    most = 2 * ((channels // 2 - 1) // 2)  # even, and less than half
    computed = 2 * round(asked / 2)
    if abs(asked - computed) > 0.01 or not 0 < computed <= most:  # a ratio may be a rounded decimal
        below = min(max(2 * floor(asked / 2), 2), most)
        nearest = {below, min(below + 2, most)}
        raise InputError(
            f"split_ratio {split_ratio:g} gives {asked:g} of the {channels} channels of stage {stage}, "
            "expected an even number less than half; "
            f"pass {' or '.join(f'{count / channels:g}' for count in sorted(nearest))}"
        )
    return computed


augshufflenet_x0_5 = partial(AugShuffleNet, X0_5)
augshufflenet_x1_0 = partial(AugShuffleNet, X1_0)
augshufflenet_x1_5 = partial(AugShuffleNet, X1_5)
