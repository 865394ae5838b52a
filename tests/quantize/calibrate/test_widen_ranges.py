"""Ranges are widened where the target would otherwise leave an op outside its delegate."""

from __future__ import annotations

import pytest

from mobiledeploy.exporters.tflite.lowerings.registry import has_int8_form
from mobiledeploy.graph.params import QuantParams, activation_params
from mobiledeploy.quantize.calibrate.widen_ranges import widen_ranges
from mobiledeploy.quantize.qdq.plan import Plan
from mobiledeploy.quantize.qdq.points import find_points
from mobiledeploy.runtime.targets import LITERT_2_3
from mobiledeploy.testing import model_from_text


def fitted(
    text: str, ranges: dict[str, float], fixed: tuple[str, ...] = ()
) -> tuple[dict[str, float], list[str]]:
    """Value name -> how often its range was widened, and the log. Ranges are [-r, r], 1 when left out."""
    model = model_from_text(text)
    points = find_points(model.graph, LITERT_2_3, has_int8_form)
    params: dict[str, QuantParams] = {}
    for group in points.groups:
        largest = next((ranges[name] for name in group if name in ranges), 1.0)
        params.update(dict.fromkeys(group, activation_params(-largest, largest)))
    before = {name: float(p.scale[0]) for name, p in params.items()}
    log = widen_ranges(model.graph, Plan(points, params, frozenset(fixed)), LITERT_2_3)
    return {
        name: float(p.scale[0]) / before[name] for name, p in params.items() if p.scale[0] != before[name]
    }, log


ADD = "g (float[1,4] x, float[1,4] z) => (float[1,4] y) { y = Add(x, z) }"
MUL = "g (float[1,4] x, float[1,4] z) => (float[1,4] y) { m = Mul(x, z) y = Relu(m) }"
CONV = "g (float[1,2,3,3] x) => (float[1,2,3,3] y) <float[2,2,1,1] w> { y = Conv(x, w) }"


def test_scales_within_the_limits_stay() -> None:
    assert fitted(ADD, {}) == ({}, [])
    assert fitted(MUL, {"y": 0.5}) == ({}, [])


def test_an_input_far_finer_than_the_result_is_widened() -> None:
    changed, log = fitted(ADD, {"z": 2.0**-14})
    assert changed == {"z": 2.0**4}
    assert log == ["z: range widened 16 times, since scale ratio 6.1e-05 of ADD is outside [2^-10, 2^8)"]


def test_a_result_far_finer_than_its_inputs_is_widened() -> None:
    assert fitted(ADD, {"x": 2.0**9, "y": 0.5})[0] == {"y": 8.0}


def test_the_result_of_a_fused_activation_counts() -> None:
    changed, _ = fitted(MUL, {"x": 100.0, "z": 100.0, "y": 2.0**-10})
    assert list(changed) == ["y"]


def test_a_product_that_is_too_small_widens_the_finer_input() -> None:
    changed, _ = fitted(MUL, {"x": 2.0**-12, "z": 2.0**-4, "y": 8.0})
    assert list(changed) == ["x"]


def test_a_convolution_whose_result_is_nearly_constant() -> None:
    assert list(fitted(CONV, {"x": 1000.0, "y": 1e-6})[0]) == ["y"]


def test_fixed_parameters_stay() -> None:
    assert fitted(ADD, {"z": 2.0**-14}, fixed=("z",)) == ({}, [])


@pytest.mark.parametrize("other", ["x", "z"])
def test_values_that_share_are_widened_together(other: str) -> None:
    text = """g (float[1,4] x, float[1,4] z) => (float[1,4] y, float[4] f) <int64[1] shape> {
        f = Reshape(z, shape)
        y = Add(x, z)
    }"""
    changed, _ = fitted(text, {"z": 2.0**-14})
    assert changed == {"z": 16.0, "f": 16.0}
