"""QDQ graphs as integer graphs: which ops join, and that no parameter changes by a bit."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx_ir as ir
import pytest

from mobiledeploy.base.errors import UnsupportedModelError
from mobiledeploy.exporters.tflite.fold_qdq import PARAMS, fold_qdq
from mobiledeploy.exporters.tflite.lowerings.registry import has_integer_form
from mobiledeploy.graph.params import QuantParams, dequantize
from mobiledeploy.testing import array_of, model_from_text, op_types

Q, DQ = "QuantizeLinear", "DequantizeLinear"

PARAMETERS = """float sx = {0.1}, int8 zx = {3}, float sy = {0.2}, int8 zy = {-7},
    float sw = {0.01}, int8 zw = {0}, int8[4, 3, 1, 1] w, int32[4] b, float sb = {0.001}, int32 zb = {0}"""

WEIGHTS = np.random.default_rng(0).integers(-127, 128, (4, 3, 1, 1))
BIAS = np.array([5, -6, 700000, 0])

CONV = """q = QuantizeLinear(x, sx, zx) d = DequantizeLinear(q, sx, zx) wd = DequantizeLinear(w, sw, zw)
    bd = DequantizeLinear(b, sb, zb) c = Conv(d, wd, bd)"""


def folded(nodes: str, outputs: str = "float[1, 4, 2, 2] y", more: str = "", **constants: Any) -> ir.Model:
    text = f"g (float[1, 3, 2, 2] x) => ({outputs}) <{PARAMETERS}{more}> {{ {nodes} }}"
    model = model_from_text(text, **{"w": WEIGHTS, "b": BIAS, **constants})
    fold_qdq(model, has_integer_form)
    return model


def params(value: ir.Value | None) -> QuantParams:
    assert value is not None
    found: QuantParams = value.meta[PARAMS]
    return found


def numbers(value: ir.Value | None) -> tuple[float, int, str]:
    found = params(value)
    assert (found.scale.shape, found.zero_point.shape, found.axis) == ((1,), (1,), None)
    return float(found.scale[0]), int(found.zero_point[0]), str(found.dtype)


def f32(number: float) -> float:
    return float(np.float32(number))


def test_joins_and_keeps_parameters_to_the_bit() -> None:
    model = folded(f"{CONV} p = QuantizeLinear(c, sy, zy) y = DequantizeLinear(p, sy, zy)")
    assert op_types(model) == [Q, "Conv", DQ]
    _, conv, dequantizer = model.graph
    x, w, b = conv.inputs
    assert numbers(x) == (f32(0.1), 3, "int8")
    assert numbers(w) == (f32(0.01), 0, "int8")
    assert numbers(b) == (f32(0.001), 0, "int32")
    assert numbers(conv.outputs[0]) == (f32(0.2), -7, "int8")
    assert np.array_equal(array_of(w), WEIGHTS) and array_of(w).dtype == np.int8
    assert np.array_equal(array_of(b), BIAS) and array_of(b).dtype == np.int32
    assert conv.outputs[0].dtype == ir.DataType.INT8
    assert dequantizer.outputs[0] is model.graph.outputs[0]


def test_fused_activation_lies_inside() -> None:
    model = folded(f"{CONV} r = Relu(c) p = QuantizeLinear(r, sy, zy) y = DequantizeLinear(p, sy, zy)")
    # The Relu is fused before this step in the exporter; alone, it keeps its producer from joining.
    assert op_types(model) == [Q, DQ, "Conv", "Relu", Q, DQ]


def test_per_channel() -> None:
    more = ", float[4] sc = {0.1, 0.2, 0.3, 0.4}, int8[4] zc = {0, 0, 0, 0}, int32[4] zd = {0, 0, 0, 0}"
    nodes = """q = QuantizeLinear(x, sx, zx) d = DequantizeLinear(q, sx, zx)
        wd = DequantizeLinear<axis = -4>(w, sc, zc) bd = DequantizeLinear<axis = 0>(b, sc, zd)
        c = Conv(d, wd, bd) p = QuantizeLinear(c, sy, zy) y = DequantizeLinear(p, sy, zy)"""
    model = folded(nodes, more=more)
    assert op_types(model) == [Q, "Conv", DQ]
    for value in model.graph[1].inputs[1:]:
        assert np.array_equal(params(value).scale, np.array([0.1, 0.2, 0.3, 0.4], np.float32))
        assert params(value).axis == 0
    assert np.array_equal(array_of(model.graph[1].inputs[1]), WEIGHTS)


def test_uint8_becomes_int8_of_the_same_real_numbers() -> None:
    more = ", uint8 ux = {131}, uint8 uy = {0}, uint8 uw = {128}, uint8[4, 3, 1, 1] v"
    nodes = """q = QuantizeLinear(x, sx, ux) d = DequantizeLinear(q, sx, ux) wd = DequantizeLinear(v, sw, uw)
        c = Conv(d, wd) p = QuantizeLinear(c, sy, uy) y = DequantizeLinear(p, sy, uy)"""
    model = folded(nodes, more=more, v=WEIGHTS + 128)
    assert op_types(model) == [Q, "Conv", DQ]
    conv = model.graph[1]
    assert numbers(conv.inputs[0]) == (f32(0.1), 3, "int8")
    assert numbers(conv.inputs[1]) == (f32(0.01), 0, "int8")
    assert numbers(conv.outputs[0]) == (f32(0.2), -128, "int8")
    assert np.array_equal(array_of(conv.inputs[1]), WEIGHTS)


def test_no_zero_point() -> None:
    nodes = """q = QuantizeLinear(x, sx) d = DequantizeLinear(q, sx) wd = DequantizeLinear(w, sw)
        c = Conv(d, wd) p = QuantizeLinear<output_dtype = 3>(c, sy) y = DequantizeLinear(p, sy)"""
    header = '<ir_version: 10, opset_import: ["" : 21]>'
    model = model_from_text(
        f"{header} g (float[1, 3, 2, 2] x) => (float[1, 4, 2, 2] y) <{PARAMETERS}> {{ {nodes} }}",
        w=WEIGHTS,
        b=BIAS,
    )
    fold_qdq(model, has_integer_form)
    conv = model.graph[1]
    assert numbers(conv.inputs[0]) == (f32(0.1), -128, "int8")
    assert numbers(conv.inputs[1]) == (f32(0.01), 0, "int8")
    assert numbers(conv.outputs[0]) == (f32(0.2), 0, "int8")


def test_weights_quantized_in_the_graph() -> None:
    """As PyTorch exports fake-quantized modules: float weights -> Q -> DQ -> Conv. Halves round to even."""
    more = ", float[4] sc = {0.5, 0.25, 1.0, 2.0}, int8[4] zc = {0, 0, 0, 0}, float[4, 3, 1, 1] f"
    real = np.array([[0.25, 0.75, -100], [0.1, -0.125, 0.375], [0.5, 1.5, -2.5], [1, 3, 1000]]).reshape(
        4, 3, 1, 1
    )
    nodes = """q = QuantizeLinear(x, sx, zx) d = DequantizeLinear(q, sx, zx)
        wq = QuantizeLinear<axis = 0>(f, sc, zc) wd = DequantizeLinear<axis = 0>(wq, sc, zc) c = Conv(d, wd)
        p = QuantizeLinear(c, sy, zy) y = DequantizeLinear(p, sy, zy)"""
    model = folded(nodes, more=more, f=real)
    assert op_types(model) == [Q, "Conv", DQ]
    weights = model.graph[1].inputs[1]
    want = np.array([[0, 2, -128], [0, 0, 2], [0, 2, -2], [0, 2, 127]]).reshape(4, 3, 1, 1)
    assert np.array_equal(array_of(weights), want)
    assert params(weights).axis == 0


def test_float_island() -> None:
    model = folded(
        f"{CONV} p = QuantizeLinear(c, sy, zy) e = DequantizeLinear(p, sy, zy) f = Erf(e)"
        "r = QuantizeLinear(f, sy, zy) y = DequantizeLinear(r, sy, zy)"
    )
    assert op_types(model) == [Q, "Conv", DQ, "Erf", Q, DQ]
    assert numbers(model.graph[4].outputs[0]) == (f32(0.2), -7, "int8")


def test_output_that_is_read_in_float_and_in_int8_keeps_the_op_in_float() -> None:
    model = folded(f"{CONV} p = QuantizeLinear(c, sy, zy) e = DequantizeLinear(p, sy, zy) y = Add(c, e)")
    assert op_types(model) == [Q, DQ, "Conv", Q, DQ, "Add"]
    weights = model.graph[2].inputs[1]
    expected = dequantize(
        WEIGHTS.astype(np.int8), QuantParams(np.array([0.01], np.float32), np.zeros(1, np.int64))
    )
    assert np.array_equal(array_of(weights), expected)
    assert array_of(weights).dtype == np.float32


def test_graph_output_that_is_quantized_too_keeps_the_op_in_float() -> None:
    model = folded(
        f"{CONV} p = QuantizeLinear(c, sy, zy) y = DequantizeLinear(p, sy, zy)",
        "float[1, 4, 2, 2] y, float[1, 4, 2, 2] c",
    )
    assert op_types(model) == [Q, DQ, "Conv", Q, DQ]
    assert [value.name for value in model.graph.outputs] == ["y", "c"]


def test_shared_consumers() -> None:
    model = folded(
        f"{CONV} p = QuantizeLinear(c, sy, zy) e1 = DequantizeLinear(p, sy, zy)"
        "e2 = DequantizeLinear(p, sy, zy) a = Add(e1, e2) r = QuantizeLinear(a, sx, zx)"
        "m = DequantizeLinear(r, sx, zx) y = Erf(m) v = Erf(e1)",
        "float[1, 4, 2, 2] y, float[1, 4, 2, 2] v",
    )
    assert op_types(model) == [Q, "Conv", DQ, "Add", DQ, "Erf", "Erf"]
    add = model.graph[3]
    assert add.inputs[0] is add.inputs[1] is model.graph[1].outputs[0]


def test_two_quantizers_with_the_same_parameters() -> None:
    model = folded(
        f"{CONV} p1 = QuantizeLinear(c, sy, zy) e1 = DequantizeLinear(p1, sy, zy)"
        "p2 = QuantizeLinear(c, sy, zy) e2 = DequantizeLinear(p2, sy, zy) a = Add(e1, e2)"
        "r = QuantizeLinear(a, sx, zx) y = DequantizeLinear(r, sx, zx)"
    )
    assert op_types(model) == [Q, "Conv", "Add", DQ]


def test_two_quantizers_with_different_parameters_keep_the_op_in_float() -> None:
    model = folded(
        f"{CONV} p1 = QuantizeLinear(c, sy, zy) e1 = DequantizeLinear(p1, sy, zy)"
        "p2 = QuantizeLinear(c, sx, zx) e2 = DequantizeLinear(p2, sx, zx) a = Add(e1, e2)"
        "r = QuantizeLinear(a, sx, zx) y = DequantizeLinear(r, sx, zx)"
    )
    assert op_types(model) == [Q, DQ, "Conv", Q, Q, "Add", DQ]


def test_requantization() -> None:
    nodes = """q = QuantizeLinear(x, sx, zx) d = DequantizeLinear(q, sx, zx)
        p = QuantizeLinear(d, {0}) y = DequantizeLinear(p, {0})"""
    other = folded(nodes.format("sy, zy"), "float[1, 3, 2, 2] y")
    assert op_types(other) == [Q, Q, DQ]
    assert numbers(other.graph[1].inputs[0]) == (f32(0.1), 3, "int8")
    assert numbers(other.graph[1].outputs[0]) == (f32(0.2), -7, "int8")
    same = folded(nodes.format("sx, zx"), "float[1, 3, 2, 2] y")
    assert op_types(same) == [Q, DQ]


def test_integer_inputs_and_outputs() -> None:
    text = f"""g (int8[1, 3, 2, 2] q) => (int8[1, 4, 2, 2] p) <{PARAMETERS}> {{
        d = DequantizeLinear(q, sx, zx) wd = DequantizeLinear(w, sw, zw) c = Conv(d, wd)
        p = QuantizeLinear(c, sy, zy) }}"""
    model = model_from_text(text, w=WEIGHTS, b=BIAS)
    fold_qdq(model, has_integer_form)
    assert op_types(model) == ["Conv"]
    (output,) = model.graph.outputs
    assert (output.name, output.dtype, output.producer()) == ("p", ir.DataType.INT8, model.graph[0])
    assert numbers(model.graph.inputs[0]) == (f32(0.1), 3, "int8")
    assert numbers(output) == (f32(0.2), -7, "int8")


def test_constant_that_int8_and_float_ops_read() -> None:
    more = ", int8[4, 1, 1] k"
    model = folded(
        f"{CONV} kd = DequantizeLinear(k, sw, zw) p = QuantizeLinear(c, sy, zy)"
        "e = DequantizeLinear(p, sy, zy) a = Add(e, kd) r = QuantizeLinear(a, sy, zy)"
        "m = DequantizeLinear(r, sy, zy) f = Erf(m) y = Mul(f, kd)",
        more=more,
        k=np.array([1, -2, 100]).repeat([1, 1, 2]).reshape(4, 1, 1),
    )
    assert op_types(model) == [Q, "Conv", "Add", DQ, "Erf", "Mul"]
    in_int8, in_float = model.graph[2].inputs[1], model.graph[5].inputs[1]
    assert array_of(in_int8).reshape(-1).tolist() == [1, -2, 100, 100]
    assert np.array_equal(
        array_of(in_float).reshape(-1), np.array([1, -2, 100, 100], np.float32) * np.float32(0.01)
    )


def test_op_of_constants_only_stays_in_float() -> None:
    model = folded(
        """wd = DequantizeLinear(w, sw, zw) a = Relu(wd) p = QuantizeLinear(a, sy, zy)
        e = DequantizeLinear(p, sy, zy) y = Conv(x, e)"""
    )
    assert op_types(model) == ["Relu", Q, DQ, "Conv"]
    assert array_of(model.graph[0].inputs[0]).dtype == np.float32


def refused(nodes: str, more: str) -> str:
    with pytest.raises(UnsupportedModelError) as caught:
        folded(nodes, "float[1, 3, 2, 2] y", more)
    return str(caught.value)


def relu_between(dtype: str, zero_point: int) -> ir.Model:
    return model_from_text(
        f"""<ir_version: 10, opset_import: ["" : 21]>
        g (float[2] x) => (float[2] y) <float s = {{0.1}}, {dtype} z = {{{zero_point}}}> {{
        q = QuantizeLinear(x, s, z) d = DequantizeLinear(q, s, z) r = Relu(d)
        p = QuantizeLinear(r, s, z) y = DequantizeLinear(p, s, z) }}"""
    )


@pytest.mark.parametrize(("dtype", "zero_point"), [("int16", 0), ("uint16", 32768)])
def test_sixteen_bits(dtype: str, zero_point: int) -> None:
    model = relu_between(dtype, zero_point)
    fold_qdq(model, has_integer_form)
    assert op_types(model) == [Q, "Relu", DQ]
    params = model.graph[1].outputs[0].meta[PARAMS]
    assert (params.dtype, params.zero_point.tolist()) == (np.int16, [0])


def test_sixteen_bits_with_a_zero_point() -> None:
    with pytest.raises(UnsupportedModelError, match="to 16 bits with the zero point 7, expected 0"):
        fold_qdq(relu_between("int16", 7), has_integer_form)


def test_an_op_from_int8_to_int16_stays_in_float() -> None:
    model = model_from_text(
        """<ir_version: 10, opset_import: ["" : 21]>
        g (float[4] x) => (float[4] y) <float s = {0.1}, int8 z = {0}, int16 z16 = {0}> {
        q = QuantizeLinear(x, s, z) d = DequantizeLinear(q, s, z) r = Relu(d)
        p = QuantizeLinear(r, s, z16) y = DequantizeLinear(p, s, z16) }"""
    )
    fold_qdq(model, has_integer_form)
    assert op_types(model) == [Q, DQ, "Relu", Q, DQ]


def test_other_integers() -> None:
    text = """<ir_version: 10, opset_import: ["" : 21]>
        g (float[2] x) => (float[2] y) <float s = {0.1}, int4 z = {0}> {
        q = QuantizeLinear(x, s, z) y = DequantizeLinear(q, s, z) }"""
    with pytest.raises(
        UnsupportedModelError, match=r"QuantizeLinear node 'q' quantizes to int4, expected int8"
    ):
        fold_qdq(model_from_text(text), has_integer_form)


def test_scale_at_run_time() -> None:
    text = (
        """g (float[2] x, float s) => (float[2] y) { q = QuantizeLinear(x, s) y = DequantizeLinear(q, s) }"""
    )
    with pytest.raises(UnsupportedModelError, match="node 'q' has parameters that are computed at run time"):
        fold_qdq(model_from_text(text), has_integer_form)


def test_activation_per_channel() -> None:
    more = ", float[3] sc = {0.1, 0.2, 0.3}, int8[3] zc = {0, 0, 0}"
    message = refused("q = QuantizeLinear(x, sc, zc) y = DequantizeLinear(q, sc, zc)", more)
    assert message.startswith(
        "QuantizeLinear node 'q' quantizes an activation per channel, expected one scale"
    )


def test_parameters_that_disagree() -> None:
    message = refused("q = QuantizeLinear(x, sx, zx) y = DequantizeLinear(q, sy, zx)", "")
    assert message.startswith("DequantizeLinear node 'y' gives 'q' other parameters")


def test_per_block() -> None:
    text = """<ir_version: 10, opset_import: ["" : 21]>
        g (float[4] x) => (float[4] y) <int8[2, 4] w, float[2, 2] s, int8[2, 2] z, int64[1] first = {0}> {
        d = DequantizeLinear<axis = 1, block_size = 2>(w, s, z) m = ReduceMean<keepdims = 0>(d, first)
        y = Add(x, m) }"""
    with pytest.raises(UnsupportedModelError, match="node 'd' has one scale per block"):
        fold_qdq(model_from_text(text), has_integer_form)
