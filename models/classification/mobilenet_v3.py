"""Searching for MobileNetV3 (arXiv:1905.02244): Large and Small, with torchvision's keys.

Width multipliers follow the authors' released code: an expansion is its ratio in the table times the block's
scaled input, and stem and head are never made narrower. torchvision's `width_mult` scales the table's
expansions and the head instead, which gives networks that no published checkpoint has (Large 0.75: 3.38 M
parameters there, 3.99 M here and in the paper).
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
    Residual,
    init_weights,
    round_channels,
    stage_depths,
)
from mobiledeploy.models.facts.mobilenet_v3 import CONVENTIONS, MINIMALISTIC_CONVENTIONS
from mobiledeploy.models.spec import Conventions

__all__ = [
    "MobileNetV3",
    "mobilenetv3_large",
    "mobilenetv3_large_minimalistic",
    "mobilenetv3_small",
    "mobilenetv3_small_minimalistic",
]

HS, RE = nn.Hardswish, nn.ReLU


class Row(NamedTuple):
    """A "bneck" row of tables 1 and 2."""

    kernel: int
    expanded: int
    out_channels: int
    squeeze_excite: bool
    activation: Activation
    stride: int


class Table(NamedTuple):
    """One of the paper's two networks; the last convolution is 6 times the last row, in both."""

    stem: int
    rows: tuple[Row, ...]
    head: int
    activation: Activation = HS


LARGE = Table(
    stem=16,  # 112 x 112
    rows=(
        #   k  exp  out  SE     NL  s
        Row(3, 16, 16, False, RE, 1),
        Row(3, 64, 24, False, RE, 2),  # 56 x 56
        Row(3, 72, 24, False, RE, 1),
        Row(5, 72, 40, True, RE, 2),  # 28 x 28
        Row(5, 120, 40, True, RE, 1),
        Row(5, 120, 40, True, RE, 1),
        Row(3, 240, 80, False, HS, 2),  # 14 x 14
        Row(3, 200, 80, False, HS, 1),
        Row(3, 184, 80, False, HS, 1),
        Row(3, 184, 80, False, HS, 1),
        Row(3, 480, 112, True, HS, 1),
        Row(3, 672, 112, True, HS, 1),
        Row(5, 672, 160, True, HS, 2),  # 7 x 7
        Row(5, 960, 160, True, HS, 1),
        Row(5, 960, 160, True, HS, 1),
    ),
    head=1280,
)

SMALL = Table(
    stem=16,  # 112 x 112
    rows=(
        #   k  exp  out  SE    NL  s
        Row(3, 16, 16, True, RE, 2),  # 56 x 56
        Row(3, 72, 24, False, RE, 2),  # 28 x 28
        Row(3, 88, 24, False, RE, 1),
        Row(5, 96, 40, True, HS, 2),  # 14 x 14
        Row(5, 240, 40, True, HS, 1),
        Row(5, 240, 40, True, HS, 1),
        Row(5, 120, 48, True, HS, 1),
        Row(5, 144, 48, True, HS, 1),
        Row(5, 288, 96, True, HS, 2),  # 7 x 7
        Row(5, 576, 96, True, HS, 1),
        Row(5, 576, 96, True, HS, 1),
    ),
    head=1024,
)


def _minimalistic(table: Table) -> Table:
    """The released code's variant for plain hardware: 3x3 kernels, ReLU and no squeeze-excite throughout."""
    rows = (row._replace(kernel=3, squeeze_excite=False, activation=RE) for row in table.rows)
    return table._replace(rows=tuple(rows), activation=RE)


class MobileNetV3(Classifier):
    """Images (N, 3, H, W) -> logits (N, num_classes)."""

    def __init__(
        self,
        table: Table,
        num_classes: int = 1000,
        width_mult: float = 1.0,
        *,
        conventions: Conventions = CONVENTIONS,
    ) -> None:
        super().__init__()
        act = table.activation
        stem = round_channels(table.stem * max(1.0, width_mult))
        head = round_channels(table.head * max(1.0, width_mult))
        bottlenecks = list(_bottlenecks(table, stem, width_mult))
        narrow = bottlenecks[-1].out_channels
        last = 6 * narrow
        self.features = nn.Sequential(
            ConvBNAct(3, stem, 3, stride=2, conventions=conventions, activation=act),
            *(Residual("block", shape, conventions) for shape in bottlenecks),
            ConvBNAct(narrow, last, conventions=conventions, activation=act),
        )
        self.classifier = nn.Sequential(
            nn.Linear(last, head), act(), nn.Dropout(0.2), nn.Linear(head, num_classes)
        )
        self.depths = stage_depths(row.out_channels for row in table.rows)
        init_weights(self)


def _bottlenecks(table: Table, in_channels: int, width_mult: float) -> Iterator[Bottleneck]:
    unscaled_in = table.stem
    for row in table.rows:
        out_channels = round_channels(row.out_channels * width_mult)
        expanded = round_channels(row.expanded * in_channels / unscaled_in)
        squeezed = round_channels(expanded / 4) if row.squeeze_excite else 0
        main = in_channels, expanded, out_channels, row.kernel, row.stride, row.activation
        yield Bottleneck(*main, squeezed, gate=nn.Hardsigmoid)
        in_channels, unscaled_in = out_channels, row.out_channels


# The paper's widths are 0.35 to 1.25.
mobilenetv3_large = partial(MobileNetV3, LARGE)
mobilenetv3_small = partial(MobileNetV3, SMALL)
mobilenetv3_large_minimalistic = partial(
    MobileNetV3, _minimalistic(LARGE), conventions=MINIMALISTIC_CONVENTIONS
)
mobilenetv3_small_minimalistic = partial(
    MobileNetV3, _minimalistic(SMALL), conventions=MINIMALISTIC_CONVENTIONS
)
