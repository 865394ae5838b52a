"""Tables and pages as Markdown, each with what it was made by and on."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeVar

from mobiledeploy.base.json_text import as_json
from mobiledeploy.base.version import __version__
from mobiledeploy.bench.devices.host import processor
from mobiledeploy.bench.evaluation.rows import Row

__all__ = ["PROGRAM", "made_by", "page", "plain_rows", "table", "write"]

PROGRAM = "python -m mobiledeploy.bench.evaluation"
PACKAGES = ("torch", "onnx", "onnxruntime", "ai-edge-litert", "numpy")

Figures = TypeVar("Figures")


def made_by() -> dict[str, Any]:
    """Versions and machine, which every record and page states."""
    return {
        "mobiledeploy": __version__,
        "packages": {name: version(name) for name in PACKAGES},
        "machine": {
            "processor": processor(),
            "logical_cores": os.cpu_count(),
            "system": platform.platform(),
        },
    }


def table(
    names: Sequence[str],
    columns: Mapping[str, Callable[[Figures], str]],
    rows: Iterable[Row[Figures]],
    *,
    aligned: bool = False,
) -> str:
    """Rows as Markdown; one without figures says why in its last column.

    Args:
        names: Titles of the columns that hold a row's names.
        columns: Title -> the cell that figures give.
        aligned: Whether cells are padded, for a terminal.
    """
    lines = [[*names, *columns]]
    for row in rows:
        cells = [""] * (len(columns) - 1) + [f"no result: {row.error}"]
        if row.figures is not None:
            cells = [cell(row.figures) for cell in columns.values()]
        lines.append([cell.replace("|", r"\|") for cell in (*row.names, *cells)])
    widths = [max(map(len, column)) if aligned else 0 for column in zip(*lines, strict=True)]
    lines.insert(1, ["-" * max(width, 3) for width in widths])
    return "".join(
        f"| {' | '.join(cell.ljust(width) for cell, width in zip(line, widths, strict=True))} |\n"
        for line in lines
    )


def page(title: str, command: str, *parts: str) -> str:
    """A page of text and tables that says which command wrote it."""
    found = made_by()
    versions = {"mobiledeploy": found["mobiledeploy"], **found["packages"]}
    machine = f"{found['machine']['processor']}, {found['machine']['logical_cores']} logical cores"
    origin = (
        f"Written by `{PROGRAM} {command}`, not by hand: "
        f"{', '.join(f'{name} {number}' for name, number in versions.items())}, on {machine}.\n"
    )
    return "\n".join([f"# {title}\n", origin, *parts])


def plain_rows(rows: Iterable[Row[Any]]) -> list[dict[str, Any]]:
    """Rows as a record has them."""
    return [asdict(row) for row in rows]


def write(folder: Path, name: str, text: str, record: Mapping[str, Any]) -> None:
    """Write a page and its record as NAME.md and NAME.json."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.md").write_text(text)
    (folder / f"{name}.json").write_text(as_json({**made_by(), **record}))
