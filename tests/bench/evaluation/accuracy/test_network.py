from __future__ import annotations

import argparse
from pathlib import Path

import pytest

from mobiledeploy.base.errors import InputError
from mobiledeploy.bench.evaluation.accuracy.network import Request, request


def test_a_network_with_options_and_weights() -> None:
    asked = request("mobilenetv2,width_mult=0.5,partition=equal,runs/lr=0.1,a/net.pt")
    weights = Path("runs/lr=0.1,a/net.pt")
    assert asked == Request("mobilenetv2", {"width_mult": 0.5, "partition": "equal"}, weights)
    assert str(asked) == "mobilenetv2 width_mult=0.5 partition=equal"
    assert request("mobilenetv3_small") == Request("mobilenetv3_small")


def test_an_option_without_a_value_is_refused() -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="expected NAME=VALUE"):
        request("mobilenetv2,width_mult=")
    with pytest.raises(argparse.ArgumentTypeError, match="expected NAME"):
        request(",net.pt")


def test_weights_that_are_not_there_are_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none.pt does not exist, expected trained weights"):
        Request("mobilenetv2", {}, tmp_path / "none.pt").weights_sha256()
