"""Size of a network as papers count it."""

from __future__ import annotations

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from mobiledeploy.runtime.evaluation_mode import evaluating

__all__ = ["count_multiply_adds", "count_parameters"]


def count_parameters(module: nn.Module) -> int:
    """Learnable numbers, batch-norm scale and shift included, running statistics not."""
    return sum(parameter.numel() for parameter in module.parameters())


def count_multiply_adds(module: nn.Module, input_shape: tuple[int, ...]) -> int:
    """Multiply-adds of convolutions and linear layers in one pass over zeros of `input_shape` (N, C, H, W).

    Half of what torch's counter calls flops. Normalisation, activations, pooling and element-wise products
    are not counted, as in the papers. A network on the "meta" device is counted without computing anything.
    """
    device = next((parameter.device for parameter in module.parameters()), None)
    counter = FlopCounterMode(display=False)
    with evaluating(module), counter:
        module(torch.zeros(input_shape, device=device))
    return counter.get_total_flops() // 2
