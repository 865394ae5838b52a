"""MixConv: Mixed Depthwise Convolutional Kernels (arXiv:1907.09595): MixNet-S, -M and -L.

As the authors released them: grouped 1x1 convolutions are lists of convolutions, and a gate's inner width is
a share of the block's input.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import NamedTuple

from torch import nn

from mobiledeploy.models.blocks import (
    Activation,
    Bottleneck,
    Classifier,
    ConvBNAct,
    Kernels,
    Partition,
    Residual,
    init_weights,
    round_channels,
    stage_depths,
)
from mobiledeploy.models.facts.mixnet import CONVENTIONS
from mobiledeploy.models.spec import Conventions

__all__ = ["MixNet", "mixnet_l", "mixnet_m", "mixnet_s"]

RE, SW = nn.ReLU, nn.SiLU


class Row(NamedTuple):
    """Blocks of one kind; the stride is that of the first."""

    kernels: tuple[int, ...]
    expansion: int
    expand_groups: int
    project_groups: int
    out_channels: int
    squeeze_ratio: float  # of the block's input
    activation: Activation
    repeats: int
    stride: int


class Table(NamedTuple):
    """One of the paper's networks."""

    stem: int
    rows: tuple[Row, ...]
    dropout: float
    width_mult: float = 1.0


LAST = 1536

S = Table(
    stem=16,
    rows=(
        #   kernels        t  e  p    c    SE  act n  s
        Row((3,), 1, 1, 1, 16, 0, RE, 1, 1),  # 112 x 112
        Row((3,), 6, 2, 2, 24, 0, RE, 1, 2),  # 56 x 56
        Row((3,), 3, 2, 2, 24, 0, RE, 1, 1),
        Row((3, 5, 7), 6, 1, 1, 40, 0.5, SW, 1, 2),  # 28 x 28
        Row((3, 5), 6, 2, 2, 40, 0.5, SW, 3, 1),
        Row((3, 5, 7), 6, 1, 2, 80, 0.25, SW, 1, 2),  # 14 x 14
        Row((3, 5), 6, 1, 2, 80, 0.25, SW, 2, 1),
        Row((3, 5, 7), 6, 2, 2, 120, 0.5, SW, 1, 1),
        Row((3, 5, 7, 9), 3, 2, 2, 120, 0.5, SW, 2, 1),
        Row((3, 5, 7, 9, 11), 6, 1, 1, 200, 0.5, SW, 1, 2),  # 7 x 7
        Row((3, 5, 7, 9), 6, 1, 2, 200, 0.5, SW, 2, 1),
    ),
    dropout=0.2,
)

M = Table(
    stem=24,
    rows=(
        #   kernels     t  e  p    c    SE  act n  s
        Row((3,), 1, 1, 1, 24, 0, RE, 1, 1),  # 112 x 112
        Row((3, 5, 7), 6, 2, 2, 32, 0, RE, 1, 2),  # 56 x 56
        Row((3,), 3, 2, 2, 32, 0, RE, 1, 1),
        Row((3, 5, 7, 9), 6, 1, 1, 40, 0.5, SW, 1, 2),  # 28 x 28
        Row((3, 5), 6, 2, 2, 40, 0.5, SW, 3, 1),
        Row((3, 5, 7), 6, 1, 1, 80, 0.25, SW, 1, 2),  # 14 x 14
        Row((3, 5, 7, 9), 6, 2, 2, 80, 0.25, SW, 3, 1),
        Row((3,), 6, 1, 1, 120, 0.5, SW, 1, 1),
        Row((3, 5, 7, 9), 3, 2, 2, 120, 0.5, SW, 3, 1),
        Row((3, 5, 7, 9), 6, 1, 1, 200, 0.5, SW, 1, 2),  # 7 x 7
        Row((3, 5, 7, 9), 6, 1, 2, 200, 0.5, SW, 3, 1),
    ),
    dropout=0.25,
)

L = M._replace(width_mult=1.3)


class MixNet(Classifier):
    """Images (N, 3, H, W) -> logits (N, num_classes). The last convolution is not scaled."""

    def __init__(
        self,
        table: Table,
        num_classes: int = 1000,
        partition: Partition = "equal",
        *,
        conventions: Conventions = CONVENTIONS,
    ) -> None:
        super().__init__()
        stem = round_channels(table.stem * table.width_mult)
        bottlenecks = list(_bottlenecks(table, stem, partition))
        self.features = nn.Sequential(
            ConvBNAct(3, stem, 3, stride=2, conventions=conventions, activation=RE),
            *(Residual("block", shape, conventions) for shape in bottlenecks),
            ConvBNAct(bottlenecks[-1].out_channels, LAST, conventions=conventions, activation=RE),
        )
        self.classifier = nn.Sequential(nn.Dropout(table.dropout), nn.Linear(LAST, num_classes))
        self.depths = stage_depths(row.out_channels for row in table.rows for _ in range(row.repeats))
        init_weights(self)


def _bottlenecks(table: Table, in_channels: int, partition: Partition) -> Iterator[Bottleneck]:
    for row in table.rows:
        out_channels = round_channels(row.out_channels * table.width_mult)
        for stride in (row.stride, *[1] * (row.repeats - 1)):
            yield Bottleneck(
                in_channels,
                in_channels * row.expansion,
                out_channels,
                _kernels(row.kernels, partition),
                stride,
                row.activation,
                squeezed=int(in_channels * row.squeeze_ratio),
                squeeze_activation=row.activation,
                expand=_kernels((1,) * row.expand_groups),
                project=_kernels((1,) * row.project_groups),
            )
            in_channels = out_channels


def _kernels(sizes: tuple[int, ...], partition: Partition = "equal") -> int | Kernels:
    return Kernels(sizes, partition) if len(sizes) > 1 else sizes[0]


# The published weights are of the equal partition.
mixnet_s = partial(MixNet, S)
mixnet_m = partial(MixNet, M)
mixnet_l = partial(MixNet, L)
