"""What mobile networks are put together from. All of it is NCHW; weights are (out, in / groups, kh, kw)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812  # the name that everyone gives it

from mobiledeploy.models.spec import Conventions

__all__ = [
    "Activation",
    "Bottleneck",
    "ConvBNAct",
    "SqueezeExcite",
    "batch_norm",
    "convolution",
    "init_weights",
    "inverted_residual",
    "round_channels",
]

Activation = Callable[[], nn.Module]


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


def convolution(
    in_channels: int,
    out_channels: int,
    kernel: int = 1,
    stride: int = 1,
    groups: int = 1,
    *,
    conventions: Conventions,
) -> nn.Conv2d:
    """A convolution without bias to ceil(size / stride) outputs, padded as the conventions say."""
    if conventions.padding == "same" and stride > 1:  # at stride 1, and an odd kernel, both are one thing
        return SameConv2d(in_channels, out_channels, kernel, stride, groups=groups, bias=False)
    padding = (kernel - 1) // 2
    return nn.Conv2d(in_channels, out_channels, kernel, stride, padding, groups=groups, bias=False)


def batch_norm(channels: int, conventions: Conventions) -> nn.BatchNorm2d:
    """A batch norm with the eps and momentum of the conventions."""
    return nn.BatchNorm2d(channels, conventions.norm_eps, conventions.norm_momentum)


class ConvBNAct(nn.Sequential):
    """Convolution without bias, batch norm, activation, as entries 0, 1 and 2."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel: int = 1,
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


class SqueezeExcite(nn.Module):
    """Channel gate: x * hardsigmoid(fc2(relu(fc1(spatial mean of x)))).

    Squeeze-and-Excitation Networks, arXiv:1709.01507; the hard sigmoid for a sigmoid is MobileNetV3's.
    """

    def __init__(self, channels: int, squeezed: int) -> None:
        super().__init__()
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc1 = nn.Conv2d(channels, squeezed, 1)
        self.fc2 = nn.Conv2d(squeezed, channels, 1)
        self.activation = nn.ReLU()
        self.scale_activation = nn.Hardsigmoid()

    def forward(self, x: Tensor) -> Tensor:
        gate: Tensor = self.scale_activation(self.fc2(self.activation(self.fc1(self.avgpool(x)))))
        return gate * x


@dataclass(frozen=True)
class Bottleneck:
    """Widths and kinds of one inverted residual block, with all scaling done.

    Attributes:
        expanded: channels of the depthwise convolution; equal to `in_channels`, there is no expansion.
        squeezed: inner channels of the squeeze-excite gate; 0 for none.
    """

    in_channels: int
    expanded: int
    out_channels: int
    kernel: int
    stride: int
    activation: Activation
    squeezed: int = 0

    @property
    def has_shortcut(self) -> bool:
        """The input is added to the output when both have one shape."""
        return self.stride == 1 and self.in_channels == self.out_channels


def inverted_residual(shape: Bottleneck, conventions: Conventions) -> list[nn.Sequential | SqueezeExcite]:
    """Layers of an inverted residual: [1x1 expand], kxk depthwise, [squeeze-excite], linear 1x1 project.

    A list, because checkpoints name the same layers differently: the caller arranges them under its own keys
    and adds the shortcut (MobileNetV2, arXiv:1801.04381, figure 3; MobileNetV3, arXiv:1905.02244, figure 4).
    """
    wide, act = shape.expanded, shape.activation
    layers: list[nn.Sequential | SqueezeExcite] = []
    if wide != shape.in_channels:
        layers.append(ConvBNAct(shape.in_channels, wide, conventions=conventions, activation=act))
    layers.append(
        ConvBNAct(wide, wide, shape.kernel, shape.stride, wide, conventions=conventions, activation=act)
    )
    if shape.squeezed:
        layers.append(SqueezeExcite(wide, shape.squeezed))
    layers.append(ConvBNAct(wide, shape.out_channels, conventions=conventions))
    return layers


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
