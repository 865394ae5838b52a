"""The sections of an export's report, each from the record: what the terminal and ``report.html`` show.

Another section is another function, and its place in the list at the end.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from mobiledeploy.base.section import Cell, Section, Styled
from mobiledeploy.quantize.mixed.mixed_precision import BudgetStep, MixedPrecision
from mobiledeploy.report.record import Report
from mobiledeploy.report.svg_plot import Point, Series, plot
from mobiledeploy.runtime.partitions import Partitions
from mobiledeploy.tasks.task import Figure
from mobiledeploy.verify.verify import Check, LayerDifference

__all__ = ["checks_section", "layers_section", "sections"]

_WORST_LAYERS = 5
_WHY = "why, and what can be done"
_LAYER_NOTE = "SQNR in int8 against fp32"


def sections(report: Report) -> list[Section]:
    """Return the sections that have something to show, in the order in which they are read."""
    return [section for make in _SECTIONS if (section := make(report)).rows]


def _artifacts(report: Report) -> Section:
    rows = []
    for key, artifact in report.artifacts.items():
        row = {"artifact": artifact.file, "size": _size(artifact.size_bytes)}
        if artifact.partitions is not None:
            row |= {
                "partitions": str(artifact.partitions.count),
                "ops outside": _outside(artifact.partitions),
            }
        if (against_fp32 := report.against_fp32(key)) is not None:
            row |= {"SQNR dB": f"{against_fp32.difference.sqnr_db:.1f}"}
            row |= _task_figures(against_fp32.agreement[:1])
        rows.append(row)
    notes = ["partitions: pieces that XNNPACK runs; SQNR and what follows it: against the fp32 artifact"]
    notes += [f"{key}: {note}" for key, artifact in report.artifacts.items() for note in artifact.notes]
    return Section("Artifacts", rows, notes, names=["artifact"], texts=["ops outside"])


def _size(count: int) -> str:
    return f"{count / 1e6:.2f} MB" if count >= 1e5 else f"{count / 1e3:.1f} kB"


def _outside(partitions: Partitions) -> str:
    reasons = dict.fromkeys(op.reason for op in partitions.outside)
    if not reasons:
        return f"none of {partitions.ops}"
    return f"{len(partitions.outside)} of {partitions.ops}: {'; '.join(reasons)}"


def _task_figures(figures: Sequence[Figure]) -> dict[str, str]:
    """Return the cells of the columns for figures of the network's task; no columns for what is None."""
    return {figure.title: f"{100 * figure.share:.2f}" for figure in figures if figure.share is not None}


def _checks(report: Report) -> Section:
    notes = [f"weights: {report.weights['description']}", f"inputs: {report.checked_on}"]
    return checks_section(report.checks, notes)


def checks_section(checks: Sequence[Check], notes: Sequence[str] = ()) -> Section:
    """Return a row for each output that was compared.

    Args:
        notes: what it was compared on.
    """
    outputs = list(dict.fromkeys(check.output for check in checks))
    if len(outputs) == 1:  # in a note in place of a column: a terminal has room for few
        notes = [f"output: {outputs[0]}", *notes]
    rows = []
    for check in checks:
        difference = check.difference
        row: dict[str, Cell] = {"output": check.output} if len(outputs) > 1 else {}
        row |= {
            "compared": check.candidate,
            "against": check.reference,
            "SQNR dB": f"{difference.sqnr_db:.1f}",
            "error/range": f"{difference.relative_error:.1e}",
            "cosine": f"{difference.cosine:.4f}",
            **_task_figures(check.agreement),
            "": _verdict(check),
        }
        rows.append(row)
    return Section("Checks", rows, notes, names=["output"], texts=["compared", "against", ""])


def _verdict(check: Check) -> Cell:
    if check.limit is None:
        return "not judged"
    return Styled("ok", "ok") if check.passed else Styled(f"fails: {check.limit}", "bad")


def _accuracy(report: Report) -> Section:
    rows = [
        {"artifact": row.artifact, "images": str(row.samples), **_task_figures(row.figures)}
        for row in report.accuracy
    ]
    return Section("Accuracy", rows, texts=["artifact"])


def _budget(report: Report) -> Section:
    if (mixed := report.mixed_precision) is None:
        return Section("Accuracy budget", [])
    rows = [_budget_row("everything in int8", mixed.steps[0]), _budget_row("as chosen", mixed.chosen)]
    if (final := mixed.final) is not None:
        in_points = mixed.chosen.lost_points is not None
        figure = {"points lost": f"{final:.2f}"} if in_points else {"SQNR dB": f"{final:.1f}"}
        rows.append({"": "the .tflite", **figure})
    notes = [
        f"the budget: {mixed.budget}; it is {'kept' if mixed.met else 'not kept, even in float'}",
        f"measured: {mixed.measured_on}",
        f"in float: {', '.join(mixed.layers) or 'nothing'}",
        "cost: estimated instructions, 1 for int8 throughout",
    ]
    return Section("Accuracy budget", rows, notes, texts=[""], plot=_budget_plot(mixed))


def _budget_row(name: str, step: BudgetStep) -> dict[str, str]:
    lost = "" if step.lost_points is None else f"{step.lost_points:.2f}"
    figures = {"in float": str(step.in_float), "cost": f"{step.cost:.3f}", "SQNR dB": f"{step.sqnr_db:.1f}"}
    return {"": name, **figures, "points lost": lost}


