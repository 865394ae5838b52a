"""Networks that are exported within a second, as a user would hand them in: tiny_networks.py:FACTORY."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from mobiledeploy.inputs.preprocessing import Preprocessing


class SqueezeExcite(nn.Module):
    """What MobileNetV3 is made of: h-swish, a squeeze-excite block, a residual sum, a linear head."""

    input_size = (32, 32)
    preprocessing = Preprocessing(36, "bilinear", (0.5, 0.5, 0.5), (0.25, 0.25, 0.25))

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1, bias=False), nn.BatchNorm2d(8), nn.Hardswish())
        self.squeeze = nn.Conv2d(8, 8, 1)
        self.excite = nn.Conv2d(8, 8, 1)
        self.project = nn.Conv2d(8, 8, 1)
        self.head = nn.Linear(8, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        gate = nn.functional.hardsigmoid(
            self.excite(self.squeeze(nn.functional.adaptive_avg_pool2d(x, 1)).relu())
        )
        x = x + self.project(x * gate)
        logits: Tensor = self.head(x.mean((2, 3)))
        return logits


def squeeze_excite(num_classes: int = 10) -> nn.Module:
    """Takes --num-classes."""
    return SqueezeExcite(num_classes)


class TwoHeads(SqueezeExcite):
    """Returns a dict of two outputs."""

    def forward(self, x: Tensor) -> dict[str, Tensor]:  # type: ignore[override]
        logits = super().forward(x)
        return {"logits": logits, "scores": torch.sigmoid(logits)}


def two_heads() -> nn.Module:
    """Several outputs."""
    return TwoHeads(6)


def swish() -> nn.Module:
    """Two swishes."""
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, stride=2), nn.SiLU(), nn.Conv2d(8, 8, 1), nn.SiLU(), nn.Conv2d(8, 4, 1)
    )
