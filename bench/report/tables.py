"""All results of a run, for a terminal and as CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from typing import Any

from rich.console import RenderableType

from mobiledeploy.bench.devices.device import Result

__all__ = ["csv_text", "tables"]


def tables(results: Sequence[Result], per_op: bool = False) -> Iterator[RenderableType]:
    """Return the tables of each result.

    Args:
        per_op: Whether to list every op.
    """
    return (part for result in results for part in result.tables(per_op))


def csv_text(results: Sequence[dict[str, Any]]) -> str:
    """Return a line for each model on each device: all that is one figure in what `to_json` gives."""
    rows = [_csv_row(result, model) for result in results for model in result["models"]]
    columns = list(dict.fromkeys(column for row in rows for column in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _csv_row(result: dict[str, Any], model: dict[str, Any]) -> dict[str, Any]:
    device = result["device"]
    row = {"kind": result["kind"], "device": device["key"], "name": device["name"]}
    row |= {"runtime": result["runtime"], "model": model["name"]}
    row |= {name: result[name] for name in ("stable", "core") if name in result}
    for name, value in model.items():
        if isinstance(value, dict) and "low" in value:  # an estimate with its interval
            stem, unit = name.removesuffix("_ms"), "_ms" if name.endswith("_ms") else ""
            row |= {
                name: value["value"],
                f"{stem}_low{unit}": value["low"],
                f"{stem}_high{unit}": value["high"],
            }
        elif name != "name" and not isinstance(value, dict | list | tuple):
            row[name] = value
    return row
