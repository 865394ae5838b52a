"""Metrics: by hand on small arrays, and what happens at the borders (equal, constant, NaN, ties)."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from mobiledeploy.base.errors import InputError
from mobiledeploy.verify.metrics import Accumulator, compare


def test_by_hand() -> None:
    reference = [np.array([3.0, 0.0], np.float32), np.array([0.0, -4.0], np.float32)]
    candidate = [np.array([3.0, 0.5], np.float32), np.array([0.0, -4.0], np.float32)]
    difference = compare(reference, candidate)
    assert difference.samples == 2
    assert difference.max_abs_error == 0.5
    assert difference.output_range == 7.0
    assert difference.relative_error == pytest.approx(0.5 / 7.0)
    assert difference.sqnr_db == pytest.approx(10 * math.log10(25 / 0.25))
    assert difference.cosine == pytest.approx(25 / (5 * math.sqrt(25.25)))


def test_equal_outputs_are_safe_for_json() -> None:
    difference = compare([np.zeros((1, 3))], [np.zeros((1, 3))])
    assert difference.sqnr_db == math.inf
    assert difference.cosine == 1.0
    assert difference.relative_error == 0.0
    figures = json.loads(json.dumps(difference.to_json(), allow_nan=False))
    assert figures["sqnr_db"] == "inf"
    assert figures["samples"] == 1


def test_constant_reference() -> None:
    difference = compare([np.zeros(3)], [np.ones(3)])
    assert difference.relative_error == math.inf
    assert difference.sqnr_db == -math.inf


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_broken_candidate_cannot_pass(bad: float) -> None:
    difference = compare([np.eye(1, 8)], [np.full((1, 8), bad)])
    assert difference.max_abs_error == math.inf
    assert difference.sqnr_db == -math.inf
    assert difference.cosine == 0.0


def test_streamed_equals_whole() -> None:
    rng = np.random.default_rng(0)
    reference = rng.standard_normal((6, 1, 10)).astype(np.float32)
    candidate = reference + rng.normal(0, 0.1, reference.shape).astype(np.float32)
    accumulator = Accumulator()
    for pair in zip(reference, candidate, strict=True):
        accumulator.add(*pair)
    noise = np.sum((reference.astype(np.float64) - candidate) ** 2)
    expected = 10 * np.log10(np.sum(reference.astype(np.float64) ** 2) / noise)
    assert accumulator.result().sqnr_db == pytest.approx(expected)
    assert accumulator.result() == compare(reference, candidate)


def test_shapes_must_agree() -> None:
    with pytest.raises(InputError, match=r"\(1, 10\), expected \(1, 1000\)"):
        compare([np.zeros((1, 1000))], [np.zeros((1, 10))])


def test_runs_must_be_equally_long_and_not_empty() -> None:
    with pytest.raises(ValueError, match="shorter"):
        compare([np.zeros(2), np.zeros(2)], [np.zeros(2)])
    with pytest.raises(ValueError, match="at least one"):
        compare([], [])
