"""Weights that learn whether to round down or up (AdaRound, Nagel et al., arXiv 2004.10568)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

__all__ = ["SoftRounding"]

# gamma and zeta of equation 23: the sigmoid reaches 0 and 1, and has a gradient there.
_STRETCH = (-0.1, 1.1)


class SoftRounding(nn.Module):
    """floor(weight / scale) + a number in [0, 1] that is learned, at first the fraction that floor cuts off.

    Args:
        steps: Weights over their scale, not rounded.

    Attributes:
        logits: The variables that are learned, one for each weight.
    """

    down: Tensor

    def __init__(self, steps: Tensor) -> None:
        super().__init__()
        down = steps.floor()
        low, high = _STRETCH
        share = ((steps - down - low) / (high - low)).clamp(1e-3, 1 - 1e-3)
        self.register_buffer("down", down.float())
        self.logits = nn.Parameter(torch.log(share / (1 - share)).float())

    def up(self) -> Tensor:
        """How far up each weight is rounded, in [0, 1] (equation 23)."""
        low, high = _STRETCH
        return torch.clamp(torch.sigmoid(self.logits) * (high - low) + low, 0.0, 1.0)

    def regularizer(self, beta: float) -> Tensor:
        """Sum of 1 - |2 up - 1|^beta (equation 24): 0 when every weight is rounded down or up."""
        return (1 - (2 * self.up() - 1).abs().pow(beta)).sum()

    def forward(self) -> Tensor:
        """The weights in steps of their scale, in [-127, 127]."""
        return (self.down + self.up()).clamp(-127, 127)

    def decided(self) -> Tensor:
        """The weights in steps of their scale, each rounded down or up."""
        return (self.down + (self.up() >= 0.5)).clamp(-127, 127)
