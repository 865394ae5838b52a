"""Each reason is found on a small network that is built to have it."""

from __future__ import annotations

import numpy as np
import pytest

from mobiledeploy.exporters.rewrites.stages import rewrite_for_target
from mobiledeploy.quantize.explain.layer_findings import LayerFinding, explain_layers
from mobiledeploy.quantize.quantize_model import quantize_model
from mobiledeploy.quantize.recipe import QuantizeRecipe
from mobiledeploy.runtime.runtimes import Sample
from mobiledeploy.runtime.targets import LITERT_2_3
from mobiledeploy.testing import model_from_text, random_sample


def findings(
    text: str,
    samples: list[Sample] | None = None,
    calibrator: str = "min-max",
    equalize: bool = True,
    **constants: object,
) -> dict[str, LayerFinding]:
    """Layer -> what was found about it."""
    model = model_from_text(text, **constants)  # type: ignore[arg-type]
    rewrite_for_target(model, LITERT_2_3, "int8")
    samples = samples or [random_sample(model, seed) for seed in range(8)]
    recipe = QuantizeRecipe(calibrator=calibrator, equalize=equalize, correct_bias=False)
    graph = quantize_model(model, samples, LITERT_2_3, recipe).graph
    return {found.layer: found for found in explain_layers(graph, samples, equalized=equalize)}


ONE = "g (float[1,8,8,8] x) => (float[1,16,8,8] y) <float[16,8,1,1] w> {{ {} }}"


def loud(channel: int, factor: float) -> np.ndarray:
    """Weights of which one output channel is much larger than the others."""
    weights = np.random.default_rng(0).normal(size=(16, 8, 1, 1))
    weights[channel] *= factor
    return weights


def test_an_outlier_channel_is_named_with_what_stands_in_the_way() -> None:
    (plain,) = findings(ONE.format("y = Conv(x, w)"), w=loud(5, 40)).values()
    assert plain.reason == "outlier channel"
    assert plain.text.startswith("channel 5 of 16 is ")
    assert "cannot even that out, since 'y' is an output of the model" in plain.remedy
    gated = findings(ONE.format("c = Conv(x, w) y = HardSwish(c)"), w=loud(5, 40))["c"]
    assert gated.reason == "outlier channel"
    assert "adds a constant, as h-swish does" in gated.remedy and "--keep-float c" in gated.remedy


def test_an_outlier_channel_that_equalization_may_scale() -> None:
    text = """g (float[1,8,8,8] x) => (float[1,16,8,8] y) <float[16,8,1,1] w, float[16,16,1,1] v> {
        c = Conv(x, w) y = Conv(c, v)
    }"""
    readers = np.random.default_rng(1).normal(size=(16, 16, 1, 1))
    readers[:, 5] /= 40
    found = findings(text, equalize=False, w=loud(5, 40), v=readers)["c"]
    assert found.reason == "outlier channel" and "leave out --no-equalization" in found.remedy
    scaled = findings(text, w=loud(5, 40), v=readers).values()
    assert "outlier channel" not in [found.reason for found in scaled]
    readers[:, 5] *= 40 * 40  # now the result is mostly that channel
    left = findings(text, w=loud(5, 40), v=readers)["c"]
    assert "is not predicted to halve the noise" in left.remedy and "leave out" not in left.remedy


def test_a_few_values_that_force_a_wide_step() -> None:
    samples = [random_sample(model_from_text(ONE.format("y = Conv(x, w)")), seed) for seed in range(8)]
    for sample in samples:
        sample["x"][0, :, 0, 0] *= 30  # one of 64 places, in all channels
    samples[0]["x"][0, :, 0, 0] *= 30
    for sample in samples[1:]:
        sample["x"][0, :, 0, 0] /= 30
    (found,) = findings(ONE.format("y = Conv(x, w)"), samples).values()
    assert found.reason == "range" and "99.9 % stay below" in found.text
    assert "--calibrator percentile" in found.remedy


