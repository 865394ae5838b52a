"""The rows as Markdown and as a plot, and where ours miss what they should reach."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from mobiledeploy.bench.evaluation.accuracy.figures import Figures
from mobiledeploy.bench.evaluation.accuracy.markdown import line
from mobiledeploy.bench.evaluation.accuracy.methods import METHODS
from mobiledeploy.bench.evaluation.accuracy.row import Row
from mobiledeploy.report.svg_plot import Point, Series, plot

__all__ = ["DEMANDS", "best_of_families", "drawing", "misses", "table"]

DEMANDS = {"default": (0.15, 20.0), "high": (0.05, 23.0)}
"""Method -> largest drop in points, and least SQNR in dB, that it should have on a classifier."""

COLUMNS = (
    "network",
    "method",
    "float top-1 %",
    "int8 top-1 %",
    "drop, points",
    "SQNR dB",
    "agrees %",
    "seconds",
    "partitions",
    "ops outside",
    "in float",
    "run by",
)


def table(rows: Sequence[Row], latency_ms: Mapping[tuple[str, str], str] | None = None) -> str:
    """Markdown; a family of methods, such as one tool's calibrators, is shown by its best.

    Args:
        latency_ms: (network, method) -> latency as text, where it was measured.
    """
    latencies = latency_ms or {}
    columns = [*COLUMNS, "latency ms"] if latencies else list(COLUMNS)
    lines = [line(columns), line(["---"] * len(columns))]
    for row in best_of_families(rows):
        cells = _cells(row)
        if latencies:
            cells.append(latencies.get((row.network, row.method), ""))
        lines.append(line(cells))
    return "\n".join([*lines, ""])


def best_of_families(rows: Sequence[Row]) -> list[Row]:
    """Of each network's rows of one family the one of highest SQNR, in its place; all other rows as well."""
    best: dict[tuple[str, str], Row] = {}
    for row in rows:
        key = (row.network, METHODS[row.method].family or row.method)
        if key not in best or _sqnr(row) > _sqnr(best[key]):
            best[key] = row
    return list(best.values())


def _sqnr(row: Row) -> float:
    return -math.inf if row.figures is None else row.figures.sqnr_db


def _cells(row: Row) -> list[str]:
    title = METHODS[row.method].title
    found = row.figures
    if found is None:
        return [row.network, title, *[""] * (len(COLUMNS) - 3), f"no result: {row.error}"]
    return [
        row.network,
        title,
        f"{found.float_top1:.2f}",
        f"{found.top1:.2f}",
        _drop(found),
        f"{found.sqnr_db:.1f}",
        f"{found.agreement:.2f}",
        f"{row.seconds:.0f}",
        "" if row.partitions is None else str(row.partitions),
        _counts(row.outside),
        _counts(row.float_ops),
        row.runtime,
    ]


def _drop(found: Figures) -> str:
    return f"{found.drop:.2f} ± {found.drop_error:.2f}"


def _counts(counts: Mapping[str, int]) -> str:
    return "; ".join(f"{count} {op}" for op, count in counts.items())


def misses(rows: Sequence[Row]) -> list[str]:
    """Where our rows miss their demands or are behind another tool's, in words; empty if nowhere."""
    found = []
    for ours in rows:
        if ours.method not in DEMANDS:
            continue
        name = f"{ours.network}, {ours.method}"
        if ours.figures is None:
            found.append(f"{name}: no result ({ours.error})")
            continue
        drop, sqnr = DEMANDS[ours.method]
        if ours.figures.drop > drop:
            found.append(f"{name}: drop {_drop(ours.figures)} points, demanded at most {drop}")
        if ours.figures.sqnr_db < sqnr:
            found.append(f"{name}: SQNR {ours.figures.sqnr_db:.1f} dB, demanded at least {sqnr:g} dB")
        for peer in rows:
            if peer.network == ours.network and METHODS[peer.method].group == "peers":
                found += [f"{name}: {text}" for text in _behind(ours.figures, peer)]
    return found


def _behind(ours: Figures, peer: Row) -> list[str]:
    theirs, title = peer.figures, METHODS[peer.method].title
    if theirs is None:
        return []
    left = f" ({title} leaves in float: {_counts(peer.float_ops)})" if peer.float_ops else ""
    found = []
    if ours.sqnr_db < theirs.sqnr_db:
        found.append(f"SQNR {ours.sqnr_db:.1f} dB is below the {theirs.sqnr_db:.1f} dB of {title}{left}")
    if ours.drop > theirs.drop:
        # Of two paired drops against the same float network; the two errors are not independent, so this
        # is an upper estimate of what chance does.
        chance = math.hypot(ours.drop_error, theirs.drop_error)
        verdict = "within" if ours.drop - theirs.drop <= chance else "beyond"
        found.append(
            f"drop {_drop(ours)} is above the {_drop(theirs)} of {title}, {verdict} one standard error{left}"
        )
    return found


def drawing(rows: Sequence[Row]) -> str:
    """SQNR against drop, a point for each row that has figures, as SVG; a marker for each method.

    Raises:
        ValueError: No row has figures.
    """
    points: dict[str, list[Point]] = {}
    for row in best_of_families(rows):
        if row.figures is not None and math.isfinite(row.figures.sqnr_db):
            title = METHODS[row.method].title
            hover = f"{row.network}, {title}: {row.figures.sqnr_db:.1f} dB, {_drop(row.figures)} points"
            label = row.network.split()[0]
            points.setdefault(title, []).append(Point(row.figures.sqnr_db, row.figures.drop, hover, label))
    return plot(
        [Series(title, found) for title, found in points.items()],
        x_label="SQNR of the logits, dB",
        y_label="drop of top-1, points",
        title="What quantization costs",
        width=960,
        height=460,
    )
