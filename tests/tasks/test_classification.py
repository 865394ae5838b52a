"""Classification: agreement, top-1 and top-5, and the points that a form of a network loses."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from mobiledeploy.base.errors import InputError
from mobiledeploy.runtime.runtimes import Sample
from mobiledeploy.tasks.classification import Classification, TopOneLost, best_classes

TASK = Classification()
FALLING = np.arange(8, dtype=np.float32)[None, ::-1]  # class 0 first, class 7 last


def agreement(*pairs: tuple[NDArray[Any], NDArray[Any]]) -> dict[str, float | None]:
    count = TASK.agreement()
    for reference, candidate in pairs:
        count.add({"y": reference}, {"y": candidate})
    return {figure.key: figure.share for figure in count.result().get("y", ())}


def test_agreement_of_logits() -> None:
    found = agreement((np.eye(1, 8, k=0), FALLING), (np.eye(1, 8, k=7), FALLING))
    assert found == {"top1_agreement": 0.5, "top5_agreement": 0.5}
    assert agreement((np.eye(1, 8, k=4), FALLING)) == {"top1_agreement": 0.0, "top5_agreement": 1.0}


def test_top5_says_nothing_of_few_classes() -> None:
    assert agreement((np.eye(1, 5), np.eye(1, 5))) == {"top1_agreement": 1.0, "top5_agreement": None}


@pytest.mark.parametrize("shape", [(1, 1), (2, 10), (1, 10, 4)])
def test_outputs_that_are_no_logits_have_no_agreement(shape: tuple[int, ...]) -> None:
    assert agreement((np.ones(shape), np.ones(shape))) == {}


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_broken_candidate_never_agrees(bad: float) -> None:
    found = agreement((np.eye(1, 8), np.full((1, 8), bad)))
    assert found == {"top1_agreement": 0.0, "top5_agreement": 0.0}


def test_of_equal_logits_the_lower_class_goes_first() -> None:
    logits = np.array([1, 3, 3, 0], np.float32)
    assert best_classes(logits) == [1, 2, 0, 3]
    assert best_classes(logits)[0] == int(logits.argmax())


def test_top1_and_top5_against_labels() -> None:
    metric = TASK.metric()
    assert [figure.share for figure in metric.result()] == [None, None]
    for label in (0, 4, 5, 0):
        metric.add({"logits": np.arange(10, dtype=np.float32)[None, ::-1]}, label)
    assert [(figure.key, figure.share) for figure in metric.result()] == [("top1", 0.5), ("top5", 0.75)]


def test_an_app_gets_the_likeliest_classes() -> None:
    assert TASK.postprocess({"logits": FALLING}) == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("shape", [(1, 1), (1, 3, 4, 4), ()])
def test_outputs_that_cannot_be_judged_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match=r"'mask' of the task 'classification'.*expected logits.*--task"):
        TASK.require_outputs({"mask": shape})


def test_logits_may_be_an_image_of_one_pixel() -> None:
    TASK.require_outputs({"logits": (1, 1000, 1, 1)})
    assert TASK.describe_outputs({"logits": (1, 1000, 1, 1)}) == {
        "logits": "logits, one for each of 1000 classes"
    }


class Classes:
    """Says which class each sample is of, by its number."""

    def __init__(self, classes: list[int]) -> None:
        self._classes = classes

    def run(self, sample: Sample) -> dict[str, np.ndarray]:
        logits = np.zeros((1, 5), np.float32)
        logits[0, self._classes[int(sample["i"][0])]] = 1
        return {"y": logits}


def test_points_are_counted_against_labels_and_without_them_against_float() -> None:
    samples = [{"i": np.array([i], np.float32)} for i in range(4)]
    in_float, int8 = Classes([0, 1, 2, 3]), Classes([0, 1, 4, 4])
    labelled = TopOneLost(in_float, samples, [0, 1, 2, 4], "images")
    assert labelled.lost_points(int8) == 0.0  # one lost, one gained
    assert TopOneLost(in_float, samples, None, "images").lost_points(int8) == 50.0
    assert "one image is 25 points" in labelled.description


class Logits:
    """Gives each sample the logits of its number, and counts how often it is asked."""

    def __init__(self, rows: list[list[float]]) -> None:
        self._rows, self.runs = rows, 0

    def run(self, sample: Sample) -> dict[str, np.ndarray]:
        self.runs += 1
        return {"y": np.array([self._rows[int(sample["i"][0])]], np.float32)}


def test_close_calls_alone_give_the_same_figure() -> None:
    samples = [{"i": np.array([i], np.float32)} for i in range(4)]
    in_float = Logits([[9, 0], [0.1, 0], [9, 0], [0, 0.5]])
    noisy = Logits([[9, 0.1], [0, 0.1], [0, 9], [0.1, 0.5]])  # the third is far off
    whole = TopOneLost(in_float, samples, [0, 0, 0, 1], "images")
    close = TopOneLost(in_float, samples, [0, 0, 0, 1], "images").of_close_calls(
        Logits([[9, 0.1], [0, 0.1], [9, 0.1], [0.1, 0.5]])
    )
    better = Logits([[9, 0], [0.1, 0], [9, 0], [0.3, 0.2]])
    assert close.lost_points(better) == whole.lost_points(better) == 25.0
    assert better.runs == 2 + 4
    assert whole.of_close_calls(noisy).lost_points(noisy) == whole.lost_points(noisy) == 50.0
