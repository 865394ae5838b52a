"""Float graph to QDQ graph: accuracy, memory, determinism, what the specification fixes."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from numpy.typing import NDArray

from mobiledeploy.base.errors import InputError
from mobiledeploy.exporters.rewrites.stages import rewrite_for_target
from mobiledeploy.exporters.tflite.onnx_to_tflite import lower
from mobiledeploy.exporters.tflite.writer import write_tflite
from mobiledeploy.graph.onnx_graph import constant, result_of
from mobiledeploy.quantize.calibrate.calibrators import CALIBRATORS
from mobiledeploy.quantize.calibrate.observe import collect_histograms
from mobiledeploy.quantize.quantize_model import quantize_model
from mobiledeploy.quantize.recipe import QuantizeRecipe
from mobiledeploy.runtime.runtimes import OnnxSession, Sample, TfliteSession
from mobiledeploy.runtime.targets import LITERT_2_3
from mobiledeploy.testing import model_from_text, random_sample

Floats = NDArray[np.float32]

BLOCK = """
    g (float[1,3,16,16] x) => (float[1,10] y)
    <float[8,3,3,3] w1, float[8] b1, float[8,1,5,5] w2, float[8] b2, float[4,8,1,1] w3, float[4] b3,
     float[8,4,1,1] w4, float[8] b4, float[8,8,1,1] w5, float[8] b5, float[10,8] w6, float[10] b6,
     int64[2] axes> {
        stem = Conv<pads=[1,1,1,1], strides=[2,2]>(x, w1, b1)
        hs = HardSwish(stem)
        dw = Conv<pads=[2,2,2,2], group=8>(hs, w2, b2)
        hs2 = HardSwish(dw)
        pooled = ReduceMean<keepdims=1>(hs2, axes)
        squeeze = Conv(pooled, w3, b3)
        relu = Relu(squeeze)
        expand = Conv(relu, w4, b4)
        gate = HardSigmoid<alpha=0.16666667, beta=0.5>(expand)
        se = Mul(gate, hs2)
        project = Conv(se, w5, b5)
        sum = Add(project, hs)
        head = ReduceMean<keepdims=0>(sum, axes)
        y = Gemm<transB=1>(head, w6, b6)
    }"""


def block() -> ir.Model:
    """A stem, an inverted residual with h-swish and squeeze-excite, a head; rewritten for int8."""
    model = model_from_text(BLOCK, axes=[2, 3])
    rewrite_for_target(model, LITERT_2_3, "int8")
    return model


def samples(model: ir.Model, count: int = 16) -> list[Sample]:
    return [random_sample(model, seed, scale=1.0) for seed in range(count)]


def sqnr_db(reference: list[Floats], candidate: list[Floats]) -> float:
    wanted, found = np.concatenate(reference), np.concatenate(candidate)
    return float(10 * np.log10((wanted**2).sum() / ((wanted - found) ** 2).sum()))


@pytest.mark.parametrize("method", CALIBRATORS)
def test_signal_to_noise_of_a_mobilenet_block(method: str, tmp_path: Path) -> None:
    model = block()
    wanted = [OnnxSession(model).run(sample)["y"] for sample in samples(model)]
    assert not quantize_model(model, samples(model), LITERT_2_3, QuantizeRecipe(calibrator=method)).widened
    onnx.checker.check_model(ir.to_proto(model))
    path = tmp_path / "int8.tflite"
    path.write_bytes(write_tflite(lower(model, LITERT_2_3), "test"))
    session = TfliteSession(path)
    assert sqnr_db(wanted, [session.run(sample)["y"] for sample in samples(model)]) > 28


def test_two_runs_give_the_same_bytes() -> None:
    results = []
    for _ in range(2):
        model = block()
        quantize_model(model, samples(model), LITERT_2_3, QuantizeRecipe())
        results.append(ir.to_proto(model).SerializeToString(deterministic=True))
    assert results[0] == results[1]


def test_the_order_of_the_samples_does_not_matter() -> None:
    results = []
    for reverse in (False, True):
        model = block()
        ordered = sorted(samples(model), key=lambda s: float(s["x"][0, 0, 0, 0]), reverse=reverse)
        quantize_model(model, ordered, LITERT_2_3, QuantizeRecipe())
        results.append(ir.to_proto(model).SerializeToString(deterministic=True))
    assert results[0] == results[1]


def test_one_sample_at_a_time_is_in_memory() -> None:
    model, living, most = block(), 0, 0

    def gone() -> None:
        nonlocal living
        living -= 1

    def counted() -> Iterator[Sample]:
        nonlocal living, most
        for seed in range(6):
            sample = random_sample(model, seed)
            living += 1
            weakref.finalize(sample["x"], gone)
            gc.collect()
            most = max(most, living)
            yield sample
            del sample

    calls = []
    groups = [[result_of(node)] for node in model.graph]
    collect_histograms(model, groups, counted(), lambda: calls.append(1))
    assert len(calls) == 6
    assert most <= 2  # the one in hand and the one that is being made


def test_outputs_that_the_specification_fixes() -> None:
    model = model_from_text(
        """g (float[1,4] x) => (float[1,4] s, float[1,4] t, float[4] f, float[1,8] k) <int64[1] shape> {
            s = Sigmoid(x)
            t = Tanh(x)
            p = Softmax(x)
            f = Reshape(p, shape)
            q = Sigmoid(x)
            k = Concat<axis=1>(q, x)
        }""",
        shape=[4],
    )
    quantize_model(model, samples(model), LITERT_2_3, QuantizeRecipe())
    found = {}
    for node in model.graph:
        if node.op_type == "QuantizeLinear":
            scale, zero_point = constant(node.inputs[1]), constant(node.inputs[2])
            assert scale is not None and zero_point is not None
            found[(node.name or "").split("/")[0]] = (float(scale), int(zero_point))
    probability = (1 / 256, -128)
    assert found["s"] == found["p"] == found["f"] == probability and found["t"] == (1 / 128, 0)
    assert found["q"] == found["k"] == found["x"] != probability


def test_no_samples_is_an_error() -> None:
    with pytest.raises(InputError, match="no calibration samples, expected at least one"):
        quantize_model(block(), [], LITERT_2_3, QuantizeRecipe())


def test_a_value_that_is_not_finite_is_named() -> None:
    model = block()
    bad = {"x": np.full((1, 3, 16, 16), np.nan, np.float32)}
    with pytest.raises(InputError, match="'x' is NaN or infinite on calibration sample 1"):
        quantize_model(model, [random_sample(model), bad], LITERT_2_3, QuantizeRecipe())


def test_a_branch_that_is_always_zero(tmp_path: Path) -> None:
    model = model_from_text(
        """g (float[1,2,4,4] x) => (float[1,2,4,4] y)
        <float[2,2,1,1] w, float[2] b, float[2,2,1,1] v, float[2] d> {
            c = Conv(x, w, b)
            r = Relu(c)
            e = Conv(r, v, d)
            y = Add(e, x)
        }""",
        b=-100.0,
    )
    calibration = list(samples(model))
    wanted = [OnnxSession(model).run(sample)["y"] for sample in calibration]
    quantize_model(model, calibration, LITERT_2_3, QuantizeRecipe())
    path = tmp_path / "int8.tflite"
    path.write_bytes(write_tflite(lower(model, LITERT_2_3), "test"))
    session = TfliteSession(path, nhwc=True)
    assert sqnr_db(wanted, [session.run(sample)["y"] for sample in calibration]) > 30


def test_recipes_name_their_choices() -> None:
    expected = r"--calibrator is 'median', expected one of cubed, mse, min-max, .*, search"
    with pytest.raises(InputError, match=expected):
        QuantizeRecipe(calibrator="median")
