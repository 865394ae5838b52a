"""Two bench documents: what changed, and what is noise."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mobiledeploy.base.errors import InputError
from mobiledeploy.base.json_text import as_json
from mobiledeploy.bench.latency.protocol import measure
from mobiledeploy.bench.latency.settings import Settings
from mobiledeploy.bench.report.compare import changes, compared, differences
from mobiledeploy.bench.report.document import document, load, save
from mobiledeploy.bench.runner.records import Model

Measured = Callable[..., dict[str, Any]]
QUICK = Settings(cool_down_s=0.0, cool_down_limit_s=0.0)


@pytest.fixture
def measured(fake_device: Any, models: list[Model]) -> Measured:
    """The result of fp32 and int8 at that many milliseconds, read back from its JSON."""

    def run(
        fp32: float, int8: float, scatter: float = 0.01, time_limit_s: float = 60.0, **other: Any
    ) -> dict[str, Any]:
        settings = replace(QUICK, time_limit_s=time_limit_s)
        level = {"fp32": fp32, "int8": int8}
        device = fake_device(lambda name, launch, rng: level[name] * rng.normal(1, scatter), **other)
        found: dict[str, Any] = json.loads(as_json(measure(device, models, settings).to_json()))
        return found

    return run


def test_a_measurement_against_its_like_is_noise(measured: Measured) -> None:
    found = changes(measured(2.0, 1.0), measured(2.03, 1.015))
    assert [row.what for row in found] == ["fp32", "int8", "int8 / fp32"]
    assert [row.verdict for row in found] == ["noise"] * 3


def test_a_slower_model_shows_in_its_median_and_in_the_ratio(measured: Measured) -> None:
    rows = {row.what: row for row in changes(measured(2.0, 1.0), measured(2.0, 1.2))}
    assert rows["fp32"].verdict == "noise"
    assert rows["int8"].verdict == "more" and rows["int8"].relative.value == pytest.approx(1.2, rel=0.01)
    assert rows["int8 / fp32"].verdict == "more"


def test_a_machine_that_got_slower_leaves_the_ratio_alone(measured: Measured) -> None:
    rows = {row.what: row for row in changes(measured(2.0, 1.0), measured(4.0, 2.0))}
    assert rows["fp32"].verdict == rows["int8"].verdict == "more"
    assert rows["int8 / fp32"].verdict == "noise"


def test_a_large_change_that_the_samples_do_not_bear_out_is_noise(measured: Measured) -> None:
    """Half of the launches happen to be 8 % slower: one more in one measurement, one less in the other."""
    old, new = measured(2.0, 1.0), measured(2.0, 1.0)
    half = QUICK.min_launches // 2
    for result, slow in ((old, half - 1), (new, half + 1)):
        launches = [1.08] * slow + [1.0] * (QUICK.min_launches - slow)
        result["models"][1]["samples_ms"] = [[[by] * QUICK.burst] * QUICK.rounds for by in launches]
    (found,) = (row for row in changes(old, new) if row.what == "int8")
    assert found.relative.value == pytest.approx(1.08) and found.verdict == "noise"


def test_an_unstable_measurement_bears_out_less(measured: Measured) -> None:
    """15 % is a change to a quiet machine, and nothing to one whose samples scatter by more."""
    quiet = {row.what: row.verdict for row in changes(measured(2.0, 1.0), measured(2.3, 1.15))}
    assert quiet == {"fp32": "more", "int8": "more", "int8 / fp32": "noise"}
    loud = changes(measured(2.0, 1.0), measured(2.3, 1.15, scatter=0.2, time_limit_s=0.5))
    assert [row.verdict for row in loud] == ["noise"] * 3


def test_counts_are_compared_to_the_last_digit() -> None:
    def result(count: float) -> dict[str, Any]:
        return {"kind": "instructions", "models": [{"name": "a", "sha256": "0", "instructions": count}]}

    assert [row.verdict for row in changes(result(15e6), result(15e6 + 500))] == ["noise"]
    assert [row.verdict for row in changes(result(15e6), result(15e6 + 5000))] == ["more"]
    assert [row.verdict for row in changes(result(15e6), result(14e6))] == ["less"]


def test_what_differed_is_told(measured: Measured) -> None:
    old, new = measured(2.0, 1.0), measured(2.0, 1.0, warm=False)
    new |= {"core": 3, "runtime": "Fake 2.0"}
    assert differences(old, new) == [
        "runtime: Fake 1.0 -> Fake 2.0",
        "core: 7 -> 3",
        "the new measurement is not stable: the warm-up did not settle in 12 of 12 launches",
    ]


def test_the_table_reads_as_it_should(measured: Measured) -> None:
    old, new = measured(2.0, 1.0), measured(2.0, 1.2)
    new["models"][1]["sha256"] = "another"
    (pair,) = compared(document([old]), document([new]))
    section = pair.section()
    rows = {str(row["model"]): row for row in section.rows}
    assert list(rows) == ["fp32", "int8 (another file)", "int8 / fp32 (another file)"]
    assert rows["fp32"][""] == "noise" and rows["int8 (another file)"][""] == "more"
    assert float(str(rows["int8 (another file)"]["new"]).removesuffix(" ms")) == pytest.approx(1.2, rel=0.01)


def test_documents_are_read_back(measured: Measured, tmp_path: Path) -> None:
    content = document([measured(2.0, 1.0)])
    save(tmp_path / "old.json", content)
    assert load(tmp_path / "old.json") == content
    assert [path.name for path in tmp_path.iterdir()] == ["old.json"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (None, "no such file"),
        ("{", "cannot be read"),
        ("[]", "has the schema None"),
        ('{"schema": "mobiledeploy.bench/9", "results": []}', "expected 'mobiledeploy.bench/1'"),
        ('{"schema": "mobiledeploy.bench/1", "results": [{"kind": "latency"}]}', "lacks parts of it"),
    ],
)
def test_what_is_no_document_is_refused(tmp_path: Path, text: str | None, expected: str) -> None:
    if text is not None:
        (tmp_path / "old.json").write_text(text)
    with pytest.raises(InputError, match=expected):
        load(tmp_path / "old.json")


def test_another_device_is_compared_and_told(measured: Measured) -> None:
    old, new = measured(2.0, 1.0), measured(2.0, 1.0)
    new["device"] |= {"key": "OTHER", "name": "Fake Two"}
    (pair,) = compared(document([old]), document([new]))
    section = pair.section()
    assert section.notes == ["device: Fake One -> Fake Two"] and section.rows[0][""] == "noise"
