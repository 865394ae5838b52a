from __future__ import annotations

import math

import numpy as np

from mobiledeploy.bench.evaluation.accuracy.figures import compare_logits

CLASSES = 3


def _logits(classes: list[int]) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    return np.eye(CLASSES, dtype=np.float32)[classes]


def test_drop_and_its_error_count_the_images_that_differ() -> None:
    labels = np.array([0, 0, 1, 1, 2, 2, 2, 2], np.int64)
    one = _logits([0, 0, 1, 1, 2, 2, 0, 0])  # 6 of 8
    other = _logits([0, 1, 0, 1, 2, 2, 2, 0])  # 5 of 8: loses two, wins one
    found = compare_logits(one, other, labels)
    assert (found.images, found.float_top1, found.top1, found.drop) == (8, 75.0, 62.5, 12.5)
    assert math.isclose(found.drop_error, 100 * math.sqrt(3 - 1 / 8) / 8)
    assert found.agreement == 62.5


def test_equal_logits_drop_nothing_for_sure() -> None:
    logits = _logits([0, 1, 2])
    found = compare_logits(logits, logits, np.array([0, 0, 0], np.int64))
    assert (found.drop, found.drop_error, found.sqnr_db) == (0.0, 0.0, math.inf)


def test_sqnr_is_over_all_images_together() -> None:
    one = np.array([[3.0, 0.0], [4.0, 0.0]], np.float32)
    other = one + np.array([[0.5, 0.0], [0.0, 0.0]], np.float32)
    found = compare_logits(one, other, np.array([0, 0], np.int64))
    assert math.isclose(found.sqnr_db, 20.0)  # 25 / 0.25
