"""Modules that are refused are in test_bad_input.py; here is what must pass, and that nothing is changed."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from mobiledeploy.base.errors import InputError
from mobiledeploy.sources.module_checks import input_shape, require_module, require_runnable


class Optional(nn.Module):
    def forward(self, x: Tensor, scale: float = 2.0, *rest: Tensor) -> list[Tensor]:
        return [x * scale, x.mean((2, 3))]


def test_inputs_with_defaults_are_no_inputs() -> None:
    module = require_module("net", Optional())
    require_runnable("net", module, (1, 3, 4, 4))


def test_a_run_changes_nothing() -> None:
    module = nn.Sequential(nn.Conv2d(3, 2, 1), nn.BatchNorm2d(2)).train()
    before = {key: value.clone() for key, value in module.state_dict().items()}
    state = torch.random.get_rng_state()
    require_runnable("net", module, (1, 3, 4, 4))
    assert module.training
    assert all(torch.equal(value, before[key]) for key, value in module.state_dict().items())
    assert torch.equal(torch.random.get_rng_state(), state)


class Sized(nn.Identity):
    def __init__(self, size: object, channels: object = 3) -> None:
        super().__init__()
        self.__dict__.update(input_size=size, input_channels=channels)


def test_the_size_given_wins_over_the_modules_own() -> None:
    assert input_shape("net", Sized((20, 30), channels=1), None) == (1, 1, 20, 30)
    assert input_shape("net", Sized((20, 30), channels=1), (8, 9)) == (1, 1, 8, 9)
    assert input_shape("net", Sized(24), None) == (1, 3, 24, 24)


@pytest.mark.parametrize("size", [(0, 3), (3.5, 3), (3,), "33", [True, "x"]])
def test_a_size_that_is_none_is_refused(size: object) -> None:
    with pytest.raises(InputError, match="net has input_size"):
        input_shape("net", Sized(size), None)


def test_a_lazy_module_is_refused() -> None:
    with pytest.raises(InputError, match="weight of net has no shape yet"):
        require_module("net", nn.LazyConv2d(3, 1))
