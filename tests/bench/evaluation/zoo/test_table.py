from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mobiledeploy.bench.evaluation.zoo.export import Export, Job
from mobiledeploy.bench.evaluation.zoo.table import COLUMNS, page

Report = Callable[..., dict[str, Any]]

POOL = {"op": "POOL", "output": "pool", "reason": "POOL | int8 is not delegated"}


def rows(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.startswith("|")]


def test_page_says_what_wrote_it_and_has_a_row_for_each_export(report: Report) -> None:
    good = Export(Job("net"), 25.6, report())
    cut = Export(Job("net", 0.5), 3.2, report(int8_partitions=3, outside=[POOL, POOL]))
    failed = Export(Job("other"), 2.0, None, "ended with status 2")
    text = page([failed, good, cut], "python -m zoo --only net other")

    assert "Written by `python -m zoo --only net other`" in text
    assert "mobiledeploy 0.1.0, torch 2.13.0, onnxruntime 1.31.1, ai-edge-litert 2.3.0" in text
    assert "says nothing of accuracy" in text
    assert rows(text)[2:] == [
        "| other |  |  |  |  | not exported: ended with status 2 |  |  | 2 |",
        "| net | 1.37 | 40.5 | 6.0e-07 | 1 / 1 |  | 15.4 | 5.49 / 1.55 | 26 |",
        r"| net 0.5x | 1.37 | 40.5 | 6.0e-07 | 1 / 3 | int8: 2 POOL (POOL \| int8 is not delegated) | 15.4 "
        "| 5.49 / 1.55 | 3 |",
    ]
    assert len(COLUMNS) == rows(text)[0].count("|") - 1 == rows(text)[2].count("|") - 1


def test_page_without_a_single_export_has_no_versions() -> None:
    assert "no export came through" in page([Export(Job("net"), 2.0, None, "no")], "zoo")
