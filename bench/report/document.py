"""The JSON document of a bench run: written whole, read back with every sample, and in short as CSV."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mobiledeploy.base.errors import InputError, OutputError
from mobiledeploy.base.files import staging_folder
from mobiledeploy.base.json_text import as_json
from mobiledeploy.base.version import __version__

__all__ = ["SCHEMA", "check_writable", "csv_text", "document", "load", "save"]

SCHEMA = "mobiledeploy.bench/1"

_DEVICE, _RESULT, _MODEL = ("key", "name", "system"), ("runtime",), ("name", "path", "sha256")
_FIGURES = {
    "latency": ("calm_ms", "iqr_ms", "median_ms", "samples_ms"),
    "instructions": ("instructions",),
}


def document(results: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return the document of some results, each as its `to_json` gives it."""
    return {"schema": SCHEMA, "mobiledeploy": __version__, "results": list(results)}


def save(path: Path, content: dict[str, Any]) -> None:
    """Write a document.

    Raises:
        OutputError: The file cannot be written; what was there before is still there.
    """
    with staging_folder(path.parent) as folder:
        folder.write(path.name, as_json(content).encode())


def check_writable(path: Path) -> None:
    """Find out before a long measurement whether its document can be kept.

    Raises:
        OutputError: It cannot. Nothing is left behind.
    """
    if path.is_dir():
        raise OutputError(f"{path} is a folder, expected a file to write; pass another --out")
    with staging_folder(path.parent):
        pass


def load(path: Path) -> dict[str, Any]:
    """Read a document.

    Raises:
        InputError: The file is missing, or is no document of this schema.
    """
    try:
        content = json.loads(path.read_text())
    except FileNotFoundError:
        raise InputError(f"{path}: no such file, expected what `mobiledeploy bench --out` wrote") from None
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise InputError(
            f"{path} cannot be read ({error}), expected what `mobiledeploy bench --out` wrote; measure again"
        ) from error
    schema = content.get("schema") if isinstance(content, dict) else None
    if schema != SCHEMA or not _is_complete(content):
        raise InputError(
            f"{path} has the schema {schema!r} or lacks parts of it, expected {SCHEMA!r}; pass a file that "
            "`mobiledeploy bench --out` wrote"
        )
    return dict(content)


def _is_complete(content: dict[str, Any]) -> bool:
    """Whether everything is there that a comparison reads."""
    try:
        for result in content["results"]:
            figures = _FIGURES[result["kind"]]
            parts = [(result["device"], _DEVICE), (result, _RESULT)]
            parts += [(model, _MODEL + figures) for model in result["models"]]
            if any(key not in part for part, keys in parts for key in keys):
                return False
    except (KeyError, TypeError):
        return False
    return True


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
            bounds = {f"{stem}_{end}{unit}": value[end] for end in ("low", "high")}
            row |= {name: value["value"], **bounds}
        elif name != "name" and not isinstance(value, dict | list | tuple):
            row[name] = value
    return row
