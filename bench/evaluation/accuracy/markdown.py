"""Tables as Markdown."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["line"]


def line(cells: Sequence[str]) -> str:
    """A line of a Markdown table."""
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"