def test_what_the_calibrator_cut_off() -> None:
    model = model_from_text(ONE.format("y = Conv(x, w)"))
    samples = [random_sample(model, seed) for seed in range(8)]
    rewrite_for_target(model, LITERT_2_3, "int8")
    graph = quantize_model(model, samples, LITERT_2_3, QuantizeRecipe(correct_bias=False)).graph
    (found,) = explain_layers(graph, [{"x": samples[0]["x"] * 4}])
    assert found.reason == "clipping" and "is cut off there" in found.text
    assert "--calibrator min-max" in found.remedy


def test_a_scale_that_is_shared_with_a_wider_value() -> None:
    found = findings(
        """g (float[1,8,8,8] x) => (float[1,20,8,8] y) <float[16,8,1,1] w, float[4,8,1,1] v> {
            small = Conv(x, w)
            large = Conv(x, v)
            y = Concat<axis=1>(small, large)
        }""",
        v=np.full((4, 8, 1, 1), 20.0),
    )["small"]
    assert found.reason == "shared scale" and "large" in found.text and "times as wide" in found.text
    assert "--keep-float y" in found.remedy


def test_the_gate_of_a_swish() -> None:
    # Far below zero the sigmoid is a few steps of 1/256.
    text = ONE.format("c = Conv(x, w, b) s = Sigmoid(c) y = Mul(c, s)").replace("> {", ", float[16] b> {")
    found = findings(text, w=loud(0, 1) * 0.1, b=-5.0)["c"]
    assert found.reason == "activation" and "computes its swish in several ops" in found.text
    assert "--keep-float y" in found.remedy


def test_an_outlier_among_the_weights_of_a_channel() -> None:
    rng = np.random.default_rng(0)
    weights = rng.normal(size=(16, 256)) / 16
    weights[3, 7] = 40.0
    model = "g (float[1,256] x) => (float[1,16] y) <float[16,256] w> { y = Gemm<transB=1>(x, w) }"
    samples: list[Sample] = [random_sample(model_from_text(model), seed) for seed in range(8)]
    for sample in samples:
        sample["x"][0, 7] = 0.0  # the outlier takes no part; the step that it forces does
    (found,) = findings(model, samples, w=weights).values()
    assert found.reason == "weights" and "output channel 3 is 16 times" in found.text
    assert "--effort high" in found.remedy


CHAIN = """g (float[1,8,8,8] x) => (float[1,8,8,8] y)
    <float[8,8,1,1] w1, float[8,8,1,1] w2, float[8,8,1,1] w3> {
        bad = Conv(x, w1)
        next = Conv(bad, w2)
        y = Conv(next, w3)
    }"""


def test_layers_that_pass_on_what_one_has_done_stand_behind_that_one() -> None:
    first = np.random.default_rng(0).normal(size=(8, 8, 1, 1))
    first[2] *= 100
    second = np.random.default_rng(1).normal(size=(8, 8, 1, 1))
    second[:, 2] = 0  # so that only what is rounded away counts
    found = findings(CHAIN, w1=first, w2=second)
    assert set(found) == {"bad"}
    assert found["bad"].reason == "outlier channel" and set(found["bad"].affected) == {"next", "y"}


def test_noise_that_has_gathered_is_no_one_layers_fault() -> None:
    nodes = " ".join(f"c{i + 1} = Conv(c{i}, w{i})" for i in range(9))
    declared = ", ".join(f"float[8,8,1,1] w{i}" for i in range(10))
    text = f"g (float[1,8,8,8] c0) => (float[1,8,8,8] y) <{declared}> {{ {nodes} y = Conv(c9, w9) }}"
    found = findings(text)
    last = next(iter(found.values()))
    assert last.reason == "inherited" and "has gathered in" in last.text
    assert last.own_sqnr_db > last.sqnr_db + 4


def test_a_layer_that_is_as_good_as_int8_gets_says_so() -> None:
    (found,) = findings(ONE.format("y = Conv(x, w)"), w=loud(0, 1)).values()
    assert found.reason == "rounding" and "nothing is wrong here" in found.remedy
    assert found.own_sqnr_db == pytest.approx(found.sqnr_db, abs=6)
