"""What lowerings build with."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import onnx_ir as ir
import pytest

from mobiledeploy.base.errors import UnsupportedModelError
from mobiledeploy.exporters.tflite.builder import Builder
from mobiledeploy.exporters.tflite.graph import Tensor, TfliteGraph
from mobiledeploy.exporters.tflite.layout import Layout
from mobiledeploy.graph.params import QuantParams, activation_params, quantize
from mobiledeploy.runtime.targets import LITERT_2_3

F32, INT8 = np.dtype(np.float32), np.dtype(np.int8)


def builder(*results: Tensor) -> Builder:
    b = Builder(TfliteGraph(), LITERT_2_3)
    b.node = ir.Node("", "Identity", [], name="n")
    b.results = list(results) or [Tensor("y", (1, 4), F32)]
    return b


def int8(shape: tuple[int, ...], params: QuantParams, layout: Layout = Layout.ONNX) -> Tensor:
    return Tensor("t", shape, INT8, layout, params)


def ops(b: Builder) -> list[str]:
    return [op.name for op in b.graph.ops]


def test_a_chain_of_reshapes_starts_from_its_first_input() -> None:
    b, x = builder(), Tensor("x", (2, 6), F32)
    last = b.reshape(b.reshape(x, (3, 4)), (12,))
    producer = b.graph.producer(last)
    assert producer is not None and producer.inputs[0] is x
    assert b.reshape(b.reshape(x, (3, 4)), (2, 6)) is x


def test_a_reshape_back_into_an_nhwc_shape_is_no_image() -> None:
    b, image = builder(), Tensor("x", (1, 1, 1, 8), F32, Layout.NHWC)
    flat = b.reshape(b.onnx_order(image), (1, 8))
    back = b.reshape(flat, (1, 1, 1, 8))
    assert back is not image and back.layout is Layout.ONNX


def test_transposes_collapse_and_cancel() -> None:
    b, image = builder(), Tensor("x", (1, 4, 5, 3), F32, Layout.NHWC)
    nchw = b.onnx_order(image)
    assert nchw.shape == (1, 3, 4, 5) and b.onnx_order(image) is nchw
    turned = b.transpose(nchw, (0, 2, 3, 1))
    assert turned.shape == (1, 4, 5, 3) and ops(b) == ["TRANSPOSE", "RESHAPE"]
    swapped = b.transpose(nchw, (0, 1, 3, 2))
    producer = b.graph.producer(swapped)
    assert producer is not None and producer.inputs[0] is image


def test_a_transpose_of_axes_of_size_1_is_a_reshape() -> None:
    b = builder()
    b.onnx_order(Tensor("x", (1, 1, 1, 8), F32, Layout.NHWC))
    assert ops(b) == ["RESHAPE"]


def test_operands_are_aligned_with_an_nhwc_result() -> None:
    b = builder(Tensor("y", (1, 4, 5, 3), F32, Layout.NHWC))
    constant = Tensor("c", (3, 1, 1), F32, data=np.arange(3, dtype=np.float32).reshape(3, 1, 1))
    assert b.broadcastable(constant).shape == (1, 1, 1, 3)
    assert b.broadcastable(Tensor("a", (4, 5), F32)).shape == (1, 4, 5, 1)
    scalar = Tensor("s", (), F32, data=np.array(1, np.float32))
    assert b.broadcastable(scalar) is scalar


def test_bias_in_steps_of_input_and_weight_scale() -> None:
    x, weights = (
        activation_params(-1, 1),
        QuantParams(np.array([0.5, 0.25], np.float32), np.zeros(2, np.int64), 0),
    )
    b = builder(int8((1, 2), activation_params(-4, 4)))
    packed = Tensor("w", (2, 3), INT8, params=weights, data=np.zeros((2, 3), np.int8))
    value = Tensor("b", (2,), F32, data=np.array([1.0, -2.0], np.float32))
    bias = b.bias(value, 2, int8((1, 3), x), packed)
    assert bias.params is not None and bias.data is not None and bias.dtype == np.int32
    np.testing.assert_allclose(bias.params.scale, x.scale * weights.scale)
    np.testing.assert_allclose(
        bias.data * bias.params.scale, [1.0, -2.0], atol=float(bias.params.scale.max())
    )
    absent = b.bias(None, 2, int8((1, 3), x), packed)
    assert absent.data is not None and absent.data.tolist() == [0, 0]


def test_bias_that_overflows_saturates() -> None:
    b = builder(int8((1, 2), activation_params(-4, 4)))
    tiny = QuantParams(np.array([1e-12], np.float32), np.zeros(1, np.int64))
    packed = Tensor("w", (2, 3), INT8, params=tiny, data=np.zeros((2, 3), np.int8))
    value = Tensor("b", (2,), F32, data=np.array([5.0, -5.0], np.float32))
    bias = b.bias(value, 2, int8((1, 3), activation_params(-1, 1)), packed)
    assert bias.data is not None and bias.data.tolist() == [2**31 - 1, -(2**31)]


def test_a_stored_bias_is_kept_to_the_bit_if_its_scale_fits() -> None:
    x = activation_params(-1, 1)
    weights = QuantParams(np.array([0.5], np.float32), np.zeros(1, np.int64))
    packed = Tensor("w", (2, 3), INT8, params=weights, data=np.zeros((2, 3), np.int8))
    b = builder(int8((1, 2), activation_params(-4, 4)))
    for scale, expected in ((x.scale[0] * 0.5, [7, -9]), (x.scale[0], [14, -18])):
        params = QuantParams(np.array([scale], np.float32), np.zeros(1, np.int64), None, np.dtype(np.int32))
        value = Tensor("b", (2,), np.dtype(np.int32), params=params, data=np.array([7, -9], np.int32))
        bias = b.bias(value, 2, int8((1, 3), x), packed)
        assert bias.data is not None and bias.data.tolist() == expected


def test_same_params_requantizes_activations_and_constants() -> None:
    wanted, other = activation_params(0, 6), activation_params(-1, 1)
    b = builder(int8((1, 4), wanted))
    x = int8((1, 4), wanted)
    assert b.same_params(x) is x
    moved = b.same_params(replace(x, params=other))
    assert ops(b) == ["QUANTIZE"] and moved.params is wanted
    real = np.array([[0, 1, 2, 3]], np.float32)
    constant = b.same_params(Tensor("c", (1, 4), F32, data=real))
    assert constant.params is wanted and ops(b) == ["QUANTIZE"]
    np.testing.assert_array_equal(constant.data, quantize(real, wanted))


def test_a_float_constant_gets_parameters_in_int8_only() -> None:
    constant = Tensor("c", (1, 4), F32, data=np.array([[0, 1, 2, 3]], np.float32))
    assert builder().operand(constant) is constant
    stored = builder(int8((1, 4), activation_params(0, 6))).operand(constant)
    assert stored.dtype == np.int8 and stored.params is not None and stored.params.high == pytest.approx(3)


def test_refusals_name_the_remedy() -> None:
    with pytest.raises(UnsupportedModelError, match="Identity node 'n' has a flaw; mend it"):
        raise builder().refuse("a flaw", "mend it")
