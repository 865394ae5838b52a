"""Mixtures of int8 and float begin and end where they must."""

from __future__ import annotations

import numpy as np

from mobiledeploy.exporters.rewrites.stages import rewrite_for_target
from mobiledeploy.graph.onnx_graph import tidy
from mobiledeploy.quantize.explain.layer_findings import explain_layers
from mobiledeploy.quantize.mixed.mixed_cost import estimated_instructions
from mobiledeploy.quantize.mixed.mixed_graph import Rounding
from mobiledeploy.quantize.quantize_model import quantize_model
from mobiledeploy.quantize.recipe import QuantizeRecipe
from mobiledeploy.runtime.runtimes import OnnxSession
from mobiledeploy.runtime.targets import LITERT_2_3
from mobiledeploy.testing import assert_same_outputs, model_from_text, random_sample

TEXT = """g (float[1,3,8,8] x) => (float[1,10] y)
    <float[8,3,3,3] w1, float[8] b1, float[8,1,3,3] w2, float[10,8] w3, float[10] b3,
     int64[2] axes = {2, 3}> {
        a = Conv<pads=[1,1,1,1]>(x, w1, b1)
        s = HardSwish(a)
        d = Conv<pads=[1,1,1,1], group=8>(s, w2)
        r = Relu(d)
        t = Add(r, s)
        m = ReduceMean<keepdims=0>(t, axes)
        y = Gemm<transB=1>(m, w3, b3)
    }"""


def test_with_nothing_in_float_it_is_the_quantized_graph_and_with_all_the_float_one() -> None:
    model = model_from_text(TEXT)
    before = model.clone()
    rewrite_for_target(model, LITERT_2_3, "int8")
    samples = [random_sample(model, seed) for seed in range(8)]
    graph = quantize_model(model, samples, LITERT_2_3, QuantizeRecipe()).graph
    for written in (graph.to_qdq(), tidy(graph.to_qdq())):
        for sample in samples:
            ours, theirs = (OnnxSession(m, optimize=False, threads=1).run(sample) for m in (written, model))
            np.testing.assert_array_equal(ours["y"], theirs["y"])  # corrected biases, too
    assert_same_outputs(before, graph.to_qdq(graph.layers), rtol=1e-4, atol=1e-5)


def test_layers_that_are_kept_in_float_are_no_layers_of_the_graph_any_more() -> None:
    model = model_from_text(TEXT)
    rewrite_for_target(model, LITERT_2_3, "int8")
    samples = [random_sample(model, seed) for seed in range(8)]
    graph = quantize_model(model, samples, LITERT_2_3, QuantizeRecipe()).graph
    in_float = [layer for layer in graph.layers if layer.op == "Conv"]
    kept = graph.with_float_layers(in_float)
    assert graph.instructions(in_float) == estimated_instructions(graph.to_qdq(in_float), LITERT_2_3)
    assert kept.layers == [layer for layer in graph.layers if layer.op != "Conv"]
    assert set(kept.roundings()) == set(graph.roundings(in_float))
    assert_same_outputs(graph.to_qdq(in_float), kept.to_qdq(), rtol=0, atol=0)
    assert {finding.layer for finding in explain_layers(kept, samples)} <= {
        layer.name for layer in kept.layers
    }


def test_a_value_is_rounded_as_long_as_one_op_in_int8_touches_it() -> None:
    text = """g (float[1,4] x) => (float[1,4] y) <float[4,4] w, float[4,4] v> {
        a = Gemm<transB=1>(x, w)
        y = Gemm<transB=1>(a, v)
    }"""
    model = model_from_text(text)
    samples = [random_sample(model, seed) for seed in range(4)]
    before = model.clone()
    graph = quantize_model(model, samples, LITERT_2_3, QuantizeRecipe(correct_bias=False)).graph
    first, _ = graph.layers
    x, a, y = (Rounding((name,), False) for name in "xay")
    w, v = (Rounding((name,), True) for name in "ay")
    assert graph.roundings() == [x, a, y, w, v]
    assert graph.roundings([first]) == [a, y, v] and graph.roundings(graph.layers) == []
    for rounding, ops in ((a, 1), (v, 0)):
        alone = graph.rounding_once(rounding)
        assert [node.op_type for node in alone.graph].count("QuantizeLinear") == ops
        expected, found = (OnnxSession(m).run(samples[0])["y"] for m in (before, alone))
        assert 0 < np.abs(expected - found).max() < 0.1 * np.abs(expected).max()


def test_instructions_of_int8_of_float_and_of_the_boundary_between_them() -> None:
    text = "g (float[1,4,8,8] x) => (float[1,4,8,8] y) <float[4,4,1,1] w, float[4,1,3,3] v> {{ {} }}"
    nodes = "a = Conv(x, w) y = Conv<pads=[1,1,1,1], group=4>(a, v)"
    model = model_from_text(text.format(nodes))
    samples = [random_sample(model, seed) for seed in range(2)]
    graph = quantize_model(model, samples, LITERT_2_3, QuantizeRecipe()).graph
    elements, boundary = 4 * 64, LITERT_2_3.boundary
    dense, depthwise = elements * 4, elements * 9
    int8, in_float = LITERT_2_3.costs["int8"], LITERT_2_3.costs["float32"]
    both = 2 * elements * boundary  # the input and the output are float as they come and go
    assert estimated_instructions(graph.to_qdq(), LITERT_2_3) == (
        dense * int8.dense + depthwise * int8.depthwise + both
    )
    first, _ = graph.layers
    assert estimated_instructions(graph.to_qdq([first]), LITERT_2_3) == (
        dense * in_float.dense + depthwise * int8.depthwise + both
    )
    assert estimated_instructions(graph.to_qdq(graph.layers), LITERT_2_3) == (
        dense * in_float.dense + depthwise * in_float.depthwise
    )
