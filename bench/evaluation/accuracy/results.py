"""The rows as a table and as a plot, and where ours miss what they should reach."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from mobiledeploy.bench.evaluation import page
from mobiledeploy.bench.evaluation.accuracy.figures import percent
from mobiledeploy.bench.evaluation.accuracy.measure import Figures
from mobiledeploy.bench.evaluation.accuracy.methods import METHODS
from mobiledeploy.bench.evaluation.rows import Row
from mobiledeploy.report.svg_plot import Point, Series, plot

__all__ = ["DEMANDS", "best_of_families", "drawing", "misses", "table"]

DEMANDS = {"default": (0.15, 20.0), "high": (0.05, 23.0)}
"""Method -> largest drop in points, and least SQNR in dB, that it should have on a classifier."""


def _drop(found: Figures) -> str:
    return f"{found.drop:.2f} ± {found.drop_error:.2f}"


def _counts(counts: Mapping[str, int]) -> str:
    return "; ".join(f"{count} {op}" for op, count in counts.items())


COLUMNS: Mapping[str, Callable[[Figures], str]] = {
    "float top-1 %": lambda found: percent(found.float_top1),
    "int8 top-1 %": lambda found: percent(found.top1),
    "drop, points": _drop,
    "SQNR dB": lambda found: f"{found.sqnr_db:.1f}",
    "agrees %": lambda found: percent(found.agreement),
    "seconds": lambda found: f"{found.seconds:.0f}",
    "partitions": lambda found: "" if found.partitions is None else str(found.partitions),
    "ops outside": lambda found: _counts(found.outside),
    "in float": lambda found: _counts(found.float_ops),
    "run by": lambda found: found.runtime,
}


def table(rows: Sequence[Row[Figures]]) -> str:
    """Markdown; a family of methods, such as one tool's calibrators, is shown by its best."""
    titled = [
        replace(row, names=(row.names[0], METHODS[row.names[1]].title)) for row in best_of_families(rows)
    ]
    return page.table(("network", "method"), COLUMNS, titled)


def best_of_families(rows: Sequence[Row[Figures]]) -> list[Row[Figures]]:
    """Return the rows; of each network's rows of one family only the one of highest SQNR."""
    best: dict[tuple[str, str], Row[Figures]] = {}
    for row in rows:
        network, method = row.names
        key = (network, METHODS[method].family or method)
        if key not in best or _sqnr(row) > _sqnr(best[key]):
            best[key] = row
    return list(best.values())


def _sqnr(row: Row[Figures]) -> float:
    return -math.inf if row.figures is None else row.figures.sqnr_db


def misses(rows: Sequence[Row[Figures]]) -> list[str]:
    """Return where our rows miss a demand or are behind another tool's, in words."""
    found = []
    for ours in rows:
        network, method = ours.names
        if method not in DEMANDS:
            continue
        name = f"{network}, {method}"
        if ours.figures is None:
            found.append(f"{name}: no result ({ours.error})")
            continue
        drop, sqnr = DEMANDS[method]
        if ours.figures.drop > drop:
            found.append(f"{name}: drop {_drop(ours.figures)} points, demanded at most {drop}")
        if ours.figures.sqnr_db < sqnr:
            found.append(f"{name}: SQNR {ours.figures.sqnr_db:.1f} dB, demanded at least {sqnr:g} dB")
        for peer in rows:
            if peer.names[0] == network and METHODS[peer.names[1]].group == "peers":
                found += [f"{name}: {text}" for text in _behind(ours.figures, peer)]
    return found


def _behind(ours: Figures, peer: Row[Figures]) -> list[str]:
    theirs, title = peer.figures, METHODS[peer.names[1]].title
    if theirs is None:
        return []
    left = f" ({title} leaves in float: {_counts(theirs.float_ops)})" if theirs.float_ops else ""
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


def drawing(rows: Sequence[Row[Figures]]) -> str:
    """SQNR against drop, a point for each row that has figures, as SVG; a marker for each method.

    Raises:
        ValueError: No row has figures.
    """
    points: dict[str, list[Point]] = {}
    for row in best_of_families(rows):
        if row.figures is not None and math.isfinite(row.figures.sqnr_db):
            network, title = row.names[0], METHODS[row.names[1]].title
            hover = f"{network}, {title}: {row.figures.sqnr_db:.1f} dB, {_drop(row.figures)} points"
            label = network.split()[0]
            points.setdefault(title, []).append(Point(row.figures.sqnr_db, row.figures.drop, hover, label))
    return plot(
        [Series(title, found) for title, found in points.items()],
        x_label="SQNR of the logits, dB",
        y_label="drop of top-1, points",
        title="What quantization costs",
        width=960,
        height=460,
    )
