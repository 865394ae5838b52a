"""The calibration methods on distributions whose best range is known."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch.ao.quantization.observer import MovingAverageMinMaxObserver

from mobiledeploy.graph.params import activation_params, dequantize, quantize
from mobiledeploy.quantize.calibrate.calibrators import CALIBRATORS, SEARCH
from mobiledeploy.quantize.calibrate.histogram import Histogram
from mobiledeploy.quantize.calibrate.ranges import (
    Range,
    entropy,
    methods,
    min_max,
    moving_average,
    mse,
    percentile,
)


def histogram_of(values: NDArray[np.float32]) -> Histogram:
    histogram = Histogram()
    histogram.add(values)
    return histogram


def squared_error(values: NDArray[np.float32], ends: Range) -> float:
    params = activation_params(*ends)
    return float(np.mean((dequantize(quantize(values, params), params) - values) ** 2))


def with_outliers() -> NDArray[np.float32]:
    values = np.random.default_rng(0).normal(size=1_000_000)
    values[:2] = [12, -10]
    return values.astype(np.float32)


def test_every_calibrator_that_can_be_named_is_there() -> None:
    assert [*methods(), SEARCH] == list(CALIBRATORS)


def test_min_max_is_everything_seen() -> None:
    values = with_outliers()
    assert min_max(histogram_of(values)) == (-10.0, 12.0)


def test_mse_beats_min_max_on_outliers() -> None:
    values = with_outliers()
    histogram = histogram_of(values)
    assert squared_error(values, mse(histogram)) < 0.5 * squared_error(values, min_max(histogram))
    low, high = mse(histogram)
    assert -8 < low < -3 and 3 < high < 8


def test_mse_is_no_worse_than_any_range_of_its_grid() -> None:
    values = np.maximum(with_outliers(), 0)
    histogram = histogram_of(values)
    best = squared_error(values, mse(histogram))
    others = [squared_error(values, (0.0, 12.0 * share)) for share in np.linspace(0.2, 1, 30)]
    assert best <= 1.02 * min(others)


def test_mse_keeps_a_uniform_range_whole() -> None:
    values = np.linspace(-3, 5, 100_001, dtype=np.float32)
    low, high = mse(histogram_of(values))
    assert low < -2.9 and high > 4.9


def test_one_sided_values_keep_zero_as_their_end() -> None:
    values = np.abs(with_outliers())
    assert mse(histogram_of(values))[0] == 0
    assert mse(histogram_of(-values))[1] == 0


def test_percentile_cuts_the_tails() -> None:
    values = np.random.default_rng(0).normal(size=200_000).astype(np.float32)
    histogram = histogram_of(values)
    low, high = percentile(histogram, share=0.99)
    expected = np.quantile(values, [0.005, 0.995])
    np.testing.assert_allclose([low, high], expected, atol=2 * histogram.width)
    assert percentile(histogram, share=1.0) == min_max(histogram)


def test_every_method_takes_a_constant() -> None:
    for method in methods().values():
        low, high = method(histogram_of(np.zeros(10, np.float32)))
        assert low == high == 0
        low, high = method(histogram_of(np.full(10, 2.5, np.float32)))
        assert low >= 0 and abs(high - 2.5) < 0.01


def test_mse_serves_the_typical_input_rather_than_the_loud_one() -> None:
    rng = np.random.default_rng(0)
    typical = [rng.normal(0, 1, 20_000).astype(np.float32) for _ in range(20)]
    loud = rng.normal(0, 30, 20_000).astype(np.float32)
    histogram = Histogram()
    for values in (*typical, loud):
        histogram.add(values)
    merged = histogram_of(np.concatenate([*typical, loud]))
    assert squared_error(typical[0], mse(histogram)) < 0.5 * squared_error(typical[0], mse(merged))


def test_moving_average_is_that_of_pytorch() -> None:
    observer = MovingAverageMinMaxObserver(averaging_constant=0.01)
    histogram, rng = Histogram(), np.random.default_rng(0)
    for spread in (1, 5, 0.1, 2):
        values = rng.normal(0.3, spread, 1000).astype(np.float32)
        histogram.add(values)
        observer(torch.from_numpy(values))
    wanted = [float(observer.min_val), float(observer.max_val)]
    np.testing.assert_allclose(moving_average(histogram), wanted, rtol=1e-6)


def test_entropy_drops_a_few_outliers_and_little_else() -> None:
    values = with_outliers()
    low, high = entropy(histogram_of(values))
    assert -5.5 < low < -3.5 and 3.5 < high < 5.5
    uniform = np.linspace(-3, 5, 100_001, dtype=np.float32)
    assert entropy(histogram_of(uniform)) == (-3.0, 5.0)


def test_entropy_treats_the_ends_of_a_skewed_tensor_apart() -> None:
    rng = np.random.default_rng(0)
    values = np.maximum(rng.normal(1, 1, 500_000), -0.375)  # dense at its low end, as behind h-swish
    values[0] = 40.0
    low, high = entropy(histogram_of(values.astype(np.float32)))
    assert low == -0.375 and 4 < high < 8


def test_entropy_is_not_ruled_by_the_zeros_behind_a_relu() -> None:
    active = np.abs(with_outliers()[2:])
    zeros = np.zeros(50 * active.size, np.float32)
    low, high = entropy(histogram_of(np.concatenate([active, zeros])))
    assert low == 0
    assert abs(high - entropy(histogram_of(active))[1]) < 0.4
