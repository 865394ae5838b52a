"""A report with something in every section."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from mobiledeploy.quantize.explain.layer_findings import LayerFinding
from mobiledeploy.quantize.mixed.mixed_precision import BudgetStep, MixedPrecision
from mobiledeploy.quantize.mixed.sensitivity import LayerSensitivity
from mobiledeploy.report.record import ArtifactRecord, Report
from mobiledeploy.runtime.partitions import OutsideOp, Partitions
from mobiledeploy.tasks.task import Figure
from mobiledeploy.verify.metrics import Difference
from mobiledeploy.verify.thresholds import Limit
from mobiledeploy.verify.verify import AccuracyReport, Check, LayerDifference

OUTSIDE = (OutsideOp("HARD_SWISH", "y", "not in int8"), OutsideOp("HARD_SWISH", "z", "not in int8"))
NOTES = ("1 ADD in float",)
CLOSE, FAR = (Difference(16, 0.1, 2.0, sqnr_db, 0.998) for sqnr_db in (34.5, 24.5))
LIMIT = Limit("sqnr_db", 30)
TOP1 = (Figure("top1_agreement", "top-1 %", 0.9375), Figure("top5_agreement", "top-5 %", None))
CALIBRATION = {
    "weight_adjustment": {
        "equalized": [
            {"values": ["a", "b"], "channels": 8, "smallest": 0.5, "largest": 4.0, "gain_db": 3.21}
        ],
        "outliers": [{"value": "c", "channels": [1, 5], "ratios": [7.0, 9.4], "reason": "no op before it"}],
    },
    "widened": ["d: range widened 2 times, since the target wants it"],
    "reconstruction": ["block: 40 % less loss"],
    "search": {
        "methods": {"cubed": 3, "mse": 1},
        "changed": [{"values": ["e"], "method": "mse", "gain_db": 0.5}],
    },
}


@pytest.fixture
def full_report() -> Report:
    steps = [
        BudgetStep("everything in int8", 0, 1.0, 18.0, 1.2, False),
        BudgetStep("head in float", 2, 1.1, math.inf, 0.0, True),
        BudgetStep("head back in int8", 1, 1.08, 22.0, 0.4, True),
        BudgetStep("stem back in int8", 1, 1.02, 19.0, 0.9, False),
    ]
    budget, measured_on = "at most 0.5 points of top-1 lost", "points of top-1 lost on 500 images"
    block = LayerFinding(
        "block", "Conv", 12.3, 14.0, "clipping", "94 % is cut off", "min-max", ("next", "last")
    )
    return Report(
        model={"name": "net"},
        weights={"description": "w.pt"},
        settings={"samples": 64, "size": None},
        checked_on="16 of 80 images",
        calibration=CALIBRATION,
        rewrites={
            "int8": {
                "applied": [{"rule": "MergeScales", "count": 2}],
                "refused": [{"rule": "ReshapeMean", "node": "mean", "reason": "it keeps its axes"}],
            }
        },
        artifacts={
            "fp32": ArtifactRecord("net_fp32.tflite", 6_200, "ab", partitions=Partitions(1, 9, ())),
            "int8": ArtifactRecord(
                "net_int8.tflite",
                2_500_000,
                "ab",
                partitions=Partitions(2, 9, OUTSIDE),
                notes=NOTES,
            ),
        },
        checks=[
            Check("int8 TFLite", "fp32 TFLite", "y", FAR, LIMIT, TOP1),
            Check("int8 TFLite", "fp32 TFLite", "[/z]", CLOSE, LIMIT, TOP1),
        ],
        layers=[LayerDifference("[red]block[/b]", 12.34), LayerDifference("stem", 40.0)],
        findings=[block, replace(block, layer="stem", sqnr_db=18.24, affected=())],
        sensitivity=[LayerSensitivity("block", "Conv", 1.25, 30.0, 1.08)],
        kept_float=["gate"],
        mixed_precision=MixedPrecision(budget, measured_on, steps, ["stem"], ["stem"], True, 0.75, False),
        accuracy=[AccuracyReport("int8 TFLite", 50, (Figure("top1", "top-1 %", 0.125),))],
        warnings=["<script>alert(1)</script> & more"],
    )
