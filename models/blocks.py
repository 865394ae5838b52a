"""What mobile networks are put together from. All of it is NCHW; weights are (out, in / groups, kh, kw)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import groupby, islice
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812  # the name that everyone gives it

from mobiledeploy.models.spec import Conventions

__all__ = [
    "Activation",
    "Bottleneck",
    "Classifier",
    "ConvBNAct",
    "Kernels",
    "Layers",
    "MixConv",
    "Partition",
    "Residual",
    "SqueezeExcite",
    "batch_norm",
    "chained",
    "channel_shuffle",
    "convolution",
    "init_weights",
    "inverted_residual",
    "round_channels",
    "stage_depths",
]

Activation = Callable[[], nn.Module]
Partition = Literal["equal", "exponential"]


def round_channels(channels: float) -> int:
    """Nearest multiple of 8, at least 8, never more than 10% below: how V2 and later round widths."""
    rounded = max(8, int(channels + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * channels else rounded


class SameConv2d(nn.Conv2d):
    """A convolution padded as TensorFlow's SAME: ceil(size / stride) outputs, odd rows and columns last.

    https://www.tensorflow.org/api_docs/python/tf/nn#notes_on_padding_2
    """

    def forward(self, x: Tensor) -> Tensor:
        amounts: list[int] = []  # left, right, top, bottom
        for axis in (1, 0):
            size, kernel, stride = x.shape[2 + axis], self.kernel_size[axis], self.stride[axis]
            total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
            amounts += [total // 2, total - total // 2]
        return super().forward(F.pad(x, amounts))


@dataclass(frozen=True)
class Kernels:
    """Kernel sizes of a MixConv, and how it deals out channels to them (arXiv:1907.09595, section 3.2)."""

    sizes: tuple[int, ...]
    partition: Partition = "equal"

    def parts(self, channels: int) -> list[int]:
        """Channels for each size: equal shares, or a half, a quarter, an eighth ... and once more the last.

        What does not divide goes to the first share, in both.
        """
        count = len(self.sizes)
        if self.partition == "equal":
            shares = [channels // count] * count
        else:
            shares = [channels >> min(i, count - 1) for i in range(1, count + 1)]
        shares[0] += channels - sum(shares)
        return shares


def convolution(
    in_channels: int,
    out_channels: int,
    kernel: int | Kernels = 1,
    stride: int = 1,
    groups: int = 1,
    *,
    conventions: Conventions,
) -> nn.Module:
    """A convolution without bias to ceil(size / stride) outputs, padded as the conventions say."""
    if isinstance(kernel, Kernels):
        depthwise = groups == in_channels
        return MixConv(in_channels, out_channels, kernel, stride, depthwise, conventions=conventions)
    if conventions.padding == "same" and stride > 1:  # at stride 1, and an odd kernel, both are one thing
        return SameConv2d(in_channels, out_channels, kernel, stride, groups=groups, bias=False)
    padding = (kernel - 1) // 2
    return nn.Conv2d(in_channels, out_channels, kernel, stride, padding, groups=groups, bias=False)


class MixConv(nn.ModuleList):
    """Each share of the channels through a kernel of its own, the outputs side by side (arXiv:1907.09595).

    Depthwise, or each share as one dense group: two kernels of size 1 are a 1x1 convolution in two groups.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernels: Kernels,
        stride: int = 1,
        depthwise: bool = True,
        *,
        conventions: Conventions,
    ) -> None:
        shares = kernels.parts(in_channels)
        shapes = zip(shares, kernels.parts(out_channels), kernels.sizes, strict=True)
        super().__init__(
            convolution(inner, outer, size, stride, inner if depthwise else 1, conventions=conventions)
            for inner, outer, size in shapes
        )
        self.shares = shares

    def forward(self, x: Tensor) -> Tensor:
        parts = torch.split(x, self.shares, dim=1)
        return torch.cat([conv(part) for conv, part in zip(self, parts, strict=True)], dim=1)


def batch_norm(channels: int, conventions: Conventions) -> nn.BatchNorm2d:
    """A batch norm with the eps and momentum of the conventions."""
    return nn.BatchNorm2d(channels, conventions.norm_eps, conventions.norm_momentum)


