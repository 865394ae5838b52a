from __future__ import annotations

import importlib
import inspect
import pkgutil
import subprocess
import sys

import pytest
import torch

from mobiledeploy.base.errors import InputError
from mobiledeploy.models import facts, registry
from mobiledeploy.models.spec import ModelSpec

SPECS = registry.specs()


@pytest.mark.parametrize(
    "spelling",
    [
        "mobilenetv3_small",
        "mobilenet_v3_small",
        "mobilenet-v3-small",
        "MobileNetV3Small",
        "MobileNetV3-Small",
    ],
)
def test_spellings_of_one_name_resolve_to_it(spelling: str) -> None:
    assert registry.resolve(spelling).name == "mobilenetv3_small"


@pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS)
def test_name_and_aliases_resolve_to_the_spec(spec: ModelSpec) -> None:
    assert all(registry.resolve(name) is spec for name in (spec.name, *spec.aliases))


def test_a_mistyped_name_gets_the_nearest_names_and_the_list_command() -> None:
    with pytest.raises(
        InputError, match=r"'mobilnetv3_smal'.*nearest are mobilenetv3_small.*mobiledeploy list"
    ):
        registry.resolve("mobilnetv3_smal")


def test_a_name_like_no_other_gets_the_list_command_alone() -> None:
    with pytest.raises(InputError, match=r"mobiledeploy list") as raised:
        registry.resolve("qqqq")
    assert "nearest" not in str(raised.value)


def test_an_unknown_option_is_named_with_the_known_ones() -> None:
    with pytest.raises(
        InputError, match=r"mobilenetv2 has no option 'classes', expected one of num_classes, width_mult"
    ):
        registry.create("mobilenetv2", {"classes": 10})


@pytest.mark.parametrize("options", [{"num_classes": 0}, {"width_mult": -0.5}, {"width_mult": float("nan")}])
def test_an_option_that_is_not_positive_is_refused(options: dict[str, float]) -> None:
    with pytest.raises(InputError, match="expected more than 0"):
        registry.create("mobilenetv2", options)


@pytest.mark.parametrize(
    ("name", "options", "wanted"),
    [
        ("mobilenetv2", {"width_mult": "wide"}, "width_mult wide for mobilenetv2, expected more than 0"),
        ("mobilenetv2", {"num_classes": 2.5}, "num_classes 2.5 for mobilenetv2, expected a whole number"),
        ("mixnet_s", {"partition": "odd"}, "partition odd for mixnet_s, expected one of equal, exponential"),
    ],
)
def test_a_value_of_the_wrong_kind_is_refused(
    name: str, options: dict[str, float | str], wanted: str
) -> None:
    with pytest.raises(InputError, match=wanted):
        registry.create(name, options)


def test_an_option_may_be_a_word() -> None:
    equal, exponential = (
        registry.create("mixnet_s", {"partition": partition}).state_dict()
        for partition in ("equal", "exponential")
    )
    key = "features.4.block.1.0.2.weight"  # 7x7 kernels of 144 channels
    assert (len(equal[key]), len(exponential[key])) == (48, 36)


def test_initial_weights_follow_torchs_seed() -> None:
    def first_weights(seed: int) -> torch.Tensor:
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            return next(registry.create("mobilenetv3_small", {"width_mult": 0.35}).parameters()).detach()

    assert torch.equal(first_weights(0), first_weights(0))
    assert not torch.equal(first_weights(0), first_weights(1))


@pytest.mark.parametrize("family", [module.name for module in pkgutil.iter_modules(facts.__path__)])
def test_facts_and_factories_have_the_same_names(family: str) -> None:
    names = {spec.name for spec in importlib.import_module(f"mobiledeploy.models.facts.{family}").SPECS}
    architecture = importlib.import_module(f"mobiledeploy.models.classification.{family}")
    assert names == {name for name in architecture.__all__ if name.islower()}


@pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS)
def test_facts_agree_with_each_other(spec: ModelSpec) -> None:
    for preferred in [entry for entry in spec.weights if entry.path][:1]:
        assert (spec.preprocessing, spec.conventions) == (preferred.preprocessing, preferred.conventions)
    assert spec.width_mult == ("width_mult" in inspect.signature(registry.factory(spec)).parameters)
    known_widths = {1.0, *(width.width_mult for width in spec.widths)}
    for entry in spec.weights:
        assert entry.num_classes == spec.num_classes
        assert entry.width_mult in known_widths
        assert (entry.path is None) == (entry.sha256_prefix == "")
        if entry.path is not None:
            assert entry.file_name.endswith(f"-{entry.sha256_prefix}.pth") and len(entry.sha256_prefix) >= 8
    assert len({entry.name for entry in spec.weights}) == len(spec.weights)


def test_names_and_facts_are_had_without_torch_and_numpy() -> None:
    code = (
        "import sys; from mobiledeploy.models import registry; "
        "registry.resolve('mobilenet_v2'); print({'torch', 'numpy'} & sys.modules.keys())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
