"""Sets the batch-norm statistics of a network that was never trained."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from mobiledeploy.runtime.evaluation_mode import evaluating

__all__ = ["recalibrate_batch_norm"]

BatchNorm = nn.BatchNorm1d | nn.BatchNorm2d | nn.BatchNorm3d


def recalibrate_batch_norm(module: nn.Module, images: list[Tensor]) -> None:
    """Set each batch norm's running mean and variance to the exact statistics of its input over `images`.

    With initial weights, statistics of 0 and 1 let activations shrink or grow from layer to layer, and
    nothing that is measured on such a network (ranges, SQNR) resembles a trained one. All images go through
    in one pass, so that each layer gets the statistics of what the recalibrated layers before it deliver. A
    channel that is constant over all images gets the variance 1: dividing by its zero would blow up any other
    image.

    Args:
        module: changed in place; its training mode is kept.
        images: inputs as the network takes them, each (1, C, H, W), all of one shape.
    """
    norms = [child for child in module.modules() if isinstance(child, BatchNorm)]
    handles = [norm.register_forward_pre_hook(_measure) for norm in norms if norm.running_mean is not None]
    try:
        with evaluating(module):
            module(torch.cat(images))
    finally:
        for handle in handles:
            handle.remove()


def _measure(norm: nn.Module, inputs: tuple[Tensor, ...]) -> None:
    assert isinstance(norm, BatchNorm) and norm.running_mean is not None and norm.running_var is not None
    (x,) = inputs  # (N, C, ...)
    variance, mean = torch.var_mean(x, [axis for axis in range(x.ndim) if axis != 1], correction=0)
    norm.running_mean.copy_(mean)
    norm.running_var.copy_(torch.where(variance > 0, variance, 1.0))
