from __future__ import annotations

import pytest
import torch
from torch import Tensor

from mobiledeploy.base.errors import InputError, WeightsError
from mobiledeploy.models import registry
from mobiledeploy.models.weights.entries import entry_like, named_entry, official_entry

V1, V2, V3 = (registry.resolve(name) for name in ("mobilenetv1", "mobilenetv2", "mobilenetv3_small"))
OWN: dict[str, Tensor] = {"features.0.0.weight": torch.zeros(1)}
TIMM: dict[str, Tensor] = {"conv_stem.weight": torch.zeros(1)}


def test_the_preferred_entry_of_a_width_is_official() -> None:
    assert official_entry(V2, {}, None).name == "imagenet1k_v2"
    assert official_entry(V2, {"width_mult": 1.4}, None).name == "ra_in1k_140"
    assert official_entry(V2, {}, "ra_in1k_140").width_mult == 1.4


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"width_mult": 0.35}, "width_mult 0.35"),
        ({"num_classes": 10}, "num_classes 10"),
        ({"partition": "exponential"}, "partition exponential"),
    ],
)
def test_another_network_than_the_published_has_no_official_weights(
    options: dict[str, float | str], words: str
) -> None:
    with pytest.raises(WeightsError, match=f"mobilenetv2 has no official weights for {words}"):
        official_entry(V2, options, None)


def test_a_named_entry_is_for_its_own_width() -> None:
    with pytest.raises(WeightsError, match=r"ra_in1k of mobilenetv2 is not for width_mult 0\.5, expected"):
        official_entry(V2, {"width_mult": 0.5}, "ra_in1k")


def test_an_entry_without_an_address_asks_for_the_file() -> None:
    with pytest.raises(WeightsError, match=r"get it from timm and pass --weights FILE --weights-as ra4"):
        official_entry(V1, {}, "ra4_e3600_r224_in1k")
    with pytest.raises(WeightsError, match="mobilenetv1 has no official weights"):
        official_entry(V1, {}, None)


def test_an_unknown_entry_gets_the_names_that_there_are() -> None:
    with pytest.raises(
        InputError, match=r"'ra' is no weights entry of mobilenetv2, expected one of imagenet1k"
    ):
        named_entry(V2, "ra")


def test_a_hash_tells_an_entry_whatever_the_keys() -> None:
    found = entry_like(V3, OWN, "da427f52" + 56 * "0", None)
    assert found.entry is not None and found.entry.name == "tf_in1k_075" and not found.rivals


def test_keys_and_width_tell_the_likely_entry_and_its_rivals() -> None:
    found = entry_like(V3, TIMM, "", 0.75)
    assert found.entry is not None and found.entry.name == "lamb_in1k_075"
    assert [entry.name for entry in found.rivals] == ["tf_in1k_075"]
    found = entry_like(V3, OWN, "", None)
    assert found.entry is not None and found.entry.name == "imagenet1k_v1" and not found.rivals


def test_keys_of_nobody_are_of_no_entry() -> None:
    assert entry_like(V1, OWN, "", None).entry is None
