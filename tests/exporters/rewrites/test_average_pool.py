"""Average pools as depthwise convolutions where the runtime has no fast int8 pool."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from mobiledeploy.exporters.rewrites.average_pool import AveragePoolToDepthwise
from mobiledeploy.graph.params import quantize, weight_params
from mobiledeploy.testing import array_of


def pool(attributes: str, image: str = "1, 3, 8, 9") -> str:
    return f"(float[{image}] x) => (float[] y) {{ y = AveragePool<{attributes}>(x) }}"


POOLS = {
    "2x2": pool("kernel_shape = [2, 2], strides = [2, 2]"),
    "stride 1": pool("kernel_shape = [3, 2]"),
    "batch": pool("kernel_shape = [3, 3], strides = [2, 1]", "2, 3, 8, 9"),
    "pads that count": pool(
        "kernel_shape = [3, 3], strides = [2, 2], pads = [1, 1, 1, 1], count_include_pad = 1"
    ),
    "unequal pads that count": pool("kernel_shape = [3, 3], pads = [0, 1, 2, 0], count_include_pad = 1"),
    "pads of 0": pool("kernel_shape = [3, 3], strides = [2, 2], pads = [0, 0, 0, 0]"),
    "dilated": pool("kernel_shape = [2, 2], dilations = [2, 3]"),
    "largest window": pool("kernel_shape = [5, 5]"),
    "NOTSET, ceil_mode of 0": pool('kernel_shape = [2, 2], auto_pad = "NOTSET", ceil_mode = 0'),
    "one channel": pool("kernel_shape = [2, 2]", "1, 1, 8, 9"),
}


@pytest.mark.parametrize("text", POOLS.values(), ids=POOLS)
def test_int8(rewrite: Any, text: str) -> None:
    result = rewrite(AveragePoolToDepthwise, text, "int8")
    assert result.ops == ["Conv"]
    assert result.reasons == []


def test_weights_are_exact_in_int8(rewrite: Any) -> None:
    (node,) = rewrite(AveragePoolToDepthwise, POOLS["pads that count"], "int8").model.graph
    weights = array_of(node.inputs[1])
    assert weights.shape == (3, 1, 3, 3)
    assert set(quantize(weights, weight_params(weights, 0)).reshape(-1)) == {127}
    np.testing.assert_allclose(weights, 1 / 9, rtol=1e-7)


def test_float_keeps_the_pool(rewrite: Any) -> None:
    result = rewrite(AveragePoolToDepthwise, POOLS["2x2"], "float32")
    assert result.ops == ["AveragePool"]
    assert result.reasons == []


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (pool("kernel_shape = [5, 6]"), "a window of 30 elements has no fast depthwise kernel"),
        (pool("kernel_shape = [2, 2], strides = [2, 2], ceil_mode = 1"), "its padding is not explicit"),
        (pool('kernel_shape = [2, 2], auto_pad = "SAME_UPPER"'), "its padding is not explicit"),
        (
            pool("kernel_shape = [3, 3], pads = [1, 1, 1, 1]"),
            "it divides by fewer elements at the border",
        ),
    ],
)
def test_refused(rewrite: Any, text: str, reason: str) -> None:
    result = rewrite(AveragePoolToDepthwise, text, "int8")
    assert result.ops == ["AveragePool"]
    assert result.reasons == [reason]


def test_1d_is_left_alone(rewrite: Any) -> None:
    result = rewrite(AveragePoolToDepthwise, pool("kernel_shape = [2]", "1, 3, 8"), "int8")
    assert result.ops == ["AveragePool"]
    assert result.reasons == []
