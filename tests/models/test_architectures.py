"""Every network of the registry against its facts and, by key and shape, against public checkpoints."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import pytest
import torch
from torch import nn

from mobiledeploy.models import registry
from mobiledeploy.models.counts import count_multiply_adds, count_parameters
from mobiledeploy.models.spec import ModelSpec

SPECS = registry.specs()
each_spec = pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS)

# Number of entries, and SHA-256 of the lines "key [shape]" in order, of torchvision 0.28's state_dicts:
# "\n".join(f"{key} {list(value.shape)}" for key, value in state_dict.items())
TORCHVISION = {
    "mobilenetv2": (314, "a18c560d82f6d01d86ac3a49fdcaf1d06cc7979ce4e8c8c176d05b805eaf9ef9"),
    "mobilenetv3_small": (244, "cb48f2feab283d8f4f5fafd08cd628c0b8530f7e4ea1bf9c1b0e15d137921d87"),
    "mobilenetv3_large": (312, "a56c886e8c43a05bc5d890ac739760b29ec30518278f942ec60a27dfce99db8d"),
}

# Parameters and millions of multiply-adds, 224 x 224 and 1000 classes, of published implementations.
WIDTHS = {
    ("mobilenetv2", 0.35): (1_677_128, 59.29),
    ("mobilenetv2", 0.5): (1_968_680, 97.13),
    ("mobilenetv2", 0.75): (2_636_424, 209.07),
    ("mobilenetv2", 1.3): (5_386_792, 509.37),
    ("mobilenetv2", 1.4): (6_108_776, 582.20),
    ("mobilenetv3_large", 0.75): (3_993_528, 154.56),
    ("mobilenetv3_small", 0.5): (1_593_224, 24.19),
    ("mobilenetv3_small", 0.75): (2_041_872, 43.40),
}

# Batch norm (eps, momentum) that the checkpoints are trained with.
BATCH_NORM = {
    "mobilenetv2": (1e-5, 0.1),
    "mobilenetv3_small": (1e-3, 0.01),
    "mobilenetv3_large": (1e-3, 0.01),
}


def counts(spec: ModelSpec, options: Mapping[str, float] | None = None) -> tuple[int, float]:
    """Parameters, millions of multiply-adds."""
    with torch.device("meta"):
        network = registry.create(spec.name, options)
    return count_parameters(network), round(count_multiply_adds(network, (1, 3, *spec.input_size)) / 1e6, 2)


@each_spec
def test_counts_are_those_of_the_spec(spec: ModelSpec) -> None:
    assert counts(spec) == (spec.parameters, spec.multiply_adds_m)


@pytest.mark.parametrize(("name", "width_mult"), WIDTHS)
def test_counts_at_other_widths(name: str, width_mult: float) -> None:
    assert counts(registry.resolve(name), {"width_mult": width_mult}) == WIDTHS[name, width_mult]


@pytest.mark.parametrize("name", TORCHVISION)
def test_state_dict_is_laid_out_as_torchvisions(name: str) -> None:
    lines = [f"{key} {list(value.shape)}" for key, value in registry.create(name).state_dict().items()]
    assert (len(lines), hashlib.sha256("\n".join(lines).encode()).hexdigest()) == TORCHVISION[name]


@pytest.mark.parametrize("name", BATCH_NORM)
def test_batch_norm_is_that_of_the_checkpoints(name: str) -> None:
    norms = [module for module in registry.create(name).modules() if isinstance(module, nn.BatchNorm2d)]
    assert {(norm.eps, norm.momentum) for norm in norms} == {BATCH_NORM[name]}


@each_spec
def test_forward_is_head_of_features(spec: ModelSpec) -> None:
    network = registry.create(spec.name, {"num_classes": 7}).eval()
    images = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        logits = network(images)
        assert torch.equal(logits, network.head(network.features(images)))  # type: ignore[operator]
    assert logits.shape == (2, 7)


@each_spec
def test_head_key_names_the_weight_of_the_classes(spec: ModelSpec) -> None:
    narrow, wide = (registry.create(spec.name, {"num_classes": classes}).state_dict() for classes in (3, 5))
    assert narrow[spec.head_key].shape[0] == 3 and wide[spec.head_key].shape[0] == 5
    assert narrow[spec.head_key].ndim == 2


@each_spec
def test_every_parameter_takes_part(spec: ModelSpec) -> None:
    network = registry.create(spec.name, {"num_classes": 3})
    network(torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))).square().sum().backward()
    assert [name for name, parameter in network.named_parameters() if parameter.grad is None] == []
