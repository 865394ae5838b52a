from __future__ import annotations

import io
import json
import math
from typing import Any

import numpy as np
from rich.console import Console, RenderableType

from mobiledeploy.quantize.explain.layer_findings import LayerFinding
from mobiledeploy.quantize.mixed.mixed_precision import BudgetStep, MixedPrecision
from mobiledeploy.quantize.mixed.sensitivity import LayerSensitivity
from mobiledeploy.report.record import ArtifactRecord, Report, TensorRecord, as_json, detailed_tables, tables
from mobiledeploy.runtime.partitions import OutsideOp, Partitions
from mobiledeploy.verify.metrics import compare
from mobiledeploy.verify.thresholds import Limit
from mobiledeploy.verify.verify import AccuracyReport, Check, LayerDifference


def check(error: float, limit: float, output: str = "y") -> Check:
    difference = compare([np.array([[0.0, 1.0]])], [np.array([[0.0, 1.0 - error]])])
    return Check("int8 TFLite", "fp32 TFLite", output, difference, Limit("sqnr_db", limit))


def report(**fields: Any) -> Report:
    model = {"name": "net", "inputs": {"image": (1, 3, 8, 8)}}
    weights = {"kind": "file", "description": "w.pt", "sha256": "00"}
    return Report(model=model, weights=weights, settings={"seed": 0}, checked_on="16 of 80 images", **fields)


def shown(*parts: RenderableType) -> str:
    text = io.StringIO()
    console = Console(file=text, width=300)  # with markup, as a careless caller would have it
    for part in parts:
        console.print(part)
    return text.getvalue()


def test_json_is_strict_and_complete() -> None:
    record = ArtifactRecord(
        "net_int8.tflite",
        10,
        "ab",
        (TensorRecord("image", (1, 8, 8, 3), "uint8", 0.5, 128),),
        partitions=Partitions(2, 9, (OutsideOp("HARD_SWISH", "y", "never"),)),
    )
    full = report(
        artifacts={"int8": record},
        checks=[check(0.0, 10)],
        layers=[LayerDifference("a", math.inf)],
        warnings=["w"],
    )
    read = json.loads(full.to_bytes())
    assert read["artifacts"]["int8"]["inputs"][0]["zero_point"] == 128
    assert read["artifacts"]["int8"]["partitions"]["outside"][0]["reason"] == "never"
    assert read["checks"][0]["sqnr_db"] == "inf" and read["checks"][0]["limit"] == "SQNR >= 10 dB"
    assert read["layers"] == [{"name": "a", "sqnr_db": "inf"}]
    assert read["passed"] is True and read["failures"] == []
    assert {"mobiledeploy", "packages", "weights", "settings", "checked_on", "warnings"} <= set(read)
    assert read["packages"]["torch"]


def test_no_number_escapes_the_standard() -> None:
    assert json.loads(as_json({"a": [math.nan, -math.inf, 1.5]})) == {"a": ["nan", "-inf", 1.5]}


def test_failures_name_the_output_and_the_worst_layer() -> None:
    layers = [LayerDifference("good", 30.0), LayerDifference("bad", 2.0)]
    failures = report(checks=[check(0.1, 10), check(0.1, 30, "z")], layers=layers).failures
    assert len(failures) == 2
    assert "output 'z' of int8 TFLite differs from fp32 TFLite: SQNR 20.0 dB" in failures[0]
    assert failures[1] == "the layer of least SQNR is bad (2.0 dB)"
    assert report(checks=[check(0.1, 10)], layers=layers).failures == []


def test_tables_show_reasons_verdicts_and_where_figures_are_from() -> None:
    partitions = Partitions(
        2, 9, (OutsideOp("HARD_SWISH", "y", "not in int8"), OutsideOp("HARD_SWISH", "z", "not in int8"))
    )
    text = shown(
        *tables(
            report(
                artifacts={"int8": ArtifactRecord("net_int8.tflite", 2_500_000, "ab", partitions=partitions)},
                checks=[check(0.1, 10), check(0.1, 30, "z")],
                accuracy=[AccuracyReport("int8 TFLite", 50, 0.125, None)],
                layers=[LayerDifference("block", 12.34)],
            )
        )
    )
    assert "2.50 MB" in text and "2 of 9: not in int8" in text
    assert "fails: SQNR >= 30 dB" in text and " ok " in text
    assert "int8 TFLite z" in text
    assert "weights: w.pt" in text and "inputs: 16 of 80 images" in text
    assert "12.50" in text and "12.3" in text


def test_names_that_look_like_markup_stay_as_they_are() -> None:
    text = shown(
        *tables(
            report(
                checks=[check(0.1, 1, "[/a]"), check(0.1, 1, "b")],
                layers=[LayerDifference("[red]x[/b]", 1.0)],
            )
        )
    )
    assert "[/a]" in text and "[red]x[/b]" in text


def test_the_worst_layers_stand_with_reasons_and_what_they_spoil() -> None:
    found = LayerFinding("stem", "Conv", 18.24, 19.0, "clipping", "94 % is cut off", "min-max", ("a", "b"))
    text = shown(*tables(report(findings=[found], layers=[LayerDifference("other", 1.0)])))
    assert "18.2" in text and "94 % is cut off. Remedy: min-max." in text
    assert "2 layers after it have that from it, such as a." in text and "other" not in text
    (read,) = json.loads(report(findings=[found]).to_bytes())["findings"]
    assert read["reason"] == "clipping" and read["affected"] == ["a", "b"]


def test_a_budget_and_the_sensitivity_behind_it() -> None:
    steps = [
        BudgetStep("everything in int8", 0, 1.0, 18.0, 1.25, False),
        BudgetStep("stem in float", 1, 1.08, 22.0, 0.25, True),
    ]
    missed = MixedPrecision("at most 0.5", "points", steps, ["stem"], ["stem"], True, 0.75, False)
    found = report(mixed_precision=missed, sensitivity=[LayerSensitivity("stem", "Conv", 0.5, 24.0, 1.08)])
    text = shown(*tables(found))
    assert "1.25" in text and "1.080" in text and "in float: stem" in text and "0.75" not in text
    assert "+0.50" in shown(*detailed_tables(found)) and "+8.0 %" in shown(*detailed_tables(found))
    assert "misses the accuracy budget: 0.75 points; demanded is at most 0.5" in found.failures[-1]
    assert detailed_tables(report()) == []
