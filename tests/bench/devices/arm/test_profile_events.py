"""Ticks by hand: the first two are the clock's own, and each look at it costs 3 instructions."""

from __future__ import annotations

import pytest

from mobiledeploy.bench.devices.arm.profile_events import KernelCount, kernel_counts, to_events

COST = 3
REGISTRATION = [1, 3, 1, 0, "LiteRT::Run[buffer registration]"]
SYNC = [1, 12, 1, 0, "LiteRT::Run[Buffer sync]"]

# One partition of two operators, the second of two parts; an op of the interpreter; another partition.
ROWS = [
    REGISTRATION,
    [1, 5, 6, 0, "Invoke"],  # ticks 5 to 11, which enclose:
    [8, 0, 1, 0, "Convolution (NHWC, F32) IGEMM"],  # 6 to 7
    [8, 0, 2, 1, "Copy (NC, X32)"],  # 7 to 9
    [32, 0, 4294967296, 0, "Invoke"],  # not an inference but a notice of it
]


def readings(*gaps: int) -> dict[int, int]:
    """Ticks from 1 on, with so many instructions between each and the next."""
    return {tick: sum(gaps[: tick - 1]) for tick in range(1, len(gaps) + 2)}


def test_operators_of_xnnpack_end_at_ticks_one_after_the_other() -> None:
    rows = [*ROWS[:4], ROWS[4]]
    rows[1] = [1, 5, 5, 0, "Invoke"]
    gaps = readings(COST, 9, 9, 9, 9, 1000 + COST, 20 + COST, 30 + COST, 9)
    assert kernel_counts(to_events(rows), gaps, COST) == [
        KernelCount("Convolution (NHWC, F32) IGEMM", 1000, partition=0),
        KernelCount("Copy (NC, X32)", 50, partition=0),
    ]


def test_an_op_of_the_interpreter_divides_partitions() -> None:
    rows = [
        [1, 5, 8, 0, "Invoke"],
        [8, 0, 1, 0, "Add (ND)"],  # 6 to 7
        [2, 8, 1, 4, "HARD_SWISH"],  # 8 to 9
        [8, 0, 1, 0, "Multiply (ND)"],  # 10 to 11
        [8, 0, 1, 1, "Add (ND)"],  # 11 to 12
    ]
    gaps = readings(COST, 9, 9, 9, 9, 100 + COST, 500, 200 + COST, 500, 300 + COST, 400 + COST, 9)
    assert kernel_counts(to_events(rows), gaps, COST) == [
        KernelCount("Add (ND)", 100, partition=0),
        KernelCount("HARD_SWISH", 200, op=4),
        KernelCount("Multiply (ND)", 300, partition=1),
        KernelCount("Add (ND)", 400, partition=1),
    ]


def test_a_look_at_the_clock_by_somebody_else_is_noticed() -> None:
    gaps = readings(*[10] * 20)
    with pytest.raises(ValueError, match="tick 11 where 10 is due"):
        kernel_counts(to_events(ROWS), gaps, COST)
    with pytest.raises(ValueError, match="tick 9 where 8 is due"):
        kernel_counts(to_events([*ROWS[:3], [2, 9, 1, 4, "HARD_SWISH"]]), gaps, COST)


def test_a_reading_that_is_missing_is_noticed() -> None:
    with pytest.raises(ValueError, match="no reading of tick 7 or 9"):
        kernel_counts(to_events([*ROWS[:4]]), readings(*[10] * 7), COST)


def test_no_inference_is_noticed() -> None:
    with pytest.raises(ValueError, match="no inference"):
        kernel_counts(to_events([REGISTRATION, SYNC]), readings(*[10] * 20), COST)


def test_events_of_another_form_are_refused() -> None:
    for rows in ([[1, 2, 3]], [[1, 2, 3, 4, 5]], [["a", 2, 3, 4, "b"]], [7]):
        with pytest.raises((TypeError, ValueError)):
            to_events(rows)  # type: ignore[arg-type]
