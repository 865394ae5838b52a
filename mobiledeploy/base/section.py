"""What a part of a report says, apart from how it looks: a terminal and a page show the same sections."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

__all__ = ["Cell", "Kind", "Section", "Styled"]

Kind = Literal["name", "number", "text"]
"""What a column holds. Numbers stand to the right and are never broken; names are set as code on a page."""


@dataclass(frozen=True)
class Styled:
    """A cell, or a note, that says whether all is well."""

    text: str
    style: Literal["ok", "bad"]

    def __str__(self) -> str:
        return self.text


Cell = str | Styled


@dataclass(frozen=True)
class Section:
    """A table with its title and what qualifies it.

    Attributes:
        rows: heading of a column -> cell; a row may lack some, the columns stand in the order of the fullest.
        notes: lines below the table.
        names, texts: headings of the columns that hold these; the others hold numbers.
        plot: an ``<svg>`` element, which only a page can show.
        detail: whether it is long: folded on a page, and on a terminal for those who ask for it.
    """

    title: str
    rows: Sequence[Mapping[str, Cell]]
    notes: Sequence[Cell] = ()
    names: Collection[str] = ()
    texts: Collection[str] = ()
    plot: str = ""
    detail: bool = False

    @property
    def columns(self) -> dict[str, Kind]:
        """Heading of each column -> what it holds; those with nothing in any row are left out."""
        filled = {heading for row in self.rows for heading, cell in row.items() if str(cell)}
        fullest_first = sorted(self.rows, key=len, reverse=True)
        headings = dict.fromkeys(heading for row in fullest_first for heading in row)
        return {heading: self._kind(heading) for heading in headings if heading in filled}

    def _kind(self, heading: str) -> Kind:
        return "name" if heading in self.names else "text" if heading in self.texts else "number"
