from __future__ import annotations

import json
import math
from typing import Any

import numpy as np

from mobiledeploy.report.record import ArtifactRecord, Report, TensorRecord
from mobiledeploy.runtime.partitions import OutsideOp, Partitions
from mobiledeploy.verify.metrics import compare
from mobiledeploy.verify.thresholds import Limit
from mobiledeploy.verify.verify import Check, LayerDifference


def check(error: float, limit: float, output: str = "y") -> Check:
    difference = compare([np.array([[0.0, 1.0]])], [np.array([[0.0, 1.0 - error]])])
    return Check("int8 TFLite", "fp32 TFLite", output, difference, Limit("sqnr_db", limit))


def report(**fields: Any) -> Report:
    model = {"name": "net", "inputs": {"image": (1, 3, 8, 8)}}
    weights = {"kind": "file", "description": "w.pt", "sha256": "00"}
    return Report(model=model, weights=weights, settings={"seed": 0}, checked_on="16 of 80 images", **fields)


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


def test_failures_name_the_output_and_the_worst_layer() -> None:
    layers = [LayerDifference("good", 30.0), LayerDifference("bad", 2.0)]
    failures = report(checks=[check(0.1, 10), check(0.1, 30, "z")], layers=layers).failures
    assert len(failures) == 2
    assert "output 'z' of int8 TFLite differs from fp32 TFLite: SQNR 20.0 dB" in failures[0]
    assert failures[1] == "the layer of least SQNR is bad (2.0 dB)"
    assert report(checks=[check(0.1, 10)], layers=layers).failures == []
