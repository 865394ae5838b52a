from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from mobiledeploy.bench.evaluation.zoo.export import Export, Job
from mobiledeploy.bench.evaluation.zoo.row import misses, row
from mobiledeploy.runtime.partitions import UNEXPLAINED

Report = Callable[..., dict[str, Any]]

POOL = {"op": "AVERAGE_POOL_2D", "output": "pool", "reason": "AVERAGE_POOL_2D is not delegated in int8"}


def test_a_row_holds_the_worst_output_and_counts_the_ops_outside(report: Report) -> None:
    found = row(Export(Job("net"), 25.4, report(int8_partitions=3, outside=[POOL, POOL])))
    assert found is not None
    assert (found.parameters, found.multiply_adds) == (1_366_792, 40_476_448)
    assert (found.float_error, found.sqnr_db) == (6e-7, 15.45)
    assert found.partitions == {"fp32": 1, "int8": 3}
    assert found.outside["int8"] == Counter({(POOL["op"], POOL["reason"]): 2}) and not found.outside["fp32"]
    assert found.size_bytes == {"fp32": 5_491_760, "int8": 1_548_272}


def test_what_is_as_it_should_be_misses_nothing(report: Report) -> None:
    assert misses(Export(Job("net"), 1.0, report())) == []


def test_partitions_with_a_reason_are_no_miss(report: Report) -> None:
    assert misses(Export(Job("net"), 1.0, report(int8_partitions=2, outside=[POOL]))) == []


@pytest.mark.parametrize(
    ("fault", "miss"),
    [
        ({"float_error": 1e-4}, "fp32 errs by 1.0e-04 of the range, expected less than 0.0001"),
        ({"int8_partitions": 2}, "int8 has 2 partitions, expected 1 or an op and a reason for it"),
        ({"int8_partitions": 0}, "int8 has 0 partitions, expected 1 or an op and a reason for it"),
        (
            {"int8_partitions": 3, "outside": [POOL, POOL | {"reason": f"litert-2.3 {UNEXPLAINED}"}]},
            "int8 has 3 partitions, expected 1 or an op and a reason for it",
        ),
        ({"failures": ["output 'y' of int8 TFLite differs"]}, "output 'y' of int8 TFLite differs"),
    ],
)
def test_each_fault_is_named(report: Report, fault: dict[str, Any], miss: str) -> None:
    assert misses(Export(Job("net"), 1.0, report(**fault))) == [miss]


def test_an_export_that_failed_says_why() -> None:
    failed = Export(Job("net"), 1.0, None, "ended with status 2 and said no")
    assert misses(failed) == ["ended with status 2 and said no"] and row(failed) is None
