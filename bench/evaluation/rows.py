"""Lines of a table, and where finished ones are kept, so that a long run goes on where it was cut."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar

from mobiledeploy.base.errors import MobileDeployError
from mobiledeploy.base.files import safe_stem

__all__ = ["Row", "Rows"]

Figures = TypeVar("Figures")


@dataclass(frozen=True)
class Row(Generic[Figures]):
    """The figures of one thing that was measured, or the reason why there are none.

    Attributes:
        names: What was measured: the first cells of the line, such as a network and a method.
        figures: What was found; None if that failed.
        error: Why there are no figures.
        made_from: What decides the figures: hashes, seed, settings, versions.
    """

    names: tuple[str, ...]
    figures: Figures | None
    error: str = ""
    made_from: Mapping[str, Any] = field(default_factory=dict)


class Rows(Generic[Figures]):
    """Rows on disk, a file each, written whole or not at all.

    Args:
        folder: Where the files are.
        figures: Class of the figures: a dataclass of numbers, texts, lists and dicts.
        again: Whether to make all rows again.
    """

    def __init__(self, folder: Path, figures: Callable[..., Figures], again: bool = False) -> None:
        self._folder, self._figures, self._again = folder, figures, again

    def row(
        self, names: tuple[str, ...], made_from: Mapping[str, Any], make: Callable[[], Figures]
    ) -> tuple[Row[Figures], bool]:
        """The kept row if it is of the same origin, else a new one; and whether it is new.

        Where `make` fails the row has the reason, and is made again the next time.
        """
        path = self._folder.joinpath(*map(safe_stem, names)).with_suffix(".json")
        origin = json.loads(json.dumps(made_from))  # as a file gives it back: a tuple is a list
        kept = None if self._again else self._read(path)
        if kept is not None and kept.figures is not None and kept.made_from == origin:
            return kept, False
        try:
            row = Row(names, make(), made_from=origin)
        except Exception as error:  # other tools raise whatever they run into; the row says what
            reason = (str(error).strip().splitlines() or [""])[0]
            kind = "" if isinstance(error, MobileDeployError) else f"{type(error).__name__}: "
            row = Row(names, None, f"{kind}{reason}", origin)
        path.parent.mkdir(parents=True, exist_ok=True)
        aside = path.with_suffix(".part")
        aside.write_text(json.dumps(asdict(row), indent=2))
        os.replace(aside, path)
        return row, True

    def _read(self, path: Path) -> Row[Figures] | None:
        try:
            plain = json.loads(path.read_text())
            figures = None if plain["figures"] is None else self._figures(**plain["figures"])
            return Row(tuple(plain["names"]), figures, plain["error"], plain["made_from"])
        except (OSError, ValueError, KeyError, TypeError):  # not there, or of another version of this file
            return None
