"""All results of a run, for a terminal and as CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence

from rich.console import RenderableType

from mobiledeploy.bench.devices.device import Result

__all__ = ["csv_text", "tables"]


def tables(results: Sequence[Result], per_op: bool = False) -> Iterator[RenderableType]:
    """Return the tables of each result.

    Args:
        per_op: Whether to list every op.
    """
    return (part for result in results for part in result.tables(per_op))


def csv_text(results: Sequence[Result]) -> str:
    """Return a line for each model on each device; a cell that has no meaning there is empty."""
    rows = [
        {
            "kind": result.kind,
            "device": result.identity.key,
            "name": result.identity.name,
            "runtime": result.runtime,
            "model": model.name,
            **cells,
        }
        for result in results
        for model, cells in zip(result.models, result.csv_cells(), strict=True)
    ]
    columns = list(dict.fromkeys(column for row in rows for column in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()
