"""Every network of the registry against its facts. Against other packages: test_reference_outputs.py."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from mobiledeploy.models import registry
from mobiledeploy.models.blocks import SameConv2d
from mobiledeploy.models.counts import count_multiply_adds, count_parameters
from mobiledeploy.models.spec import Conventions, ModelSpec, Reported, Width
from mobiledeploy.runtime.evaluation_mode import evaluating

SPECS = registry.specs()
each_spec = pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS)

# Every network at every width of the facts.
COUNTED = {f"{spec.name}-{1:g}": (spec, spec) for spec in SPECS.values()} | {
    f"{spec.name}-{width.width_mult:g}": (spec, width) for spec in SPECS.values() for width in spec.widths
}


@pytest.mark.parametrize(("spec", "facts"), COUNTED.values(), ids=COUNTED)
def test_counts_are_those_of_the_facts(spec: ModelSpec, facts: ModelSpec | Width) -> None:
    options = {"width_mult": facts.width_mult} if isinstance(facts, Width) else {}
    network = registry.create(spec.name, options).to("meta")  # counted without computing anything
    parameters = count_parameters(network)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):  # counts nothing and takes most of the time
            module.forward = _unchanged  # type: ignore[method-assign]
    multiply_adds = count_multiply_adds(network, (1, 3, *spec.input_size))
    assert (parameters, round(multiply_adds / 1e6, 2)) == (facts.parameters, facts.multiply_adds_m)


def _unchanged(input: Tensor) -> Tensor:
    return input


@pytest.mark.parametrize("facts", [facts for _, facts in COUNTED.values()], ids=COUNTED)
def test_counts_are_those_that_the_authors_report(facts: ModelSpec | Width) -> None:
    reported = facts.reported or Reported(accuracy=None, parameters_m=None, multiply_adds_m=None)
    for counted, printed in (
        (facts.parameters / 1e6, reported.parameters_m),
        (facts.multiply_adds_m, reported.multiply_adds_m),
    ):
        assert printed is None or abs(counted / printed - 1) <= reported.tolerance
    assert reported.tolerance <= Reported.tolerance or reported.why


@each_spec
def test_conventions_reach_every_layer(spec: ModelSpec) -> None:
    conventions = Conventions(padding="same", norm_eps=0.25, norm_momentum=0.125)
    modules = list(registry.create(spec.name, conventions=conventions).modules())
    norms = {(m.eps, m.momentum) for m in modules if isinstance(m, nn.BatchNorm2d)}
    assert norms == {(0.25, 0.125)}
    strided = [
        m for m in modules if isinstance(m, nn.Conv2d) and m.stride != (1, 1) and m.kernel_size != (1, 1)
    ]
    assert strided and all(isinstance(m, SameConv2d) and m.padding == (0, 0) for m in strided)


@pytest.fixture(scope="module", params=list(SPECS.values()), ids=list(SPECS))
def small_head(request: pytest.FixtureRequest) -> tuple[ModelSpec, nn.Module]:
    """A network of 7 classes."""
    spec: ModelSpec = request.param
    return spec, registry.create(spec.name, {"num_classes": 7})


IMAGES = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))


def test_forward_is_head_of_features(small_head: tuple[ModelSpec, nn.Module]) -> None:
    _, network = small_head
    with evaluating(network):
        logits = network(IMAGES)
        assert torch.equal(logits, network.head(network.features(IMAGES)))  # type: ignore[operator]
    assert logits.shape == (2, 7)


def test_head_key_names_the_weight_of_the_classes(small_head: tuple[ModelSpec, nn.Module]) -> None:
    spec, network = small_head
    weight = network.state_dict()[spec.head_key]
    assert weight.ndim == 2 and weight.shape[0] == 7


def test_every_parameter_takes_part(small_head: tuple[ModelSpec, nn.Module]) -> None:
    _, network = small_head
    network(IMAGES).square().sum().backward()
    assert [name for name, parameter in network.named_parameters() if parameter.grad is None] == []