class ConvBNAct(nn.Sequential):
    """Convolution without bias, batch norm, activation, as entries 0, 1 and 2."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel: int | Kernels = 1,
        stride: int = 1,
        groups: int = 1,
        *,
        conventions: Conventions,
        activation: Activation | None = None,
    ) -> None:
        layers = [
            convolution(in_channels, out_channels, kernel, stride, groups, conventions=conventions),
            batch_norm(out_channels, conventions),
        ]
        super().__init__(*layers, *([activation()] if activation else []))


def chained(*blocks: nn.Sequential) -> nn.Sequential:
    """One sequence of the layers of several, for keys that number them through."""
    return nn.Sequential(*(layer for block in blocks for layer in block))


def channel_shuffle(x: Tensor, groups: int) -> Tensor:
    """Read the channels (N, C, H, W) as (groups, C / groups) column by column (ShuffleNet, arXiv:1707.01083).

    Output channel i * groups + j is input channel j * C / groups + i. The inverse is a shuffle by C / groups.
    """
    n, channels, height, width = x.shape
    x = x.reshape(n, groups, channels // groups, height, width).transpose(1, 2)
    return x.reshape(n, channels, height, width)


class SqueezeExcite(nn.Module):
    """Channel gate: x * gate(fc2(activation(fc1(spatial mean of x)))).

    Squeeze-and-Excitation Networks, arXiv:1709.01507, with ReLU and a sigmoid; MobileNetV3 has a hard sigmoid
    for the sigmoid, MixNet swish for ReLU.
    """

    def __init__(
        self,
        channels: int,
        squeezed: int,
        activation: Activation = nn.ReLU,
        gate: Activation = nn.Sigmoid,
    ) -> None:
        super().__init__()
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc1 = nn.Conv2d(channels, squeezed, 1)
        self.fc2 = nn.Conv2d(squeezed, channels, 1)
        self.activation = activation()
        self.scale_activation = gate()

    def forward(self, x: Tensor) -> Tensor:
        gate: Tensor = self.scale_activation(self.fc2(self.activation(self.fc1(self.avgpool(x)))))
        return gate * x


@dataclass(frozen=True)
class Bottleneck:
    """Widths and kinds of one inverted residual block, with all scaling done.

    Attributes:
        expanded: channels of the depthwise convolution; equal to `in_channels`, there is no expansion.
        kernel: of the depthwise convolution.
        squeezed: inner channels of the squeeze-excite gate; 0 for none.
        squeeze_activation: in that gate.
        gate: at the end of that gate.
        expand, project: kernels of the 1x1 convolutions; several are groups.
    """

    in_channels: int
    expanded: int
    out_channels: int
    kernel: int | Kernels
    stride: int
    activation: Activation
    squeezed: int = 0
    squeeze_activation: Activation = nn.ReLU
    gate: Activation = nn.Sigmoid
    expand: int | Kernels = 1
    project: int | Kernels = 1

    @property
    def has_shortcut(self) -> bool:
        """The input is added to the output when both have one shape."""
        return self.stride == 1 and self.in_channels == self.out_channels


Layers = list[nn.Sequential | SqueezeExcite]


def inverted_residual(shape: Bottleneck, conventions: Conventions) -> Layers:
    """Layers of an inverted residual: [1x1 expand], kxk depthwise, [squeeze-excite], linear 1x1 project.

    A list, because checkpoints name the same layers differently: the caller arranges them under its own keys
    (MobileNetV2, arXiv:1801.04381, figure 3; MobileNetV3, arXiv:1905.02244, figure 4).
    """
    wide, act = shape.expanded, shape.activation
    layers: Layers = []
    if wide != shape.in_channels:
        layers.append(
            ConvBNAct(shape.in_channels, wide, shape.expand, conventions=conventions, activation=act)
        )
    layers.append(
        ConvBNAct(wide, wide, shape.kernel, shape.stride, wide, conventions=conventions, activation=act)
    )
    if shape.squeezed:
        layers.append(SqueezeExcite(wide, shape.squeezed, shape.squeeze_activation, shape.gate))
    layers.append(ConvBNAct(wide, shape.out_channels, shape.project, conventions=conventions))
    return layers


class Residual(nn.Module):
    """(N, in, H, W) -> (N, out, H / stride, W / stride): an inverted residual, shortcut included.

    Args:
        key: what the layers stand under in the state_dict.
        arranged: gives the layers the order and depth that they have there.
    """

    def __init__(
        self,
        key: str,
        shape: Bottleneck,
        conventions: Conventions,
        arranged: Callable[[Layers], Iterable[nn.Module]] = iter,
    ) -> None:
        super().__init__()
        self.key, self.has_shortcut = key, shape.has_shortcut
        self.add_module(key, nn.Sequential(*arranged(inverted_residual(shape, conventions))))

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.get_submodule(self.key)(x)
        return x + y if self.has_shortcut else y


class Classifier(nn.Module):
    """Images (N, 3, H, W) -> logits (N, num_classes): `features`, and on their spatial mean the `classifier`.

    Attributes:
        features: stem, blocks and, where there is one, the last convolution.
        depths: number of blocks in each stage.
    """

    features: nn.Sequential
    classifier: nn.Sequential
    depths: tuple[int, ...]

    def head(self, x: Tensor) -> Tensor:
        """Features (N, C, h, w) -> logits (N, num_classes)."""
        logits: Tensor = self.classifier(F.adaptive_avg_pool2d(x, 1).flatten(1))
        return logits

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.features(x))

    def stages(self) -> list[list[nn.Module]]:
        """The blocks, stage by stage, without stem and last convolution."""
        blocks = islice(self.features, 1, None)
        return [list(islice(blocks, depth)) for depth in self.depths]


def stage_depths(out_channels: Iterable[int]) -> tuple[int, ...]:
    """Lengths of the runs of blocks of one width. Of the unscaled table: rounded widths may coincide."""
    return tuple(len(list(run)) for _, run in groupby(out_channels))


def init_weights(network: nn.Module) -> None:
    """Draw initial weights: Kaiming over the fan out for convolutions, N(0, 0.01) for linear layers.

    Biases are zero, batch norms start as the identity. All of it is drawn from torch's global generator.
    """
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out")
        elif isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, 0, 0.01)
        if isinstance(module, nn.Conv2d | nn.Linear) and module.bias is not None:
            nn.init.zeros_(module.bias)
