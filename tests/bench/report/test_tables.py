"""What a user sees of a measurement: on a terminal of 80 columns, and in a spreadsheet."""

from __future__ import annotations

import csv
import io
from typing import Any

import pytest
from rich.console import Console

from mobiledeploy.bench.latency.protocol import measure
from mobiledeploy.bench.latency.settings import Settings
from mobiledeploy.bench.report.tables import csv_text, latency_tables
from mobiledeploy.bench.runner.records import Model, State

QUICK = Settings(cool_down_s=0.0, cool_down_limit_s=0.0)


def shown(measured: Any, width: int = 80) -> str:
    text = io.StringIO()
    console = Console(file=text, width=width)
    for part in latency_tables(measured):
        console.print(part)
    return text.getvalue()


def test_the_tables_say_what_where_and_how_sure(fake_device: Any, models: list[Model]) -> None:
    before = State(clocks_khz={7: 2_800_000}, governors={7: "schedutil"}, temperatures_c={"cpu": 31.0})
    after = State(clocks_khz={7: 2_800_000}, governors={7: "schedutil"}, temperatures_c={"cpu": 40.4})
    level = {"fp32": 2.0, "int8": 1.0}
    device = fake_device(lambda name, launch, rng: level[name], states=[before, before, after])
    text = shown(measure(device, models, QUICK))
    assert max(map(len, text.splitlines())) <= 80
    assert "Fake One (FK1), Android 14" in text
    count = QUICK.min_launches * QUICK.rounds * QUICK.burst
    assert "one thread on core 7 of 8, up to 2.80 GHz" in text and f"{count} inferences of each" in text
    lines = [line.split() for line in text.splitlines()]
    assert ["int8", "1.000", "±", "0.0%", "1.000", "1.000", "1.000", "1.000", "0.000"] in lines
    assert ["int8", "/", "fp32", "0.500", "0.500", "-", "0.500", "100%"] in lines
    assert "\nstable" in text and "not stable" not in text
    assert "2.80 GHz (schedutil), 31 °C -> 40 °C" in text
    assert "a fake" in text


def test_a_doubtful_measurement_says_so(fake_device: Any, models: list[Model]) -> None:
    text = shown(measure(fake_device(warm=False), models[:1], QUICK))
    assert "not stable: the warm-up did not settle in 12 of 12 launches" in text
    assert "pair by pair" not in text  # there is nothing to compare one model with


def test_csv_has_a_line_for_each_model(fake_device: Any, models: list[Model]) -> None:
    latency = measure(fake_device(), models, QUICK).to_json()
    count = {
        "kind": "instructions",
        "device": {"key": "arm:cortex-a76", "name": "Cortex-A76"},
        "runtime": "LiteRT 2.3.0",
        "models": [{"name": "int8", "sha256": "0", "instructions": 15_000_000}],
    }
    rows = list(csv.DictReader(io.StringIO(csv_text([latency, count]))))
    assert [row["model"] for row in rows] == ["fp32", "int8", "int8"]
    assert float(rows[0]["median_ms"]) == pytest.approx(2.0, rel=0.01) and rows[0]["stable"] == "True"
    assert rows[2]["instructions"] == "15000000" and rows[2]["median_ms"] == ""
