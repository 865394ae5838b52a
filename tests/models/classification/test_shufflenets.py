"""The three ShuffleNets against published counts and layouts, and their units against plain indexing."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping

import pytest
import torch
from torch import Tensor, nn

from mobiledeploy.base.errors import InputError
from mobiledeploy.models import registry
from mobiledeploy.models.blocks import channel_shuffle
from mobiledeploy.models.classification.augshufflenet import AugmentedUnit
from mobiledeploy.models.classification.shufflenet_v1 import Unit
from mobiledeploy.models.counts import count_multiply_adds, count_parameters
from mobiledeploy.models.spec import Conventions

MEGVII = Conventions(shuffle="inverse", head_bias=False)

# Parameters and millions of multiply-adds at 224 x 224 of the authors' code for ShuffleNetV1, by width.
MEGVII_WIDTHS = {
    ("shufflenetv1_g3", 0.5): (717_324, 37.59),
    ("shufflenetv1_g3", 1.0): (1_864_728, 137.46),
    ("shufflenetv1_g3", 1.5): (3_441_168, 292.44),
    ("shufflenetv1_g3", 2.0): (5_449_776, 524.05),
    ("shufflenetv1_g8", 0.5): (1_010_448, 40.47),
    ("shufflenetv1_g8", 2.0): (6_521_232, 521.94),
}

# Parameters and millions of multiply-adds at 32 x 32 and 10 classes; the paper prints 0.33 M and 10.20 M,
# 1.21 M and 43.55 M, 2.22 M and 85.38 M for the split ratio of 3/8.
CIFAR = {
    ("augshufflenet_x0_5", 3 / 8): (330_862, 10.20),
    ("augshufflenet_x1_0", 3 / 8): (1_208_488, 43.55),
    ("augshufflenet_x1_5", 3 / 8): (2_223_950, 85.37),
    ("augshufflenet_x1_5", 1 / 4): (2_032_594, 78.96),
    ("augshufflenet_x1_5", 1 / 8): (1_914_806, 75.03),
}

# Number of entries, and SHA-256 of the lines "key [shape]" in order, of torchvision 0.28's state_dicts.
TORCHVISION = {
    "shufflenetv2_x0_5": (338, "54a515f5b9e5104f9dbbc02e8198c4c1631d796d3348d5fcf352decbba414e42"),
    "shufflenetv2_x1_0": (338, "cb82a4e6fc1db15ea01e61111f98e6fab9ba08ad72a3657289af3f6ddf25b4f0"),
    "shufflenetv2_x1_5": (338, "231697331a27fbffa697b1d383cfacc200eebf587d464747b7828c9f8778b22b"),
    "shufflenetv2_x2_0": (338, "0c76297abaa12b0d5428eb652c99c3ae53dac2bdf68fa8138336ffadd4fa0737"),
}


def create(name: str, conventions: Conventions | None = None, **options: float) -> nn.Module:
    """Without values: no test here looks at those of a whole network."""
    with torch.device("meta"):
        return registry.create(name, options, conventions)


def counts(
    name: str, side: int, conventions: Conventions | None = None, **options: float
) -> tuple[int, float]:
    """Parameters, millions of multiply-adds."""
    network = create(name, conventions, **options)
    return count_parameters(network), round(count_multiply_adds(network, (1, 3, side, side)) / 1e6, 2)


def layout(state: Mapping[str, Tensor]) -> tuple[int, str]:
    lines = [f"{key} {list(value.shape)}" for key, value in state.items()]
    return len(lines), hashlib.sha256("\n".join(lines).encode()).hexdigest()


def numbered(channels: int) -> Tensor:
    """(1, C, 1, 1) that holds its own channel numbers."""
    return torch.arange(float(channels)).reshape(1, channels, 1, 1)


def order(x: Tensor) -> list[int]:
    return [int(value) for value in x.flatten()]


# The shuffle


def test_channel_shuffle_deals_the_groups_out_in_turn() -> None:
    assert order(channel_shuffle(numbered(6), 2)) == [0, 3, 1, 4, 2, 5]
    assert order(channel_shuffle(numbered(6), 3)) == [0, 2, 4, 1, 3, 5]


@pytest.mark.parametrize("groups", [1, 2, 3, 4, 8])
def test_the_shuffle_orders_undo_each_other(groups: int) -> None:
    x = numbered(48)
    assert torch.equal(channel_shuffle(channel_shuffle(x, groups), 48 // groups), x)


def test_the_paper_shuffles_before_the_depthwise_convolution_and_megvii_the_other_way_after_it() -> None:
    def forms(conventions: Conventions) -> Tensor:
        unit = Unit(24, 24, 1, 3, conventions, first_groups=3).eval()
        state = unit.state_dict()
        nn.init.dirac_(state["branch_main_1.0.weight"], groups=3)
        nn.init.ones_(state["branch_main_1.3.weight"])
        state["branch_main_1.3.weight"][1] = 0  # the depthwise convolution silences its channel 1
        images = numbered(24) + 1  # groups of 8, of which the first 2 each pass
        with torch.no_grad():
            output: Tensor = unit.branch_main_1(images)
        return output

    assert order(forms(Conventions(norm_eps=0))) == [1, 0, 17, 2, 10, 18]
    assert order(forms(Conventions(norm_eps=0, shuffle="inverse"))) == [1, 10, 0, 17, 9, 18]


# ShuffleNetV1


@pytest.mark.parametrize(("name", "width_mult"), MEGVII_WIDTHS)
def test_counts_of_the_authors_code(name: str, width_mult: float) -> None:
    expected = MEGVII_WIDTHS[name, width_mult]
    assert counts(name, 224, MEGVII, width_mult=width_mult) == expected


@pytest.mark.parametrize("name", ["shufflenetv1_g2", "shufflenetv1_g4"])
def test_a_width_that_the_groups_do_not_divide_is_refused(name: str) -> None:
    with pytest.raises(
        InputError, match=r"width_mult 0.5 for ShuffleNetV1 of . groups, expected one of 1, 2,"
    ):
        create(name, width_mult=0.5)


def test_shufflenet_v1_has_the_keys_of_the_authors_code() -> None:
    keys = [key for key in create("shufflenetv1_g3", MEGVII).state_dict() if "num_b" not in key]
    norm = ("weight", "bias", "running_mean", "running_var")

    def conv_and_norm(prefix: str, conv: int) -> list[str]:
        return [f"{prefix}.{conv}.weight", *(f"{prefix}.{conv + 1}.{part}" for part in norm)]

    expected = conv_and_norm("first_conv", 0)
    for unit in range(16):
        for layer, conv in (("branch_main_1", 0), ("branch_main_1", 3), ("branch_main_2", 0)):
            expected += conv_and_norm(f"units.{unit}.{layer}", conv)
    assert keys == [*expected, "classifier.0.weight"]


def test_a_strided_units_average_counts_the_padding() -> None:
    unit = Unit(12, 24, 2, 3, Conventions(), first_groups=1).eval()
    with torch.no_grad():
        passed = unit(torch.ones(1, 12, 4, 4))[0, :12]
    assert torch.allclose(passed, torch.tensor([[4 / 9, 6 / 9], [6 / 9, 1.0]]).expand(12, 2, 2))


def test_without_groups_there_is_no_shuffle() -> None:
    assert not [layer for layer in create("shufflenetv1_g1").modules() if "Shuffle" in type(layer).__name__][
        1:
    ]


# ShuffleNetV2


@pytest.mark.parametrize("name", TORCHVISION)
def test_state_dict_is_laid_out_as_torchvisions(name: str) -> None:
    assert layout(create(name).state_dict()) == TORCHVISION[name]


# AugShuffleNet


@pytest.mark.parametrize(("name", "split_ratio"), CIFAR)
def test_counts_of_the_form_for_cifar(name: str, split_ratio: float) -> None:
    got = counts(name, 32, num_classes=10, stem_stride=1, split_ratio=split_ratio)
    assert got == CIFAR[name, split_ratio]


def test_counts_at_other_split_ratios() -> None:
    assert counts("augshufflenet_x1_5", 224, split_ratio=1 / 4) == (3_047_344, 248.91)
    assert counts("augshufflenet_x1_5", 224, split_ratio=1 / 8) == (2_929_556, 236.86)


def test_what_augshufflenet_shares_with_shufflenet_v2_has_its_keys_and_shapes() -> None:
    shared = re.compile(r"(conv1|conv5|fc|stage2\.\d|stage[34]\.0)\.")
    plain, augmented = (
        {key: value.shape for key, value in create(name).state_dict().items() if shared.match(key)}
        for name in ("shufflenetv2_x1_5", "augshufflenet_x1_5")
    )
    assert plain == augmented


@pytest.mark.parametrize(
    ("split_ratio", "message"),
    [
        (
            0.4,
            r"split_ratio 0.4 gives 38.4 of the 96 channels of stage 3, .*; pass 0.395833 or 0.416667",
        ),
        (0.5, r"gives 48 .* less than half; pass 0.479167$"),
        (1e-6, r"pass 0.0208333 or 0.0416667"),
    ],
)
def test_a_split_without_a_whole_half_is_refused_with_the_nearest_ratios(
    split_ratio: float, message: str
) -> None:
    with pytest.raises(InputError, match=message) as refusal:
        create("augshufflenet_x0_5", split_ratio=split_ratio)
    for ratio in str(refusal.value).rpartition("pass ")[2].split(" or "):
        counts("augshufflenet_x0_5", 32, split_ratio=float(ratio))


def test_augmented_unit_against_plain_indices() -> None:
    unit = AugmentedUnit(16, Conventions(), computed=6).eval()
    x = torch.rand(2, 16, 5, 5, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        computed, mixed, passed = x[:, :6], x[:, 6:11], x[:, 11:]
        u = unit.branch2(computed)
        y = unit.mix(torch.cat([u[:, 3:], mixed], 1))
        joined = torch.cat([y, passed, u[:, :3]], 1)  # 8 + 5 + 3 channels
        expected = joined[:, [0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15]]
        assert torch.equal(unit(x), expected)
    kinds = [type(layer) for layer in unit.branch2]
    assert kinds == [nn.Conv2d, nn.BatchNorm2d] * 2  # no activation before the crossover
