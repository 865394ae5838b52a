from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from mobiledeploy.bench.evaluation.runtimes.agreement import Agreement, Limits, agreement, complaint, sqnr_db

INT8 = Agreement(
    max_abs=0.0, max_steps=0.0, relative=0.0, unequal=0, values=4, beyond=0, inputs=2, sqnr_db=20.0
)
FP32 = replace(INT8, max_steps=None, sqnr_db=120.0)


def test_sqnr_is_a_ratio_of_powers() -> None:
    assert sqnr_db(np.array([3.0, 4.0]), np.array([3.0, 3.5])) == pytest.approx(20.0)  # 25 to 0.25
    assert sqnr_db(np.array([1.0]), np.array([1.0])) == float("inf")


def test_agreement_counts_steps_and_unequal_values() -> None:
    reference = np.array([[0.0, 0.5], [-1.0, 1.0]])
    found = agreement(reference, np.array([[0.0, 0.75], [-1.0, 0.5]]), reference, step=0.25)
    assert (found.max_abs, found.max_steps, found.unequal, found.values) == (0.5, 2.0, 2, 4)
    assert (found.beyond, found.inputs) == (1, 2)
    assert found.relative == 0.25  # of a range of 2


def test_agreement_of_float_has_no_steps() -> None:
    reference = np.array([[0.0, 1.0]])
    assert agreement(reference, reference, reference, step=None).max_steps is None


def test_a_constant_output_is_no_division_by_zero() -> None:
    ones = np.ones((1, 2))
    assert agreement(ones, ones, ones, step=None).relative == 0.0


@pytest.mark.parametrize(
    ("found", "delegated", "words"),
    [
        (replace(INT8, max_steps=1.0), True, ""),
        (
            replace(INT8, max_steps=2.0, beyond=1),
            True,
            "2 quantization steps apart, expected at most 1; 1 of 2",
        ),
        (replace(INT8, max_steps=5.0, sqnr_db=19.5), False, ""),
        (replace(INT8, max_steps=5.0, sqnr_db=18.0), False, "2.0 dB below"),
        (replace(INT8, sqnr_db=25.0), False, ""),
        (replace(FP32, relative=5e-5), False, ""),
        (replace(FP32, relative=3e-4), True, "3.0e-04 of the output range"),
    ],
)
def test_complaints(found: Agreement, delegated: bool, words: str) -> None:
    message = complaint(found, INT8, delegated, Limits())
    assert words in message
    assert bool(message) == bool(words)
