"""MnasNet: Platform-Aware Neural Architecture Search for Mobile (arXiv:1807.11626): A1 and B1.

The keys are those of torchvision's `mnasnet1_0`, which is B1; A1 has its gates beside the other layers.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial
from typing import NamedTuple

from torch import nn

from mobiledeploy.models.blocks import (
    Bottleneck,
    Classifier,
    ConvBNAct,
    Residual,
    init_weights,
    inverted_residual,
    round_channels,
)
from mobiledeploy.models.facts.mnasnet import A1_CONVENTIONS, B1_CONVENTIONS
from mobiledeploy.models.spec import Conventions

__all__ = ["MnasNet", "mnasnet_a1", "mnasnet_b1"]


class Stage(NamedTuple):
    """A row of figure 7; the stride is that of the stage's first block."""

    kernel: int
    expansion: int
    out_channels: int
    squeeze_ratio: float  # of the block's input
    repeats: int
    stride: int


STEM, LAST = 32, 1280

A1 = (
    #     k  t    c    SE  n  s
    Stage(3, 1, 16, 0, 1, 1),  # 112 x 112
    Stage(3, 6, 24, 0, 2, 2),  # 56 x 56
    Stage(5, 3, 40, 0.25, 3, 2),  # 28 x 28
    Stage(3, 6, 80, 0, 4, 2),  # 14 x 14
    Stage(3, 6, 112, 0.25, 2, 1),
    Stage(5, 6, 160, 0.25, 3, 2),  # 7 x 7
    Stage(3, 6, 320, 0, 1, 1),
)

B1 = (
    #     k  t    c SE  n  s
    Stage(3, 1, 16, 0, 1, 1),  # 112 x 112
    Stage(3, 3, 24, 0, 3, 2),  # 56 x 56
    Stage(5, 3, 40, 0, 3, 2),  # 28 x 28
    Stage(5, 6, 80, 0, 3, 2),  # 14 x 14
    Stage(3, 6, 96, 0, 2, 1),
    Stage(5, 6, 192, 0, 4, 2),  # 7 x 7
    Stage(3, 6, 320, 0, 1, 1),
)


class MnasNet(Classifier):
    """Images (N, 3, H, W) -> logits (N, num_classes). The last convolution is not scaled."""

    def __init__(
        self,
        table: tuple[Stage, ...],
        num_classes: int = 1000,
        width_mult: float = 1.0,
        *,
        conventions: Conventions,
    ) -> None:
        super().__init__()
        stem = round_channels(STEM * width_mult)
        (first,), *stages = _bottlenecks(table, stem, width_mult)
        narrow = stages[-1][-1].out_channels
        # torchvision's keys: stem, first stage and last convolution lie flat between the other stages.
        self.layers = nn.Sequential(
            *ConvBNAct(3, stem, 3, stride=2, conventions=conventions, activation=nn.ReLU),
            *_flat(inverted_residual(first, conventions)),
            *(
                nn.Sequential(*(Residual("layers", shape, conventions, _flat) for shape in stage))
                for stage in stages
            ),
            *ConvBNAct(narrow, LAST, conventions=conventions, activation=nn.ReLU),
        )
        self.classifier = nn.Sequential(nn.Dropout(0.2), nn.Linear(LAST, num_classes))
        init_weights(self)

    @property
    def features(self) -> nn.Sequential:  # type: ignore[override]  # the key of torchvision is another
        return self.layers

    def stages(self) -> list[list[nn.Module]]:
        """The blocks, stage by stage, without stem and last convolution."""
        return [
            [self.layers[3:8]],
            *(list(stage) for stage in self.layers if isinstance(stage, nn.Sequential)),
        ]


def _bottlenecks(table: tuple[Stage, ...], in_channels: int, width_mult: float) -> Iterator[list[Bottleneck]]:
    for stage in table:
        out_channels = round_channels(stage.out_channels * width_mult)
        blocks = []
        for stride in (stage.stride, *[1] * (stage.repeats - 1)):
            expanded, squeezed = in_channels * stage.expansion, int(in_channels * stage.squeeze_ratio)
            blocks.append(
                Bottleneck(in_channels, expanded, out_channels, stage.kernel, stride, nn.ReLU, squeezed)
            )
            in_channels = out_channels
        yield blocks


def _flat(layers: Iterable[nn.Module]) -> Iterator[nn.Module]:
    """Convolution, batch norm and activation each as a layer of its own; a gate stays whole."""
    for layer in layers:
        yield from layer if isinstance(layer, nn.Sequential) else [layer]


# Found with squeeze-excite in the search space; the authors' widths are 0.35 to 1.4.
mnasnet_a1 = partial(MnasNet, A1, conventions=A1_CONVENTIONS)
# Found without; torchvision's widths are 0.5 to 1.3.
mnasnet_b1 = partial(MnasNet, B1, conventions=B1_CONVENTIONS)
