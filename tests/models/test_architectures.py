"""Every network of the registry against its facts. Against other packages: test_reference_outputs.py."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from mobiledeploy.models import registry
from mobiledeploy.models.blocks import SameConv2d
from mobiledeploy.models.counts import count_multiply_adds, count_parameters
from mobiledeploy.models.spec import Conventions, ModelSpec, Reported, Width

SPECS = registry.specs()
each_spec = pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS)

# Every network at every width of the facts.
COUNTED = {f"{spec.name}-{1:g}": (spec, spec) for spec in SPECS.values()} | {
    f"{spec.name}-{width.width_mult:g}": (spec, width) for spec in SPECS.values() for width in spec.widths
}


@pytest.mark.parametrize(("spec", "facts"), COUNTED.values(), ids=COUNTED)
def test_counts_are_those_of_the_facts(spec: ModelSpec, facts: ModelSpec | Width) -> None:
    options = {"width_mult": facts.width_mult} if isinstance(facts, Width) else {}
    with torch.device("meta"):
        network = registry.create(spec.name, options)
    parameters = count_parameters(network)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):  # counts nothing and takes most of the time
            module.forward = _unchanged  # type: ignore[method-assign]
    multiply_adds = count_multiply_adds(network, (1, 3, *spec.input_size))
    assert (parameters, round(multiply_adds / 1e6, 2)) == (facts.parameters, facts.multiply_adds_m)


def _unchanged(x: Tensor) -> Tensor:
    return x


@pytest.mark.parametrize("facts", [facts for _, facts in COUNTED.values()], ids=COUNTED)
def test_counts_are_those_that_the_authors_report(facts: ModelSpec | Width) -> None:
    reported = facts.reported or Reported(top1=None, parameters_m=None, multiply_adds_m=None)
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