def _budget_plot(mixed: MixedPrecision) -> str:
    """Draw the way of the search as an SVG element: SQNR, or points lost, against cost."""
    in_points = mixed.steps[0].lost_points is not None
    groups: dict[str, list[Point]] = {"misses it": [], "keeps it": [], "chosen": []}
    for step in mixed.steps:
        figure = step.lost_points if step.lost_points is not None else step.sqnr_db
        if math.isfinite(figure):
            caption = f"{step.change}: {step.in_float} in float, {step.sqnr_db:.1f} dB"
            name = "chosen" if step is mixed.chosen else "keeps it" if step.met else "misses it"
            groups[name].append(Point(step.cost, figure, caption))
    series = [Series(name, points) for name, points in groups.items() if points]
    label = "points lost" if in_points else "SQNR, dB"
    return plot(series, x_label="cost against int8 throughout", y_label=label) if series else ""


def _kept_float(report: Report) -> Section:
    rows = [{"results": ", ".join(report.kept_float)}] if report.kept_float else []
    return Section("In float, as the settings say", rows, texts=["results"])


def _worst_layers(report: Report) -> Section:
    """Return the layers of least SQNR, with reasons where they were looked for."""
    if not report.findings:
        return layers_section(report.layers)
    rows = []
    for found in report.findings:
        words = f"{found.text}. Remedy: {found.remedy}."
        if found.affected:
            more = f"{len(found.affected)} layers after it, such as " if len(found.affected) > 1 else ""
            words += f" Affected: {more}{found.affected[0]}."
        row = {"layer": found.layer, "dB": f"{found.sqnr_db:.1f}", "own dB": f"{found.own_sqnr_db:.1f}"}
        rows.append(row | {_WHY: words})
    note = "dB: SQNR of its result, all before it in int8; own dB: its input from float"
    return Section("Worst layers", rows, [note], names=["layer"], texts=[_WHY])


def layers_section(layers: Sequence[LayerDifference]) -> Section:
    """Return the layers where most is lost."""
    worst = sorted(layers, key=lambda layer: layer.sqnr_db)[:_WORST_LAYERS]
    return Section("Layers of least SQNR", _layer_rows(worst), [_LAYER_NOTE], names=["layer"])


def _all_layers(report: Report) -> Section:
    return Section("All layers", _layer_rows(report.layers), [_LAYER_NOTE], names=["layer"], detail=True)


def _layer_rows(layers: Sequence[LayerDifference]) -> list[dict[str, str]]:
    return [{"layer": layer.name, "SQNR dB": f"{layer.sqnr_db:.1f}"} for layer in layers]


def _affected_layers(report: Report) -> Section:
    heading = "layers after it that have their noise from it"
    rows = [
        {"layer": found.layer, heading: ", ".join(found.affected)}
        for found in report.findings
        if found.affected
    ]
    return Section("Affected layers", rows, names=["layer"], texts=[heading], detail=True)


def _sensitivity(report: Report) -> Section:
    rows = [
        {
            "layer": found.layer,
            "op": found.op,
            "alone dB": f"{found.alone_db:.1f}",
            "gain dB": f"{found.gain_db:+.2f}",
            "cost": f"{100 * (found.cost - 1):+.1f} %",
        }
        for found in sorted(report.sensitivity, key=lambda found: found.alone_db)
    ]
    note = (
        "alone: SQNR of the output with that layer alone in int8; gain: with it alone in float, against int8 "
        "throughout (both as far as noise adds up); cost: estimated instructions with it in float, against "
        "int8 throughout"
    )
    return Section("Sensitivity", rows, [note], names=["layer", "op"], detail=True)


def _changes(report: Report) -> Section:
    lines = [*_rewrites(report), *_calibration(report.calibration or {})]
    rows = [{"where": where, "what was done": words} for where, words in lines]
    return Section("Changes to the network", rows, texts=["where", "what was done"], detail=True)


def _rewrites(report: Report) -> Iterator[tuple[str, str]]:
    for precision, log in report.rewrites.items():
        for rule in log["applied"]:
            yield precision, f"{rule['rule']} x {rule['count']}"
        for refusal in log["refused"]:
            yield precision, f"{refusal['rule']} not at {refusal['node']}: {refusal['reason']}"


def _calibration(calibration: dict[str, Any]) -> Iterator[tuple[str, str]]:
    adjusted = calibration.get("weight_adjustment", {})
    for part in adjusted.get("equalized", ()):
        scaled = f"{part['channels']} channels scaled by {part['smallest']:.2g} to {part['largest']:.2g}"
        gain = f"rounding noise {part['gain_db']:.1f} dB lower as predicted"
        yield "weights", f"{', '.join(part['values'])}: {scaled}, {gain}"
    for outlier in adjusted.get("outliers", ()):
        if outlier["reason"] is not None:
            channels = ", ".join(map(str, outlier["channels"]))
            reach = f"reach up to {max(outlier['ratios']):.0f} times as far as the middle one"
            yield "weights", f"{outlier['value']}: channels {channels} {reach}: {outlier['reason']}"
    yield from (("ranges", line) for line in calibration.get("widened", ()))
    yield from (("effort", line) for line in calibration.get("reconstruction", ()))
    if (search := calibration.get("search")) is not None:
        methods = ", ".join(f"{method} x {count}" for method, count in search["methods"].items())
        yield "ranges", f"by {methods}"
        for group in search["changed"]:
            yield "ranges", f"{', '.join(group['values'])}: by {group['method']}, {group['gain_db']:+.2f} dB"


def _settings(report: Report) -> Section:
    rows = [
        {"setting": key, "value": str(value)} for key, value in report.settings.items() if value is not None
    ]
    return Section("Settings", rows, names=["setting"], texts=["value"], detail=True)


_SECTIONS: tuple[Callable[[Report], Section], ...] = (
    _artifacts,
    _checks,
    _accuracy,
    _budget,
    _kept_float,
    _worst_layers,
    _affected_layers,
    _sensitivity,
    _all_layers,
    _changes,
    _settings,
)
