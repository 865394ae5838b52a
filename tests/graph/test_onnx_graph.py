"""The questions that passes ask of a graph."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest

from mobiledeploy.base.errors import UnsupportedModelError
from mobiledeploy.graph.onnx_graph import (
    array_of,
    constant,
    describe,
    float_array,
    is_quantized,
    name_of,
    producer_of,
    rank,
    required,
    scalar,
    shape_of,
    simplify,
    static_inputs,
)
from mobiledeploy.runtime.runtimes import OnnxSession
from mobiledeploy.testing import model_from_text, op_types, random_sample


def test_simplify_keeps_what_onnx_runtime_does_not_know() -> None:
    model = model_from_text(
        """<ir_version: 10, opset_import: ["" : 20, "custom" : 1]>
        g (float[2] x) => (float[2] y) { a = custom.Op(x) b = Identity(a) y = Relu(b) }"""
    )
    assert op_types(simplify(model)) == ["Op", "Relu"]


def test_questions() -> None:
    model = model_from_text(
        """g (float[1, 3] x, int64 n) => (float[1, 3] y) <float[1, 1] two = {2.0}, int64[2] axes = {0, 1}> {
            m = ReduceMean(x, axes) y = Mul(x, two) }"""
    )
    (node,) = model.graph
    x, two = map(required, node.inputs)
    assert (constant(x), float_array(x), scalar(x), constant(None)) == (None, None, None, None)
    assert (scalar(two), shape_of(two), shape_of(x)) == (2.0, (1, 1), (1, 3))
    assert describe(node) == "Mul node 'y'"
    assert (rank(x), name_of(x), producer_of(node.outputs[0]) is node) == (2, "x", True)
    with pytest.raises(AssertionError, match="'x' is not constant"):
        array_of(x)
    assert not is_quantized(model)
    model.graph.inputs[0].shape = ir.Shape(["N", 3])
    with pytest.raises(UnsupportedModelError, match=r"gives 'x' the dynamic shape"):
        shape_of(model.graph.inputs[0])
    with pytest.raises(UnsupportedModelError, match=r"input 'x' has the dynamic shape \[N, 3\]"):
        static_inputs(model)


def test_random_sample_runs() -> None:
    model = model_from_text("g (float[1, 3] x, float[1, 3] z) => (float[1, 3] y) { y = Add(x, z) }")
    sample = random_sample(model, seed=1)
    assert np.array_equal(OnnxSession(model).run(sample)["y"], sample["x"] + sample["z"])
