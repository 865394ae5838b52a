from __future__ import annotations

import math

import numpy as np
import pytest

from mobiledeploy.base.options import UnfitError
from mobiledeploy.verify.metrics import compare
from mobiledeploy.verify.thresholds import AccuracyBudget, Limit


def test_an_sqnr_must_reach_its_bound_and_an_error_must_not_exceed_it() -> None:
    off_by_a_tenth = compare([np.array([[0.0, 1.0]])], [np.array([[0.0, 0.9]])])  # 20 dB
    assert Limit("sqnr_db", 19.9).holds(off_by_a_tenth)
    assert not Limit("sqnr_db", 20.1).holds(off_by_a_tenth)
    assert Limit("relative_error", 0.11).holds(off_by_a_tenth)
    assert not Limit("relative_error", 0.09).holds(off_by_a_tenth)


@pytest.mark.parametrize(("figure", "bound"), [("sqnr_db", -math.inf), ("relative_error", 1e9)])
def test_nan_keeps_only_the_bound_that_asks_for_nothing(figure: str, bound: float) -> None:
    broken = compare([np.array([[0.0, 1.0]])], [np.array([[0.0, np.nan]])])
    assert Limit(figure, bound).holds(broken) == (bound == -math.inf)  # type: ignore[arg-type]


def test_a_limit_reads_as_a_demand() -> None:
    assert str(Limit("sqnr_db", 10.0)) == "SQNR >= 10 dB"
    assert str(Limit("relative_error", 1e-4)) == "error <= 0.0001 of range"


@pytest.mark.parametrize(
    ("text", "budget"),
    [
        ("0.5", AccuracyBudget(points=0.5)),
        ("20dB", AccuracyBudget(sqnr_db=20)),
        ("0", AccuracyBudget(points=0)),
    ],
)
def test_budgets_are_read(text: str, budget: AccuracyBudget) -> None:
    assert AccuracyBudget.of(text) == budget


@pytest.mark.parametrize("text", ["-0.5", "much", "nan", "dB"])
def test_what_is_no_budget_is_refused(text: str) -> None:
    with pytest.raises(UnfitError, match=r"points of accuracy such as 0\.5, or an SQNR"):
        AccuracyBudget.of(text)
