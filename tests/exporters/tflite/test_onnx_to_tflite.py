"""The whole lowering: layouts at the boundaries, outputs of every kind, integer inputs and outputs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx_ir as ir
import pytest

from mobiledeploy.base.errors import UnsupportedModelError
from mobiledeploy.exporters.tflite.graph import TfliteGraph
from mobiledeploy.exporters.tflite.onnx_to_tflite import IoType, lower
from mobiledeploy.exporters.tflite.writer import write_tflite
from mobiledeploy.quantize.quantize_model import quantize_model
from mobiledeploy.quantize.recipe import QuantizeRecipe
from mobiledeploy.runtime.runtimes import OnnxSession, Outputs, Sample, TfliteSession
from mobiledeploy.runtime.targets import LITERT_2_3
from mobiledeploy.testing import model_from_text, random_sample

TWO_HEADS = """
    g (float[1,3,8,8] image) => (float[1,4,8,8] map, float[1,4] scores)
    <float[4,3,3,3] w, float[4] b, float[4,4,1,1] v, int64[2] axes> {
        c = Conv<pads=[1,1,1,1]>(image, w, b)
        r = Relu(c)
        map = Conv(r, v)
        scores = ReduceMean<keepdims=0>(r, axes)
    }"""


def run(graph: TfliteGraph, folder: Path, sample: Sample) -> Outputs:
    path = folder / "model.tflite"
    path.write_bytes(write_tflite(graph, "test"))
    return TfliteSession(path, nhwc=True).run(sample)


def quantized(model: ir.Model) -> ir.Model:
    samples = [random_sample(model, seed) for seed in range(4)]
    quantize_model(model, samples, LITERT_2_3, QuantizeRecipe(calibrator="min-max"))
    return model


def steps(graph: TfliteGraph, qdq: TfliteGraph) -> dict[str, float]:
    """Output name -> scale, found in the lowering with float inputs and outputs."""
    found = {}
    for name, tensor in qdq.outputs.items():
        producer = qdq.producer(tensor)
        assert (
            producer is not None and producer.inputs[0] is not None and producer.inputs[0].params is not None
        )
        found[name] = float(producer.inputs[0].params.scale[0])
    return found


@pytest.mark.parametrize("io", ["float32", "int8", "uint8"])
def test_io_types_of_a_model_with_two_outputs(io: IoType, tmp_path: Path) -> None:
    model = quantized(model_from_text(TWO_HEADS, axes=[2, 3]))
    graph = lower(model, LITERT_2_3, io)
    assert list(graph.inputs) == ["image"] and list(graph.outputs) == ["map", "scores"]
    assert {t.dtype for t in (*graph.inputs.values(), *graph.outputs.values())} == {np.dtype(io)}
    assert [t.name for t in graph.inputs.values()] == ["image"]
    assert [op.name for op in graph.ops].count("QUANTIZE") == {"float32": 1, "int8": 0, "uint8": 3}[io]
    sample = random_sample(model, 9)
    expected, step = OnnxSession(model, optimize=False).run(sample), steps(graph, lower(model, LITERT_2_3))
    actual = run(graph, tmp_path, sample)
    for name in expected:
        np.testing.assert_allclose(actual[name], expected[name], rtol=0, atol=1.001 * step[name])


def test_integers_are_the_same_whatever_the_io_type(tmp_path: Path) -> None:
    model = quantized(model_from_text(TWO_HEADS, axes=[2, 3]))
    sample = random_sample(model, 9)
    results = [run(lower(model, LITERT_2_3, io), tmp_path, sample) for io in ("float32", "int8", "uint8")]
    for other in results[1:]:
        for name, array in results[0].items():
            np.testing.assert_allclose(other[name], array, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("io", ["float32", "int8", "uint8"])
def test_an_input_that_is_quantized_twice(io: IoType, tmp_path: Path) -> None:
    model = model_from_text(
        """g (float[1,4] x) => (float[1,4] y)
        <float s, int8 z, float t> {
            a = QuantizeLinear(x, s, z)
            b = DequantizeLinear(a, s, z)
            c = QuantizeLinear(x, t, z)
            d = DequantizeLinear(c, t, z)
            e = Add(b, d)
            f = QuantizeLinear(e, t, z)
            y = DequantizeLinear(f, t, z)
        }""",
        s=0.05,
        z=0,
        t=0.1,
    )
    sample = {"x": np.array([[0.1, -0.5, 1.0, 3.0]], np.float32)}
    actual = run(lower(model, LITERT_2_3, io), tmp_path, sample)
    np.testing.assert_allclose(actual["y"], OnnxSession(model, optimize=False).run(sample)["y"], atol=0.1001)


def test_a_float_model_keeps_its_inputs_and_outputs() -> None:
    graph = lower(model_from_text(TWO_HEADS, axes=[2, 3]), LITERT_2_3, "int8")
    assert {t.dtype for t in (*graph.inputs.values(), *graph.outputs.values())} == {np.dtype(np.float32)}


def test_outputs_that_are_inputs_constants_or_read_again(tmp_path: Path) -> None:
    model = model_from_text(
        """g (float[1,2,3,4] x) => (float[1,2,3,4] same, float[1,2,3,4] k, float[1,2,3,4] r, float[1,2,3,4] y)
        <float[1,2,3,4] k> {
            same = Identity(x)
            r = Relu(x)
            y = Add(r, k)
        }"""
    )
    sample = random_sample(model)
    actual = run(lower(model, LITERT_2_3), tmp_path, sample)
    expected = OnnxSession(model).run(sample)
    assert set(actual) == {"same", "k", "r", "y"}
    for name in expected:
        np.testing.assert_allclose(actual[name], expected[name], rtol=1e-6, err_msg=name)


@pytest.mark.parametrize("is_int8", [False, True])
def test_one_value_as_two_outputs(is_int8: bool, tmp_path: Path) -> None:
    model = model_from_text(
        """g (float[1,2,3,4] x) => (float[1,2,3,4] r, float[1,2,3,4] s, float[1,2,3,4] t) {
            r = Relu(x) s = Identity(r) t = Identity(s) }"""
    )
    model = quantized(model) if is_int8 else model
    graph, sample = lower(model, LITERT_2_3), random_sample(model)
    actual, expected = run(graph, tmp_path, sample), OnnxSession(model, optimize=False).run(sample)
    assert set(actual) == {"r", "s", "t"}
    for name in expected:
        atol = 1.001 * steps(graph, graph)[name] if is_int8 else 0
        np.testing.assert_allclose(actual[name], expected[name], rtol=0, atol=atol, err_msg=name)


def test_images_are_nhwc_and_other_ranks_as_in_onnx() -> None:
    graph = lower(model_from_text(TWO_HEADS, axes=[2, 3]), LITERT_2_3)
    assert graph.inputs["image"].shape == (1, 8, 8, 3)
    assert graph.outputs["map"].shape == (1, 8, 8, 4)
    assert graph.outputs["scores"].shape == (1, 4)


def test_the_model_is_not_changed() -> None:
    model = quantized(model_from_text(TWO_HEADS, axes=[2, 3]))
    before = ir.to_proto(model).SerializeToString(deterministic=True)
    lower(model, LITERT_2_3, "int8")
    assert ir.to_proto(model).SerializeToString(deterministic=True) == before


def test_half_precision_is_refused() -> None:
    model = model_from_text("g (float16[1,4] x) => (float16[1,4] y) { y = Relu(x) }")
    with pytest.raises(UnsupportedModelError, match="'x' has type float16, expected float32; export"):
        lower(model, LITERT_2_3)


def test_every_op_names_the_node_it_came_from() -> None:
    graph = lower(model_from_text(TWO_HEADS, axes=[2, 3]), LITERT_2_3)
    assert [op.source for op in graph.ops][:1] == ["Conv node 'r'"]
    assert all(op.source for op in graph.ops)
