"""The written QDQ graph."""

from __future__ import annotations

import numpy as np
import onnx
import onnx_ir as ir

from mobiledeploy.exporters.tflite.lowerings.registry import has_int8_form
from mobiledeploy.graph.onnx_graph import constant
from mobiledeploy.graph.params import QuantParams, activation_params
from mobiledeploy.quantize.qdq.insert_qdq import insert_qdq
from mobiledeploy.quantize.qdq.plan import Plan
from mobiledeploy.quantize.qdq.points import find_points
from mobiledeploy.runtime.targets import LITERT_2_3
from mobiledeploy.testing import model_from_text

NET = """
    g (float[1,3,4,4] x) => (float[1,5] y, float[1,4,4,4] r)
    <float[4,3,1,1] w, float[4] b, float[4,5] v, float[5] d, float[1] three, int64[2] axes> {
        c = Conv(x, w, b)
        r = Relu(c)
        a = Add(r, three)
        m = ReduceMean<keepdims=0>(a, axes)
        y = Gemm(m, v, d)
    }"""


def written(text: str = NET) -> tuple[ir.Model, dict[str, QuantParams]]:
    model = model_from_text(text, three=3.0, axes=[2, 3])
    points = find_points(model.graph, LITERT_2_3, has_int8_form)
    params = {name: activation_params(-1.0 - i, 2.0 + i) for i, name in enumerate(points.values)}
    insert_qdq(model, Plan(points, params))
    return model, params


def stored(model: ir.Model, node: ir.Node, index: int) -> QuantParams:
    """Parameters of a node's constant, read back from its DequantizeLinear."""
    dequantizer = node.inputs[index].producer()  # type: ignore[union-attr]
    assert dequantizer is not None and dequantizer.op_type == "DequantizeLinear"
    integers, scale, zero_point = (constant(value) for value in dequantizer.inputs)
    assert integers is not None and scale is not None and zero_point is not None
    axis = dequantizer.attributes.get_int("axis", 1) if scale.ndim else None
    return QuantParams(np.atleast_1d(scale), np.atleast_1d(zero_point), axis, integers.dtype)


def node_of(model: ir.Model, op_type: str) -> ir.Node:
    return next(node for node in model.graph if node.op_type == op_type)


def test_the_checker_passes_and_names_are_kept() -> None:
    model, _ = written()
    proto = ir.to_proto(model)
    onnx.checker.check_model(proto, full_check=True)
    assert [value.name for value in model.graph.outputs] == ["y", "r"]
    assert [value.name for value in model.graph.inputs] == ["x"]
    assert len({n.name for n in model.graph}) == len(list(model.graph))


def test_weights_are_symmetric_per_output_channel_and_biases_int32() -> None:
    model, params = written()
    for op_type, axis, x in (("Conv", 0, "x"), ("Gemm", 1, "m")):
        node = node_of(model, op_type)
        weights, bias = stored(model, node, 1), stored(model, node, 2)
        assert weights.dtype == np.int8 and weights.axis == axis and not weights.zero_point.any()
        assert bias.dtype == np.int32 and bias.axis == 0 and not bias.zero_point.any()
        np.testing.assert_allclose(bias.scale, params[x].scale * weights.scale, rtol=1e-6)


def test_constants_of_arithmetic_are_int8_per_tensor() -> None:
    model, _ = written()
    three = stored(model, node_of(model, "Add"), 1)
    assert three.dtype == np.int8 and three.axis is None and three.scale[0] == np.float32(3 / 255)


def test_an_output_that_is_read_again_is_quantized_once() -> None:
    model, _ = written()
    output = model.graph.outputs[1]
    assert output.producer().op_type == "DequantizeLinear"  # type: ignore[union-attr]
    assert [use.node.op_type for use in output.uses()] == ["Add"]


def test_weights_of_two_layers_are_quantized_for_each() -> None:
    model, _ = written(
        """g (float[1,4,4,4] x) => (float[1,4,4,4] y) <float[4,4,1,1] w, float[4] b> {
            c = Conv(x, w, b)
            y = Conv(c, w, b)
        }"""
    )
    first, second = (node for node in model.graph if node.op_type == "Conv")
    assert stored(model, first, 1).same_as(stored(model, second, 1))
    assert not stored(model, first, 2).same_as(stored(model, second, 2))


def test_a_bias_too_large_for_its_weights_raises_their_scale() -> None:
    model = model_from_text(
        """g (float[1,2,4,4] x) => (float[1,2,4,4] y) <float[2,2,1,1] w, float[2] b> { y = Conv(x, w, b) }""",
        w=np.array([[1.0, 1.0], [1e-4, 0]]).reshape(2, 2, 1, 1),
        b=[0.5, 1e5],
    )
    points = find_points(model.graph, LITERT_2_3, has_int8_form)
    insert_qdq(model, Plan(points, dict.fromkeys(points.values, activation_params(-0.01, 0.01))))
    conv = node_of(model, "Conv")
    weights, bias = stored(model, conv, 1), stored(model, conv, 2)
    integers = constant(conv.inputs[2].producer().inputs[0])  # type: ignore[union-attr]
    assert weights.scale[0] == np.float32(1 / 127) and integers is not None
    np.testing.assert_allclose(integers * bias.scale, [0.5, 1e5], rtol=1e-4)


def test_the_same_graph_is_written_every_time() -> None:
    first, second = (ir.to_proto(written()[0]).SerializeToString(deterministic=True) for _ in range(2))
    assert first == second
