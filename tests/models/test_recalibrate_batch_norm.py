from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from mobiledeploy.models import registry
from mobiledeploy.models.recalibrate_batch_norm import recalibrate_batch_norm


def images(count: int, size: int) -> list[Tensor]:
    generator = torch.Generator().manual_seed(0)
    return [3 * torch.rand(1, 3, size, size, generator=generator) - 1 for _ in range(count)]


@pytest.mark.parametrize("name", registry.specs())
def test_activations_are_normalised_after_every_batch_norm(name: str) -> None:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        narrowest = min([1.0, *(width.width_mult for width in registry.resolve(name).widths)])
        network = registry.create(name, {"width_mult": narrowest} if narrowest < 1 else {})
    batch = images(8, 64)
    recalibrate_batch_norm(network, batch)
    assert network.training

    outputs: dict[nn.BatchNorm2d, Tensor] = {}
    for norm in network.modules():
        if isinstance(norm, nn.BatchNorm2d):
            norm.register_forward_hook(lambda module, _inputs, output: outputs.update({module: output}))
    with torch.no_grad():
        network.eval()(torch.cat(batch))
    assert len(outputs) == sum(isinstance(module, nn.BatchNorm2d) for module in network.modules()) > 0
    for norm, output in outputs.items():
        assert norm.running_var is not None
        variance, mean = torch.var_mean(output, [0, 2, 3], correction=0)
        assert mean.abs().max() < 1e-3
        # One, but for what eps takes from channels of small variance.
        torch.testing.assert_close(
            variance, norm.running_var / (norm.running_var + norm.eps), rtol=1e-3, atol=1e-3
        )


def test_statistics_are_exact_over_all_images_together() -> None:
    norm = nn.BatchNorm2d(3)
    batch = images(5, 4)
    recalibrate_batch_norm(norm, batch)
    every_pixel = torch.cat(batch).transpose(0, 1).flatten(1)  # (C, N * H * W)
    assert norm.running_mean is not None and norm.running_var is not None
    torch.testing.assert_close(norm.running_mean, every_pixel.mean(1))
    torch.testing.assert_close(norm.running_var, every_pixel.var(1, correction=0))


def test_a_constant_channel_gets_the_variance_one() -> None:
    norm = nn.BatchNorm2d(2)
    recalibrate_batch_norm(norm, [torch.tensor([0.0, 1.0, 5.0, 5.0]).reshape(1, 2, 1, 2)])
    assert norm.running_mean is not None and norm.running_var is not None
    assert norm.running_mean.tolist() == [0.5, 5.0]
    assert norm.running_var.tolist() == [0.25, 1.0]


def test_a_network_without_batch_norm_is_left_alone() -> None:
    network = nn.Conv2d(3, 2, 1)
    before = network.weight.clone()
    recalibrate_batch_norm(network, images(1, 4))
    assert torch.equal(network.weight, before)
