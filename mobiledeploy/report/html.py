"""The report as one HTML page, whole in itself: for people who were not at the terminal.

It shows what ``report.json`` holds and nothing else, so that two runs with the same settings give the same
page.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from html import escape

from mobiledeploy.base.version import __version__
from mobiledeploy.quantize.explain.layer_findings import LayerFinding
from mobiledeploy.quantize.mixed.mixed_precision import MixedPrecision
from mobiledeploy.quantize.mixed.sensitivity import LayerSensitivity
from mobiledeploy.report.record import Report
from mobiledeploy.report.svg_plot import Point, Series, plot
from mobiledeploy.verify.metrics import Difference

__all__ = ["to_html"]

_STYLE = """
:root { color-scheme: light dark; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.6rem; } h2 { font-size: 1.15rem; margin-top: 2rem; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; vertical-align: top; padding: .3rem .8rem .3rem 0; }
th { border-bottom: 1px solid; } td { border-bottom: 1px solid #8884; }
td.n, th.n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
.name, code { font-family: ui-monospace, monospace; font-size: .92em; overflow-wrap: anywhere; }
.ok { color: #00744f; } .bad { color: #c2410c; font-weight: 600; }
@media (prefers-color-scheme: dark) { .ok { color: #4ade80; } .bad { color: #fb923c; } }
.note { opacity: .75; font-size: .92em; } ul { padding-left: 1.2rem; }
"""


def to_html(report: Report) -> str:
    """The content of ``report.html``. No scripts, nothing that is loaded from elsewhere."""
    name = str(report.model["name"])
    sections = [
        _verdict(report),
        _listed("Warnings", report.warnings),
        _artifacts(report),
        _checks(report),
        _accuracy(report),
        _mixed(report.mixed_precision),
        _listed("In float, as the settings say", report.kept_float),
        _findings(report.findings),
        _sensitivity(report.sensitivity),
        _layers(report),
        _settings(report),
    ]
    body = "\n".join(section for section in sections if section)
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(name)}: export report</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n"
        f"<h1>{escape(name)}</h1>\n{body}\n</body>\n</html>\n"
    )


def _verdict(report: Report) -> str:
    weights = f"weights: {report.weights['description']}; checked on {report.checked_on}"
    note = f'<p class="note">{escape(weights)}; mobiledeploy {__version__}</p>'
    if not report.failures:
        return f'<p class="ok">All checks passed.</p>\n{note}'
    return _bullets(report.failures, "bad") + "\n" + note


def _artifacts(report: Report) -> str:
    rows = []
    for key, artifact in report.artifacts.items():
        partitions, against = artifact.partitions, report.against_fp32(key)
        reasons = "; ".join(dict.fromkeys(op.reason for op in partitions.outside)) if partitions else ""
        outside = f"{len(partitions.outside)} of {partitions.ops}" if partitions else ""
        rows.append(
            (
                _name(artifact.file),
                f"{artifact.size_bytes / 1e6:.2f} MB",
                str(partitions.count) if partitions else "",
                escape(f"{outside}: {reasons}" if reasons else outside),
                f"{against.sqnr_db:.1f}" if against else "",
                _percent(against.top1_agreement) if against else "",
            )
        )
    columns = ("file", "#size", "#XNNPACK partitions", "ops outside", "#SQNR dB", "#top-1 %")
    notes = [f"{key}: {note}" for key, artifact in report.artifacts.items() for note in artifact.notes]
    told = _note("SQNR and top-1 agreement are those against the fp32 artifact.")
    return _section("Artifacts", _table(columns, rows) + told + _bullets(notes))


def _checks(report: Report) -> str:
    rows = []
    for check in report.checks:
        verdict = "" if check.limit is None else '<span class="ok">ok</span>'
        if not check.passed:
            verdict = f'<span class="bad">fails: {escape(str(check.limit))}</span>'
        names = (_name(check.output), escape(check.candidate), escape(check.reference))
        rows.append((*names, *_figures(check.difference), verdict))
    columns = ("output", "compared", "against", "#SQNR dB", "#error/range", "#cosine", "#top-1 %", "")
    return _section("Checks", _table(columns, rows)) if rows else ""


def _figures(difference: Difference) -> tuple[str, ...]:
    return (
        f"{difference.sqnr_db:.1f}",
        f"{difference.relative_error:.1e}",
        f"{difference.cosine:.4f}",
        _percent(difference.top1_agreement),
    )


def _accuracy(report: Report) -> str:
    rows = [
        (escape(row.artifact), str(row.samples), _percent(row.top1), _percent(row.top5))
        for row in report.accuracy
    ]
    return _section("Accuracy", _table(("artifact", "#images", "#top-1 %", "#top-5 %"), rows)) if rows else ""


def _mixed(mixed: MixedPrecision | None) -> str:
    if mixed is None:
        return ""
    kept = ", ".join(map(_name, mixed.layers)) or "nothing: int8 throughout keeps it"
    final = "" if mixed.final is None else f" The .tflite: {mixed.final:.2f}."
    words = (
        f"<p>Budget: {escape(mixed.budget)}. In float: {kept}.</p>"
        + _note(f"{mixed.measured_on}.{final} Cost: estimated instructions, 1 for int8 throughout.")
        + (_bullets([mixed.failure], "bad") if mixed.failure else "")
    )
    return _section("Accuracy against cost", words + budget_plot(mixed))


def budget_plot(mixed: MixedPrecision) -> str:
    """The way of the search as an SVG element: SQNR, or points of top-1 lost, against cost."""
    in_points = mixed.steps[0].lost_points is not None
    groups: dict[str, list[Point]] = {"misses it": [], "keeps it": [], "chosen": []}
    for step in mixed.steps:
        figure = step.lost_points if step.lost_points is not None else step.sqnr_db
        if math.isfinite(figure):
            told = f"{step.change}: {step.in_float} in float, {step.sqnr_db:.1f} dB"
            name = "chosen" if step is mixed.chosen else "keeps it" if step.met else "misses it"
            groups[name].append(Point(step.cost, figure, told))
    series = [Series(name, points) for name, points in groups.items() if points]
    label = "top-1 lost, points" if in_points else "SQNR, dB"
    return plot(series, x_label="cost against int8 throughout", y_label=label) if series else ""


def _findings(findings: Sequence[LayerFinding]) -> str:
    rows = [
        (
            _name(found.layer),
            f"{found.sqnr_db:.1f}",
            f"{found.own_sqnr_db:.1f}",
            f"{escape(found.text)}.<br><b>Remedy:</b> {escape(found.remedy)}."
            + (f'<br><span class="note">{escape(_heirs(found))}</span>' if found.affected else ""),
        )
        for found in findings
    ]
    told = "SQNR of the layer's result with everything before it in int8; own: with its input from float."
    columns = ("layer", "#dB", "#own dB", "why, and what can be done")
    return _section("Worst layers", _table(columns, rows) + _note(told)) if rows else ""


def _heirs(found: LayerFinding) -> str:
    return f"passed on to: {', '.join(found.affected)}"


def _sensitivity(sensitivity: Sequence[LayerSensitivity]) -> str:
    rows = [
        (
            _name(found.layer),
            escape(found.op),
            f"{found.alone_db:.1f}",
            f"{found.gain_db:+.2f}",
            f"{100 * (found.cost - 1):+.1f} %",
        )
        for found in sorted(sensitivity, key=lambda found: found.alone_db)
    ]
    told = (
        "alone: SQNR of the output with that layer alone in int8; gain: with it alone in float, against int8 "
        "throughout (both as far as noise adds up); cost: estimated instructions with it in float, against "
        "int8 throughout."
    )
    columns = ("layer", "op", "#alone dB", "#gain dB", "#cost")
    return _section("Sensitivity", _folded(_table(columns, rows) + _note(told))) if rows else ""


def _layers(report: Report) -> str:
    rows = [(_name(layer.name), f"{layer.sqnr_db:.1f}") for layer in report.layers]
    table = _table(("layer", "#SQNR dB, int8 against fp32"), rows)
    return _section("All layers", _folded(table)) if rows else ""


def _settings(report: Report) -> str:
    rows = [(_name(key), escape(str(value))) for key, value in report.settings.items() if value is not None]
    return _section("Settings", _folded(_table(("setting", "value"), rows)))


# Pieces of HTML


def _section(title: str, content: str) -> str:
    return f"<section>\n<h2>{escape(title)}</h2>\n{content}\n</section>"


def _table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Cells are HTML; a column whose title begins with "#" holds numbers."""
    classes = [' class="n"' if column.startswith("#") else "" for column in columns]
    heads = "".join(
        f"<th{kind}>{escape(column.removeprefix('#'))}</th>"
        for column, kind in zip(columns, classes, strict=True)
    )
    lines = [
        "<tr>" + "".join(f"<td{kind}>{cell}</td>" for cell, kind in zip(row, classes, strict=True)) + "</tr>"
        for row in rows
    ]
    return f"<table>\n<tr>{heads}</tr>\n" + "\n".join(lines) + "\n</table>"


def _listed(title: str, lines: Sequence[str]) -> str:
    return _section(title, _bullets(lines)) if lines else ""


def _bullets(lines: Sequence[str], kind: str = "") -> str:
    items = "".join(f"<li>{escape(line)}</li>" for line in lines)
    return f'<ul class="{kind}">{items}</ul>' if items else ""


def _folded(content: str) -> str:
    return f"<details><summary>show</summary>\n{content}\n</details>"


def _note(text: str) -> str:
    return f'<p class="note">{escape(text)}</p>'


def _name(text: str) -> str:
    return f'<span class="name">{escape(text)}</span>'


def _percent(share: float | None) -> str:
    return "" if share is None else f"{100 * share:.2f}"
