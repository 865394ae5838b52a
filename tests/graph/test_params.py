"""Parameters and the mapping between integers and reals: small cases by hand."""

from __future__ import annotations

import numpy as np
import pytest

from mobiledeploy.graph.params import (
    QuantParams,
    activation_params,
    dequantize,
    quantize,
    weight_params,
    with_room_for_bias,
)


@pytest.mark.parametrize(
    ("low", "high", "scale", "zero_point"),
    [
        (0.0, 255.0, 1.0, -128),
        (-255.0, 0.0, 1.0, 127),
        (-128.0, 127.0, 1.0, 0),
        (2.0, 255.0, 1.0, -128),  # widened to 0
        (-255.0, -3.0, 1.0, 127),
        (0.0, 6.0, 6 / 255, -128),
        (0.0, 0.0, 1 / 255, -128),
    ],
)
def test_activation_params(low: float, high: float, scale: float, zero_point: int) -> None:
    params = activation_params(low, high)
    assert params.scale[0] == np.float32(scale) and params.zero_point[0] == zero_point
    assert params.axis is None and params.dtype == np.int8
    assert dequantize(np.array([zero_point]), params)[0] == 0


@pytest.mark.parametrize(("low", "high"), [(-1.0, 3.0), (-3.0, 0.5), (1.0, 3.0)])
def test_int16_is_symmetric(low: float, high: float) -> None:
    params = activation_params(low, high, np.dtype(np.int16))
    assert params.zero_point[0] == 0 and params.dtype == np.int16
    assert quantize(np.array([-3.0, 0.0, 3.0]), params).tolist() == [-32767, 0, 32767]


def test_low_and_high_are_what_int8_can_represent() -> None:
    params = activation_params(-1.0, 3.0)
    assert params.low == pytest.approx(-1.0, abs=0.01) and params.high == pytest.approx(3.0, abs=0.01)
    assert (params.high - params.low) / 255 == pytest.approx(float(params.scale[0]))


def test_weights_are_symmetric_per_channel() -> None:
    weights = np.array([[1.27, -0.5], [0.0, -2.54]], np.float32)
    params = weight_params(weights, 0)
    np.testing.assert_allclose(params.scale, [0.01, 0.02], rtol=1e-6)
    assert params.axis == 0 and not params.zero_point.any()
    np.testing.assert_array_equal(quantize(weights, params), [[127, -50], [0, -127]])
    whole = weight_params(weights, None)
    assert whole.scale.shape == (1,) and whole.scale[0] == pytest.approx(0.02)


def test_a_channel_of_zeros_gets_a_scale_far_below_the_others() -> None:
    params = weight_params(np.array([[1.27, 0.5], [0.0, 0.0], [1e-30, 0.0]], np.float32), 0)
    assert params.scale[1] == params.scale[2] == pytest.approx(0.01 * 2**-16)
    assert weight_params(np.zeros((3, 2), np.float32), 0).scale == pytest.approx(1 / 127)


def test_room_for_bias_raises_only_the_scales_that_need_it() -> None:
    params = QuantParams(np.array([1e-12, 0.1], np.float32), np.zeros(2, np.int64), 0)
    bias, input_scale = np.array([8.0, 8.0], np.float32), np.array([0.5], np.float32)
    raised = with_room_for_bias(params, bias, input_scale)
    assert raised.scale[1] == np.float32(0.1)
    assert 8.0 / (0.5 * raised.scale[0]) == pytest.approx(2**30)


def test_quantize_rounds_half_to_even_and_saturates() -> None:
    params = QuantParams(np.array([2.0], np.float32), np.array([1], np.int64))
    np.testing.assert_array_equal(
        quantize(np.array([0.0, 1.0, 3.0, 5.0, -1.0, 1e9, -1e9]), params), [1, 1, 3, 3, 1, 127, -128]
    )


def test_int32_saturates_at_its_limits() -> None:
    params = QuantParams(np.array([1e-9], np.float32), np.zeros(1, np.int64), None, np.dtype(np.int32))
    np.testing.assert_array_equal(quantize(np.array([9.0, -9.0]), params), [2**31 - 1, -(2**31)])


def test_round_trip_stays_within_half_a_step() -> None:
    reals = np.random.default_rng(0).uniform(-2, 5, (3, 4, 5)).astype(np.float32)
    params = activation_params(-2, 5)
    assert np.abs(dequantize(quantize(reals, params), params) - reals).max() <= 0.501 * params.scale[0]
    per_channel = weight_params(reals, 1)
    back = dequantize(quantize(reals, per_channel), per_channel)
    assert (np.abs(back - reals) <= 0.501 * per_channel.scale.reshape(1, 4, 1)).all()


def test_same_as() -> None:
    params = activation_params(-1, 1)
    assert params.same_as(activation_params(-1, 1))
    assert not params.same_as(activation_params(-1, 2))
    assert not params.same_as(QuantParams(params.scale, params.zero_point, 0))
