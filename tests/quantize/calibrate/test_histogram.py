"""The histogram: exact counts, whatever the order in which the values come."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from mobiledeploy.quantize.calibrate.histogram import Histogram, pack, unpack


def of(*arrays: NDArray[np.float32]) -> Histogram:
    histogram = Histogram()
    for array in arrays:
        histogram.add(array)
    return histogram


def same(one: Histogram, other: Histogram) -> bool:
    ends = (one.low, one.high, one.width, one.first) == (other.low, other.high, other.width, other.first)
    return ends and np.array_equal(one.counts, other.counts)


def parts(seed: int = 0) -> list[NDArray[np.float32]]:
    rng = np.random.default_rng(seed)
    return [rng.normal(0, spread, (2, 50, 70)).astype(np.float32) for spread in (1, 0.01, 30, 5)]


def test_counts_are_those_of_numpy() -> None:
    values = np.concatenate([part.reshape(-1) for part in parts()])
    histogram = of(*parts())
    edges = (histogram.first + np.arange(len(histogram.counts) + 1)) * histogram.width
    expected = np.histogram(values.astype(np.float64), edges)[0]
    np.testing.assert_array_equal(histogram.counts, expected)
    assert histogram.counts.sum() == values.size
    assert (histogram.low, histogram.high) == (values.min(), values.max())


def test_order_does_not_matter() -> None:
    arrays = parts()
    assert same(of(*arrays), of(*arrays[::-1]))
    assert same(of(*arrays), of(np.concatenate([a.reshape(-1) for a in arrays])))


def test_merging_is_counting_both() -> None:
    first, second, third, fourth = parts()
    merged = of(first, second)
    merged.merge(of(third, fourth))
    assert same(merged, of(first, second, third, fourth))
    other_way = of(third, fourth)
    other_way.merge(of(first, second))
    assert same(merged, other_way)
    merged.merge(Histogram())
    assert same(merged, other_way)
    empty = Histogram()
    empty.merge(merged)
    assert same(merged, empty)


def test_memory_is_bounded_while_the_range_grows() -> None:
    histogram = Histogram()
    for exponent in range(-20, 20):
        histogram.add(np.array([2.0**exponent, -(2.0**exponent)], np.float32))
        assert len(histogram.counts) <= Histogram.bins + 2
    assert histogram.counts.sum() == 80


def test_values_at_the_edges_of_bins_and_next_to_zero() -> None:
    values = np.array([-1, -1e-30, 0, 1e-30, 1, 2, np.nextafter(np.float32(1), np.float32(0))], np.float32)
    histogram = of(values)
    zero = -histogram.first
    assert histogram.counts[zero] == 2 and histogram.counts[zero - 1] == 1
    assert histogram.centers()[zero] == 0


def test_centers_stay_within_the_extremes() -> None:
    histogram = of(np.array([0.3, 0.7, 5.1], np.float32))
    assert histogram.centers()[histogram.counts > 0].max() <= np.float32(5.1)
    assert histogram.centers().min() >= np.float32(0.3)


def test_large_and_non_contiguous_arrays() -> None:
    values = np.random.default_rng(0).normal(size=(300, 501)).astype(np.float32)
    assert same(of(values[:, ::3]), of(np.ascontiguousarray(values[:, ::3])))
    assert same(of(values), of(values[:100], values[100:]))


def test_nothing_and_constants() -> None:
    assert len(of(np.zeros((0, 3), np.float32)).counts) == 0
    zeros = of(np.zeros(5, np.float32))
    assert (zeros.low, zeros.high, zeros.counts.sum()) == (0, 0, 5)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_is_refused(bad: float) -> None:
    with pytest.raises(FloatingPointError, match="no place in a histogram"):
        Histogram().add(np.array([0, bad], np.float32))


def test_every_array_weighs_the_same() -> None:
    rng = np.random.default_rng(0)
    loud, soft = (rng.normal(0, spread, 10_000).astype(np.float32) for spread in (1.0, 0.7))
    histogram = of(loud, soft)
    for array in (loud, soft):
        own = of(array).weights.sum() * float(np.mean(array**2)) / array.size
        assert 0.5 <= own <= 2  # one per value and unit of energy, the energy rounded to an octave
    assert histogram.weights.sum() == pytest.approx(of(loud).weights.sum() + of(soft).weights.sum())


def test_a_nearly_black_input_does_not_rule() -> None:
    normal = [np.full(100, 1.0, np.float32)] * 3
    black = np.full(100, 1e-4, np.float32)
    quiet = of(*normal, black)
    near_zero = quiet.weights[-quiet.first]
    assert 0 < near_zero <= 4 * quiet.weights[1 - quiet.first :].max()


def test_moving_extremes_follow_each_array() -> None:
    histogram = of(*(np.array([-top, top], np.float32) for top in (1, 2, 4)))
    assert histogram.moving_high == pytest.approx((1 * 0.99 + 2 * 0.01) * 0.99 + 4 * 0.01)
    assert histogram.moving_low == -histogram.moving_high
    assert (histogram.low, histogram.high) == (-4, 4)


def test_merged_moving_extremes_cover_both() -> None:
    one, other = of(np.array([-1, 2], np.float32)), of(np.array([-3, 1], np.float32))
    one.merge(other)
    assert (one.moving_low, one.moving_high) == (-3, 2)


def test_what_was_packed_is_unpacked_and_goes_on_counting() -> None:
    histograms = [of(*parts()), Histogram(), of(parts(1)[2])]
    copies = unpack(pack(histograms))
    for histogram, copy in zip(histograms, copies, strict=True):
        for each in (histogram, copy):
            each.add(parts(2)[1])
        assert same(histogram, copy)
        assert (histogram.moving_low, histogram.moving_high) == (copy.moving_low, copy.moving_high)
        np.testing.assert_array_equal(histogram.weights, copy.weights)


def test_arrays_that_do_not_fit_together_are_not_unpacked() -> None:
    packed = pack([of(*parts())])
    with pytest.raises(ValueError, match="counts, expected"):
        unpack(packed | {"counts": packed["counts"][:-1]})
