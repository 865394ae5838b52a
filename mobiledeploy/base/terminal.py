"""What commands print, and where: results on stdout; progress, warnings and errors on stderr."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NoReturn, TextIO

from mobiledeploy.base.json_text import as_json
from mobiledeploy.base.section import Cell, Section, Styled

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

    from mobiledeploy.base.progress import Progress

__all__ = ["complain", "console", "drawn", "print_json", "progress_on_stderr", "show", "warn"]

_STYLES = {"ok": "green", "bad": "red"}


def complain(message: str) -> None:
    """Print a line on stderr, after the program's name."""
    print(f"mobiledeploy: {message}", file=sys.stderr)


def console(stream: TextIO) -> Console:
    """Return a rich console; where there is no terminal, lines stay whole for grep and logs."""
    from rich.console import Console

    class PipedConsole(Console):
        def on_broken_pipe(self) -> NoReturn:
            """Leave it to `main`, which takes it for a success; rich would end the process with a 1."""
            raise BrokenPipeError

    # Names that users give may look like rich's markup.
    return PipedConsole(file=stream, width=None if stream.isatty() else 1000, markup=False, highlight=False)


@contextmanager
def progress_on_stderr(quiet: bool) -> Iterator[Progress]:
    """Show on stderr how far long work is."""
    from mobiledeploy.base.progress import Silent, shown_on

    if quiet:
        yield Silent()
        return
    with shown_on(console(sys.stderr)) as progress:
        yield progress


def warn(warnings: Sequence[str], quiet: bool) -> None:
    """Print a line for each warning."""
    for warning in () if quiet else warnings:
        complain(f"warning: {warning}")


def print_json(value: dict[str, Any]) -> None:
    """Print one document on stdout."""
    print(as_json(value), end="")


def show(sections: Iterable[Section]) -> None:
    """Print sections on stdout."""
    screen = console(sys.stdout)
    for section in sections:
        screen.print(drawn(section))


def drawn(section: Section) -> RenderableType:
    """Return a section for rich to print: most fit into 80 columns with few breaks, none within a number.

    Of one without rows, the title and the notes are shown.
    """
    from rich import box
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    def coloured(cell: Cell, otherwise: str = "") -> Text:
        return Text(str(cell), _STYLES[cell.style] if isinstance(cell, Styled) else otherwise)

    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
    for heading, kind in section.columns.items():
        number = kind == "number"
        table.add_column(heading, justify="right" if number else "left", no_wrap=number, overflow="fold")
    for row in section.rows:
        table.add_row(*(coloured(row.get(heading, "")) for heading in section.columns))
    notes = [coloured(note, "dim") for note in section.notes]
    return Group(Text(section.title, style="bold"), *([table] if section.rows else []), *notes, "")
