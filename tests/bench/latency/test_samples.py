"""Medians with intervals that respect launches, and ratios of models taken in turns."""

from __future__ import annotations

import numpy as np
import pytest

from mobiledeploy.bench.latency.samples import Samples, change, ratio, summary


def drawn(seed: int, launches: int = 8, between: float = 0.0, within: float = 0.01) -> Samples:
    """About 2 ms; standard deviations between launches and within them, as shares."""
    rng = np.random.default_rng(seed)
    levels = 2.0 * (1 + between * rng.standard_normal(launches))
    return [(level * (1 + within * rng.standard_normal((10, 5)))).tolist() for level in levels]


def test_summary_of_a_small_case_by_hand() -> None:
    found = summary([[[1.0, 2.0, 3.0]], [[4.0, 5.0]]])
    assert (found.count, found.min_ms, found.median_ms.value, found.iqr_ms) == (5, 1.0, 3.0, 2.0)
    assert found.p90_ms == pytest.approx(4.6) and found.p99_ms == pytest.approx(4.96)
    assert found.median_ms.low <= 3.0 <= found.median_ms.high


def test_the_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    inside = 0
    for seed in range(100):
        median = summary(drawn(seed, launches=12, between=0.02)).median_ms
        inside += median.low <= 2.0 <= median.high
    assert 85 <= inside <= 100  # 95 % asymptotically; with twelve launches a little less


def test_what_differs_between_launches_widens_the_interval() -> None:
    """Samples within a launch are alike; treating all as independent would give 0.1 % here."""
    wide = summary(drawn(0, between=0.03)).median_ms.half_width
    narrow = summary(drawn(0, between=0.0)).median_ms.half_width
    assert narrow < 0.002 and wide > 5 * narrow


def test_ratio_is_free_of_drift_that_both_models_share() -> None:
    first = drawn(0, within=0.001)
    drift = np.linspace(1, 2, len(first))
    slow = [(np.array(launch) * by).tolist() for launch, by in zip(first, drift, strict=True)]
    half = [(np.array(launch) * by / 2).tolist() for launch, by in zip(first, drift, strict=True)]
    found = ratio(half, slow)
    assert found.value == pytest.approx(0.5) and found.half_width < 1e-9
    assert summary(slow).median_ms.half_width > 0.05


def test_a_ratio_that_disturbance_changes_is_that_of_calm_rounds() -> None:
    """The machine is disturbed in some launches, which slows one model more than the other."""
    for disturbed in (1, 5):
        first = [[[3.0 if launch < disturbed else 2.0] * 5] * 10 for launch in range(8)]
        second = [[[4.0 if launch < disturbed else 1.0] * 5] * 10 for launch in range(8)]
        found = ratio(second, first)
        assert (found.value, found.share) == (0.5, 1 - disturbed / 8)
        assert found.disturbed == pytest.approx(4 / 3)
        assert summary(second).calm_ms.value == 1.0
    assert summary(second).median_ms.value == 4.0


def test_a_ratio_that_disturbance_leaves_alone_is_that_of_all_rounds() -> None:
    """No round is chosen for its ratio, and none is left out in vain."""
    found = ratio(drawn(1, within=0.2), drawn(2, within=0.2))
    assert found.low < 1 < found.high
    assert (found.share, found.disturbed) == (1.0, None)


def test_ratio_wants_the_same_rounds() -> None:
    with pytest.raises(ValueError, match="measure them together"):
        ratio(drawn(0, launches=3), drawn(0, launches=4))


def test_change_tells_a_new_speed_from_noise() -> None:
    old = drawn(0)
    faster = [(np.array(launch) * 0.9).tolist() for launch in drawn(1)]
    found = change(faster, old)
    assert found.low < 0.9 < found.high < 0.95
    same = change(drawn(1), old)
    assert same.low < 1 < same.high


def test_launches_that_a_time_limit_cut_short_are_taken_as_they_are() -> None:
    assert summary([[[1.0], [1.0], [1.0]], [[2.0]]]).count == 4
    with pytest.raises(ValueError, match="length 0"):
        summary([])
