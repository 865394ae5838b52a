from __future__ import annotations

import numpy as np
import pytest

from mobiledeploy.bench.compare_peers.ratios import Spread, ratio, spread


def test_spread_is_median_and_quartiles() -> None:
    assert spread([4.0, 1.0, 3.0, 2.0, 5.0]) == Spread(median=3.0, low=2.0, high=4.0)


def test_spread_says_when_a_measurement_is_unstable() -> None:
    assert Spread(median=2.0, low=1.95, high=2.1).is_stable
    assert not Spread(median=2.0, low=1.9, high=2.2).is_stable


def test_spread_needs_a_sample() -> None:
    with pytest.raises(ValueError, match="at least one"):
        spread([])


def test_ratio_is_taken_within_rounds() -> None:
    # The machine is three times slower in the second half; within a round the candidate takes half as long.
    reference = np.array([2.0, 2.0, 2.0, 6.0, 6.0, 6.0])
    found = ratio(reference / 2, reference)
    assert found.rounds == Spread(0.5, 0.5, 0.5)
    assert found.interval == (0.5, 0.5)


def test_ratio_interval_holds_the_median_and_is_seeded() -> None:
    rng = np.random.default_rng(0)
    candidate, reference = rng.normal(1.0, 0.1, 200), rng.normal(2.0, 0.1, 200)
    found = ratio(candidate, reference)
    low, high = found.interval
    assert low <= found.rounds.median <= high
    assert low > found.rounds.low and high < found.rounds.high
    assert found == ratio(candidate, reference)


def test_ratio_ignores_a_few_disturbed_rounds() -> None:
    candidate = np.ones(100)
    candidate[::20] = 50.0
    assert ratio(candidate, np.full(100, 2.0)).rounds.median == 0.5


def test_ratio_needs_rounds_in_pairs() -> None:
    with pytest.raises(ValueError, match="3 and 2 rounds"):
        ratio([1.0, 2.0, 3.0], [1.0, 2.0])
