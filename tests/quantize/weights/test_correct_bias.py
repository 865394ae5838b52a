"""Bias correction brings the means of channels back, and leaves alone what it cannot know."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest
from numpy.typing import NDArray

from mobiledeploy.quantize.quantize_model import quantize_model
from mobiledeploy.quantize.recipe import QuantizeRecipe
from mobiledeploy.quantize.weights.correct_bias import correct_biases
from mobiledeploy.runtime.runtimes import OnnxSession, Sample
from mobiledeploy.runtime.targets import LITERT_2_3
from mobiledeploy.testing import model_from_text
from mobiledeploy.verify.metrics import compare

NET = """g (float[1,3,8,8] x) => (float[1,6,1,1] y)
    <float[16,3,3,3] w, float[16] b, float[16,16,1,1] v, float[6,16,1,1] u, float[6] d, int64[2] axes> {
    a = Conv<pads = [1, 1, 1, 1]>(x, w, b)
    r = Relu(a)
    c = Conv(r, v)
    s = Relu(c)
    m = ReduceMean<keepdims = 1>(s, axes)
    y = Conv(m, u, d)
}"""


def network() -> ir.Model:
    """Weights of one sign that all lie on one side of a step: rounding shifts every channel the same way.

    The large weight that makes the steps so wide reads a channel that is hardly ever above zero.
    """
    rng = np.random.default_rng(1)
    steps = np.floor(rng.uniform(1, 7, (16, 16, 1, 1))) + 0.45
    steps[:, 0] = 127
    bias = rng.normal(size=16)
    bias[0] = -5
    return model_from_text(NET, axes=[2, 3], b=bias, v=steps / 127)


def inputs(count: int, first_seed: int = 0) -> list[Sample]:
    return [
        {"x": np.random.default_rng(seed).normal(0.3, 1, (1, 3, 8, 8)).astype(np.float32)}
        for seed in range(first_seed, first_seed + count)
    ]


def outputs(model: ir.Model, samples: list[Sample]) -> list[NDArray[np.float32]]:
    session = OnnxSession(model, optimize=False)
    return [session.run(sample)["y"] for sample in samples]


def quantized(model: ir.Model, correct_bias: bool) -> ir.Model:
    copy = model.clone()
    log = quantize_model(copy, inputs(32), LITERT_2_3, QuantizeRecipe(correct_bias=correct_bias))
    assert bool(log.biases) == correct_bias
    return copy


def test_a_systematic_shift_is_taken_back_on_inputs_that_were_not_seen() -> None:
    model, holdout = network(), inputs(32, first_seed=100)
    wanted = outputs(model, holdout)
    without, corrected = (
        compare(wanted, outputs(quantized(model, flag), holdout)).sqnr_db for flag in (False, True)
    )
    assert corrected > without + 6


def test_every_layer_gets_the_mean_of_the_float_network() -> None:
    model = network()
    layers = ("a", "c", "y")
    corrected = quantized(model, correct_bias=True)
    means = {}
    for key, graph in (("float", model), ("int8", corrected)):
        names = [name if key == "float" or name != "y" else "y/float" for name in layers]
        session = OnnxSession(graph, extra_outputs=names, optimize=False)
        values = [session.values(sample, names) for sample in inputs(32)]
        means[key] = [np.mean([v[i] for v in values], axis=(0, 1, 3, 4)) for i in range(len(layers))]
    for name, wanted, found in zip(layers, means["float"], means["int8"], strict=True):
        assert np.abs(found - wanted).max() < 0.02 * np.abs(wanted).max(), name


def test_a_second_correction_finds_little_to_do() -> None:
    model = network()
    corrected = quantized(model, correct_bias=True)
    again = correct_biases(corrected, model, inputs(32, first_seed=500))
    assert max(layer.shift for layer in again) < 0.02


def test_a_convolution_without_a_bias_is_corrected_too() -> None:
    log = quantize_model(network(), inputs(2), LITERT_2_3, QuantizeRecipe())
    assert [correction.layer for correction in log.biases] == ["a", "c", "y"]


def test_float_layers_are_left_alone() -> None:
    assert correct_biases(network(), network(), inputs(2)) == []


@pytest.mark.parametrize("count", [1, 3])
def test_few_samples_are_enough(count: int) -> None:
    model = network()
    copy = model.clone()
    log = quantize_model(copy, inputs(count), LITERT_2_3, QuantizeRecipe())
    assert len(log.biases) == 3 and all(np.isfinite(layer.shift) for layer in log.biases)
