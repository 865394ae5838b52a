"""One line of the table, and where finished lines are kept, so that a long run goes on where it was cut."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from mobiledeploy.base.files import safe_stem
from mobiledeploy.base.json_text import as_json
from mobiledeploy.bench.evaluation.accuracy.figures import Figures

__all__ = ["Row", "Rows"]


@dataclass(frozen=True)
class Row:
    """What a method made of a network.

    Attributes:
        network: As on the command line, without the weights file.
        method: Name of the method.
        made_from: What decides the result: hashes, seed, settings. A row of other origin is measured again.
        error: Why there are no figures; None if there are.
        runtime: What ran the result: "LiteRT" or "ONNX Runtime".
        seconds: Of quantization alone, from the float graph and prepared images to the file.
        file_sha256, size_bytes: Of the file.
        partitions: XNNPACK partitions of a .tflite; None for .onnx.
        outside: Op -> how many of a .tflite stay outside the delegate.
        float_ops: Op -> how many compute in float.
        versions: Package -> version.
    """

    network: str
    method: str
    made_from: Mapping[str, Any]
    error: str | None = None
    figures: Figures | None = None
    runtime: str = ""
    seconds: float = 0.0
    file_sha256: str = ""
    size_bytes: int = 0
    partitions: int | None = None
    outside: Mapping[str, int] = field(default_factory=dict)
    float_ops: Mapping[str, int] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, plain: Mapping[str, Any]) -> Row:
        """The row that ``asdict`` and JSON have made plain."""
        figures = plain["figures"]
        read = None if figures is None else Figures(**figures | {"sqnr_db": float(figures["sqnr_db"])})
        return cls(**{**plain, "figures": read})


class Rows:
    """Rows on disk, a file each, written whole or not at all.

    Args:
        folder: Where the files are.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def find(self, network: str, method: str, made_from: Mapping[str, Any]) -> Row | None:
        """The finished row of that origin, if there is one with figures."""
        try:
            row = Row.of(json.loads(self._path(network, method).read_text()))
        except (OSError, ValueError, KeyError, TypeError):  # not there, or of another version of this file
            return None
        return row if row.figures is not None and row.made_from == _plain(made_from) else None

    def keep(self, row: Row) -> None:
        """Write a row, in place of what there was."""
        path = self._path(row.network, row.method)
        path.parent.mkdir(parents=True, exist_ok=True)
        aside = path.with_suffix(".part")
        aside.write_text(as_json(asdict(row)))
        os.replace(aside, path)

    def _path(self, network: str, method: str) -> Path:
        return self._folder / safe_stem(network) / f"{method}.json"


def _plain(value: Mapping[str, Any]) -> Any:
    """As JSON gives it back: a tuple is a list."""
    return json.loads(as_json(dict(value)))
