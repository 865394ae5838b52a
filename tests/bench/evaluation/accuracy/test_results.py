from __future__ import annotations

from dataclasses import replace
from typing import Any
from xml.etree import ElementTree

import pytest

from mobiledeploy.bench.evaluation.accuracy.measure import Figures
from mobiledeploy.bench.evaluation.accuracy.results import best_of_families, drawing, misses, table
from mobiledeploy.bench.evaluation.rows import Row


def row(method: str, drop: float = 0.1, sqnr_db: float = 25.0, **others: Any) -> Row[Figures]:
    figures = Figures(
        images=5000,
        float_top1=83.38,
        top1=83.38 - drop,
        drop=drop,
        drop_error=0.14,
        sqnr_db=sqnr_db,
        agreement=98.7,
        runtime="LiteRT",
        seconds=12.0,
        file_sha256="",
        size_bytes=1,
        partitions=1,
        outside={},
        float_ops={},
        versions={},
    )
    return Row(("mobilenetv3_small", method), replace(figures, **others))


FAILED = Row[Figures](("mobilenetv3_small", "nncf-fast"), None, "/nowhere/python cannot be run")


def test_every_row_has_its_line() -> None:
    lines = table([row("default", outside={"PAD": 2}), FAILED]).splitlines()
    assert len({line.count("|") for line in lines}) == 1
    assert "| 83.38 | 83.28 | 0.10 ± 0.14 | 25.0 | 98.70 | 12 | 1 | 2 PAD |" in lines[2]
    assert lines[3].endswith("no result: /nowhere/python cannot be run |")


def test_of_a_tools_calibrators_the_best_is_shown() -> None:
    rows = [row("default"), row("onnxruntime-minmax"), row("onnxruntime-percentile", sqnr_db=26.8)]
    rows.append(row("onnxruntime-minmax-tflite", sqnr_db=30.0))
    shown = [each.names[1] for each in best_of_families(rows)]
    assert shown == ["default", "onnxruntime-percentile", "onnxruntime-minmax-tflite"]


def test_nothing_is_missed_by_rows_that_are_good_enough() -> None:
    assert misses([row("default", 0.15, 20.0), row("high", 0.05, 23.0), row("aeq", 0.2, 14.0), FAILED]) == []


def test_what_misses_a_demand_says_by_how_much() -> None:
    drop, sqnr = misses([row("high", 0.12, 22.5)])
    assert drop == "mobilenetv3_small, high: drop 0.12 ± 0.14 points, demanded at most 0.05"
    assert sqnr == "mobilenetv3_small, high: SQNR 22.5 dB, demanded at least 23 dB"
    assert misses([replace(FAILED, names=("mobilenetv3_small", "default"), error="E: no")]) == [
        "mobilenetv3_small, default: no result (E: no)"
    ]


def test_a_peer_that_is_better_is_named_with_what_it_leaves_in_float() -> None:
    peer = row("onnxruntime-percentile", 0.0, 26.8, float_ops={"HardSwish": 19})
    sqnr, drop = misses([row("default"), peer])
    assert "below the 26.8 dB of onnxruntime quantize_static (percentile)" in sqnr
    assert sqnr.endswith("leaves in float: 19 HardSwish)")
    assert "within one standard error" in drop


def test_the_plot_has_a_marker_for_each_row_with_figures() -> None:
    text = drawing([row("default"), row("aeq", 0.2, 14.0), FAILED])
    hovers = [
        title.text or "" for title in ElementTree.fromstring(text).iter("{http://www.w3.org/2000/svg}title")
    ]
    assert sum("mobilenetv3_small" in hover for hover in hovers) == 2
    with pytest.raises(ValueError, match="0 points"):
        drawing([FAILED])
