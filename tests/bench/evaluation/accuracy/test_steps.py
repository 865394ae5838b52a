from __future__ import annotations

from pathlib import Path

import mobiledeploy
from mobiledeploy.bench.evaluation.accuracy.steps import quantizes


def test_of_an_exports_steps_those_count_that_quantize(network: str, tmp_path: Path) -> None:
    result = mobiledeploy.export(network, int8=True, size=16, samples=4, cache=False, out=tmp_path / "out")
    assert [step for step in result.seconds if quantizes(step)] == [
        "rewrite for int8",
        "adjust weights",
        "calibrate",
        "correct biases",
        "QDQ to int8 TFLite",
    ]
