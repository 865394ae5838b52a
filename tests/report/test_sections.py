"""What the sections say. That the terminal and the page show all of it is in test_html.py."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mobiledeploy.base.section import Section, Styled
from mobiledeploy.quantize.mixed.mixed_precision import BudgetStep, MixedPrecision
from mobiledeploy.report.record import Report
from mobiledeploy.report.sections import checks_section, sections
from mobiledeploy.tasks.task import Figure
from mobiledeploy.verify.verify import LayerDifference


def named(report: Report) -> dict[str, Section]:
    return {section.title: section for section in sections(report)}


@pytest.fixture
def plain_report(full_report: Report) -> Report:
    """An export without anything special."""
    return Report(full_report.model, full_report.weights, full_report.settings, full_report.checked_on)


def column(section: Section, heading: str) -> list[str]:
    return [str(row.get(heading, "")) for row in section.rows]


def test_only_what_has_something_to_say_is_a_section(full_report: Report, plain_report: Report) -> None:
    full = named(full_report)
    assert list(full) == [
        "Artifacts",
        "Checks",
        "Accuracy",
        "Accuracy budget",
        "In float, as the settings say",
        "Worst layers",
        "Affected layers",
        "Sensitivity",
        "All layers",
        "Changes to the network",
        "Settings",
    ]
    assert list(named(plain_report)) == ["Settings"]


def test_artifacts_stand_with_what_each_costs(full_report: Report) -> None:
    found = named(full_report)["Artifacts"]
    assert column(found, "size") == ["6.2 kB", "2.50 MB"]
    assert column(found, "ops outside") == ["none of 9", "2 of 9: not in int8"]
    assert column(found, "SQNR dB") == ["", "24.5"]  # of the output where it is least
    assert column(found, "top-1 %") == ["", "93.75"]
    assert "int8: 1 ADD in float" in found.notes


def test_checks_have_a_verdict_and_say_where_figures_are_from(full_report: Report) -> None:
    found = named(full_report)["Checks"]
    assert [row[""] for row in found.rows] == [Styled("fails: SQNR >= 30 dB", "bad"), Styled("ok", "ok")]
    assert column(found, "output") == ["y", "[/z]"]
    assert found.notes == ["weights: w.pt", "inputs: 16 of 80 images"]
    one = checks_section([replace(full_report.checks[0], limit=None)])
    assert "output" not in one.columns and one.notes == ["output: y"] and column(one, "") == ["not judged"]


def test_figures_of_the_task_have_columns_where_there_are_any(full_report: Report) -> None:
    assert "top-5 %" not in named(full_report)["Checks"].columns
    check, top5 = full_report.checks[0], Figure("top5_agreement", "top-5 %", 1.0)
    without = replace(check, agreement=())
    both = checks_section([without, replace(check, agreement=(check.agreement[0], top5))])
    assert column(both, "top-1 %") == ["", "93.75"] and column(both, "top-5 %") == ["", "100.00"]
    assert list(both.columns)[-1] == ""
    assert not any("top" in heading for heading in checks_section([without]).columns)


def test_the_worst_layers_stand_with_reasons_and_what_they_spoil(full_report: Report) -> None:
    found = named(full_report)
    assert column(found["Worst layers"], "why, and what can be done") == [
        "94 % is cut off. Remedy: min-max. Affected: 2 layers after it, such as next.",
        "94 % is cut off. Remedy: min-max.",
    ]
    (row,) = found["Affected layers"].rows
    assert list(row.values()) == ["block", "next, last"]


def test_layers_without_reasons_are_the_five_of_least_sqnr(plain_report: Report) -> None:
    layers = [LayerDifference(str(sqnr_db), float(sqnr_db)) for sqnr_db in range(9, 0, -1)]
    found = named(replace(plain_report, layers=layers))
    assert column(found["Layers of least SQNR"], "layer") == ["1", "2", "3", "4", "5"]
    assert len(found["All layers"].rows) == 9


def test_a_budget_stands_with_the_way_to_it(full_report: Report) -> None:
    found = named(full_report)["Accuracy budget"]
    assert column(found, "cost") == ["1.000", "1.080", ""]
    assert column(found, "points lost") == ["1.20", "0.40", "0.75"]
    assert "in float: stem" in found.notes and str(found.notes[0]).endswith("; it is kept")
    for caption in ("head back in int8: 1 in float, 22.0 dB", "misses it", "keeps it", "chosen"):
        assert caption in found.plot
    assert column(named(full_report)["Sensitivity"], "cost") == ["+8.0 %"]


def test_a_budget_in_decibels_that_cannot_be_kept(plain_report: Report) -> None:
    steps = [BudgetStep("everything in int8", 0, 1.0, 18.0, None, False)]
    missed = MixedPrecision("SQNR of at least 60 dB", "dB of SQNR", steps, [], [], False, 17.95)
    found = named(replace(plain_report, mixed_precision=missed))["Accuracy budget"]
    assert column(found, "SQNR dB") == ["18.0", "18.0", "17.9"] and "points lost" not in found.columns
    assert (
        str(found.notes[0]).endswith("; it is not kept, even in float") and "in float: nothing" in found.notes
    )


def test_changes_are_a_line_each(full_report: Report) -> None:
    rows = named(full_report)["Changes to the network"].rows
    assert [tuple(row.values()) for row in rows] == [
        ("int8", "MergeScales x 2"),
        ("int8", "ReshapeMean not at mean: it keeps its axes"),
        ("weights", "a, b: 8 channels scaled by 0.5 to 4, rounding noise 3.2 dB lower as predicted"),
        ("weights", "c: channels 1, 5 reach up to 9 times as far as the middle one: no op before it"),
        ("ranges", "d: range widened 2 times, since the target wants it"),
        ("effort", "block: 40 % less loss"),
        ("ranges", "by cubed x 3, mse x 1"),
        ("ranges", "e: by mse, +0.50 dB"),
    ]
