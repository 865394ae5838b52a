"""What commands print, and where: results on stdout; progress, warnings and errors on stderr."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NoReturn, TextIO

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from mobiledeploy.base.progress import Progress

__all__ = ["complain", "console", "plain_table", "print_json", "progress_on_stderr", "warn"]


def complain(message: str) -> None:
    """Print a line on stderr, after the program's name."""
    print(f"mobiledeploy: {message}", file=sys.stderr)


def console(stream: TextIO) -> Console:
    """Where there is no terminal, there is no width to respect: lines stay whole for grep and logs."""
    from rich.console import Console

    class PipedConsole(Console):
        def on_broken_pipe(self) -> NoReturn:
            """Leave it to `main`, which takes it for a success; rich would end the process with a 1."""
            raise BrokenPipeError

    # Names that users give may look like rich's markup.
    return PipedConsole(file=stream, width=None if stream.isatty() else 1000, markup=False, highlight=False)


@contextmanager
def progress_on_stderr(quiet: bool) -> Iterator[Progress]:
    """Where long work tells how far it is."""
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
    from mobiledeploy.report.record import as_json

    print(as_json(value), end="")


def plain_table(*columns: str, title: str | None = None, first: str = "model") -> Table:
    """Return an empty table whose first column is text; the others are numbers."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(
        title=None if title is None else Text(title, style="bold"),
        title_justify="left",
        box=box.SIMPLE_HEAD,
        show_edge=False,
        padding=(0, 1, 0, 0),
    )
    table.add_column(first, overflow="fold")
    for column in columns:
        table.add_column(column, justify="right")
    return table
