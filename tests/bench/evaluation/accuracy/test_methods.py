from __future__ import annotations

from pathlib import Path

import pytest

import mobiledeploy
from mobiledeploy.base.errors import InputError
from mobiledeploy.bench.evaluation.accuracy.methods import METHODS, choose, quantizes


def test_a_group_has_the_methods_whose_environment_is_given() -> None:
    chosen = choose(["peers"], {"nncf": "python"})
    assert "nncf-fast" in chosen
    assert "onnxruntime-minmax" in chosen  # which our own environment runs
    assert not [name for name in chosen if METHODS[name].environment == "aeq"]


def test_methods_come_in_the_tables_order() -> None:
    assert choose(["high", "default", "default"], {}) == ["default", "high"]


def test_a_named_method_needs_its_environment() -> None:
    with pytest.raises(InputError, match="pass --nncf-python PYTHON"):
        choose(["nncf-fast"], {})


def test_an_unknown_method_is_refused_with_a_list() -> None:
    with pytest.raises(
        InputError, match=r"unknown method 'defualt', expected some of ours, ablation, peers, default"
    ):
        choose(["defualt"], {})


def test_of_an_exports_steps_those_count_that_quantize(network: str, tmp_path: Path) -> None:
    result = mobiledeploy.export(network, int8=True, size=16, samples=4, cache=False, out=tmp_path / "out")
    assert [step for step in result.seconds if quantizes(step)] == [
        "rewrite for int8",
        "adjust weights",
        "calibrate",
        "correct biases",
        "QDQ to int8 TFLite",
    ]
