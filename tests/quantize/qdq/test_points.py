"""Which values carry parameters, and which share them."""

from __future__ import annotations

from mobiledeploy.exporters.tflite.lowerings.registry import has_int8_form
from mobiledeploy.quantize.qdq.points import QuantizationPoints, find_points
from mobiledeploy.runtime.targets import LITERT_2_3
from mobiledeploy.testing import model_from_text


def points_of(text: str) -> QuantizationPoints:
    return find_points(model_from_text(text).graph, LITERT_2_3, has_int8_form)


def test_a_value_before_a_fused_activation_carries_none() -> None:
    points = points_of(
        """g (float[1,3,4,4] x) => (float[1,2,4,4] y) <float[2,3,1,1] w> {
            c = Conv(x, w)
            y = Relu(c)
        }"""
    )
    assert points.groups == [["x"], ["y"]]


def test_an_activation_of_a_value_that_is_read_twice_is_not_fused() -> None:
    points = points_of(
        """g (float[1,3,4,4] x) => (float[1,2,4,4] y) <float[2,3,1,1] w> {
            c = Conv(x, w)
            r = Relu(c)
            y = Add(c, r)
        }"""
    )
    assert points.groups == [["x"], ["c"], ["r"], ["y"]]


def test_ops_that_move_data_share() -> None:
    points = points_of(
        """g (float[1,3,4,4] x, float[1,3,4,4] z) => (float[1,6,2,2] y, float[1,1,4,4] h) <int64[2] sizes> {
            r = Relu(x)
            k = Concat<axis=1>(r, z)
            y = MaxPool<kernel_shape=[2,2], strides=[2,2]>(k)
            h = ReduceMean(z, sizes)
        }"""
    )
    assert [set(group) for group in points.groups] == [{"x"}, {"z", "r", "k", "y"}, {"h"}]


def test_ops_without_an_int8_form_stay_in_float() -> None:
    points = points_of(
        """g (float[1,3,4,4] x) => (float[1,3,4,4] y, float[1,3,4,4] z) {
            a = Abs(x)
            b = Sqrt(a)
            y = Add(b, b)
            z = Exp(x)
        }"""
    )
    assert points.groups == [["b"], ["y"]]
    assert points.integer_nodes == {"y"}


def test_constants_and_integers_carry_none() -> None:
    points = points_of(
        """g (float[1,3,4,4] x) => (float[3,16] y) <int64[2] shape, float[1] k> {
            a = Add(x, k)
            y = Reshape(a, shape)
        }"""
    )
    assert [set(group) for group in points.groups] == [{"x"}, {"a", "y"}]
