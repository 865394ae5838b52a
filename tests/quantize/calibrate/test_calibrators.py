"""A calibrator of one's own: known by its name wherever the built-in ones are."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from subprocess import run

import numpy as np
import onnx_ir as ir
import pytest

import mobiledeploy
from mobiledeploy.base.errors import InputError
from mobiledeploy.cli import main
from mobiledeploy.quantize.calibrate import calibrators
from mobiledeploy.quantize.calibrate.calibrate import calibrate
from mobiledeploy.quantize.calibrate.calibrators import CALIBRATORS, register_calibrator
from mobiledeploy.quantize.calibrate.histogram import Histogram
from mobiledeploy.quantize.calibrate.statistics_cache import StatisticsCache
from mobiledeploy.quantize.quantize_model import quantize_model
from mobiledeploy.quantize.recipe import QuantizeRecipe
from mobiledeploy.runtime.runtimes import Sample
from mobiledeploy.runtime.targets import LITERT_2_3
from mobiledeploy.testing import model_from_text, random_sample


@pytest.fixture
def halves() -> Iterator[list[float]]:
    """The calibrator "half" of the range, for one test; the largest values of what it was asked for."""
    asked: list[float] = []

    def half(histogram: Histogram) -> tuple[float, float]:
        asked.append(histogram.high)
        return histogram.low / 2, histogram.high / 2

    register_calibrator("half", half)
    yield asked
    del calibrators._METHODS["half"]


@pytest.fixture
def model() -> ir.Model:
    return model_from_text(
        "g (float[1,4,8,8] x) => (float[1,4,8,8] y) <float[4,4,1,1] w> { c = Conv(x, w) y = Relu(c) }"
    )


@pytest.fixture
def samples(model: ir.Model) -> list[Sample]:
    return [random_sample(model, seed, 1.0) for seed in range(8)]


def test_its_name_is_known_and_its_ranges_are_taken(
    halves: list[float], model: ir.Model, samples: list[Sample]
) -> None:
    assert "half" in CALIBRATORS and list(CALIBRATORS)[-1] == "half"
    recipe = QuantizeRecipe(calibrator="half", equalize=False, correct_bias=False)
    params = quantize_model(model, samples, LITERT_2_3, recipe).graph.plan.activations["x"]
    largest = max(float(np.abs(sample["x"]).max()) for sample in samples)
    assert max(-params.low, params.high) == pytest.approx(largest / 2, rel=0.01)


def test_exports_and_the_command_take_its_name(
    halves: list[float], capsys: pytest.CaptureFixture[str]
) -> None:
    assert mobiledeploy.ExportSettings("net.onnx", calibrator="half").calibrator == "half"
    assert main(["export", "net.onnx", "--int8", "--calibrator", "half"]) != 0
    assert "net.onnx: no such file" in capsys.readouterr().err


def test_search_tries_it(halves: list[float], model: ir.Model, samples: list[Sample]) -> None:
    search = calibrate(model, samples, LITERT_2_3, "search").search
    assert search is not None and sum(search.methods.values()) == len(halves) == 2


def test_statistics_that_are_kept_serve_it(
    halves: list[float], model: ir.Model, samples: list[Sample], tmp_path: Path
) -> None:
    cache = StatisticsCache(tmp_path, "samples")
    calibrate(model, samples, LITERT_2_3, "cubed", cache=cache)
    calibrate(model, [{}], LITERT_2_3, "half", cache=cache)
    assert len(halves) == 2


@pytest.mark.parametrize("name", ["half", "cubed", "search"])
def test_a_name_that_is_taken_is_refused(halves: list[float], name: str) -> None:
    with pytest.raises(ValueError, match=f"there is a calibrator '{name}' already, expected another name"):
        register_calibrator(name, lambda histogram: (0.0, 1.0))


@pytest.mark.parametrize("ends", [(float("nan"), 1.0), (2.0, 1.0), (0.0, float("inf"))])
def test_what_is_no_range_is_refused(
    ends: tuple[float, float], model: ir.Model, samples: list[Sample], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(calibrators._METHODS, "mine", lambda histogram: ends)
    with pytest.raises(InputError, match=r"calibrator 'mine' chooses the range \[.*\] for values in \["):
        calibrate(model, samples, LITERT_2_3, "mine")


def test_the_example_of_the_documentation_runs(model: ir.Model, samples: list[Sample]) -> None:
    page = Path(__file__).parents[3] / "docs" / "calibration.md"
    (example,) = re.findall(r"```python\n(.*?)```", page.read_text(), re.DOTALL)
    exec(example, {})
    try:
        params = calibrate(model, samples, LITERT_2_3, "four-sigma").plan.activations["x"]
    finally:
        del calibrators._METHODS["four-sigma"]
    assert max(-params.low, params.high) < max(float(np.abs(sample["x"]).max()) for sample in samples) + 0.1


def test_the_names_cost_no_import_of_numpy() -> None:
    names = "mobiledeploy.quantize.calibrate.calibrators"
    run([sys.executable, "-c", f"import sys, {names}; assert 'numpy' not in sys.modules"], check=True)
