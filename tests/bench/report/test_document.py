"""What a user gets of several results in a spreadsheet."""

from __future__ import annotations

import csv
import io
from typing import Any

import pytest

from mobiledeploy.bench.devices.arm.instruction_count import InstructionCount, ModelCount
from mobiledeploy.bench.latency.protocol import measure
from mobiledeploy.bench.latency.settings import Settings
from mobiledeploy.bench.report.document import csv_text
from mobiledeploy.bench.runner.records import Identity, Model

QUICK = Settings(cool_down_s=0.0, cool_down_limit_s=0.0)


def test_csv_has_a_line_for_each_model(fake_device: Any, models: list[Model]) -> None:
    latency = measure(fake_device(), models, QUICK)
    model = ModelCount(
        name="int8",
        path="int8.tflite",
        sha256="0",
        size_bytes=1000,
        fully_delegated=True,
        per_inference=(15_100_000, 15_000_000),
        ops=(),
    )
    core = Identity("emulated", "arm:cortex-a76", "Cortex-A76", "QEMU 7.2.22", "arm64-v8a")
    count = InstructionCount(core, "", "LiteRT 2.3.0", "glibc 2.36", 3, (model,))
    rows = list(csv.DictReader(io.StringIO(csv_text([latency.to_json(), count.to_json()]))))
    assert [row["model"] for row in rows] == ["fp32", "int8", "int8"]
    assert float(rows[0]["median_ms"]) == pytest.approx(2.0, rel=0.01) and rows[0]["stable"] == "True"
    assert float(rows[1]["median_low_ms"]) <= float(rows[1]["median_ms"]) <= float(rows[1]["median_high_ms"])
    assert (rows[0]["name"], rows[2]["name"], rows[2]["path"]) == ("Fake One", "Cortex-A76", "int8.tflite")
    assert not {"samples_ms", "op_profile", "shares"} & set(rows[0])
    assert rows[2]["instructions"] == "15000000" and rows[2]["median_ms"] == ""
