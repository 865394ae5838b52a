"""Progress of long work, as a user sees it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress as RichProgress
    from rich.progress import ProgressColumn, Task

__all__ = ["SILENT", "Advance", "Progress", "Silent", "Timed", "shown_on"]

Advance = Callable[[], None]
"""Called once for each unit of a step that is done."""


class Progress(Protocol):
    """Shows steps, one after the other."""

    def step(self, title: str, total: int | None = None) -> AbstractContextManager[Advance]:
        """Enter a step of ``total`` units (None: unknown); the context gives a function that counts them."""


class Silent:
    """Shows nothing."""

    @contextmanager
    def step(self, title: str, total: int | None = None) -> Iterator[Advance]:
        yield lambda: None


SILENT = Silent()


class Timed:
    """Passes steps on to another display and keeps how long each took.

    Attributes:
        seconds: Step -> wall time in seconds, in order.
    """

    def __init__(self, inner: Progress) -> None:
        self._inner = inner
        self.seconds: dict[str, float] = {}

    @contextmanager
    def step(self, title: str, total: int | None = None) -> Iterator[Advance]:
        start = time.perf_counter()
        with self._inner.step(title, total) as advance:
            yield advance
        self.seconds[title] = self.seconds.get(title, 0.0) + time.perf_counter() - start


@contextmanager
def shown_on(console: Console) -> Iterator[Progress]:
    """Show spinners, and bars with the time left, on a terminal; a line for each step elsewhere."""
    if not console.is_terminal:
        yield _Lines(console)
        return
    from rich.progress import BarColumn, MofNCompleteColumn, SpinnerColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as RichProgress

    columns = (SpinnerColumn(finished_text="✓"), TextColumn("{task.description}"), BarColumn(20))
    times = (TimeElapsedColumn(), _time_left())
    with RichProgress(*columns, MofNCompleteColumn(), *times, console=console) as bars:
        yield _Bars(bars)


def _time_left() -> ProgressColumn:
    """Return a column with the time that a step will still take, where it can be told from what is done."""
    from rich.progress import TimeRemainingColumn
    from rich.text import Text

    class Left(TimeRemainingColumn):
        def render(self, task: Task) -> Text:
            known = task.time_remaining is not None and not task.finished
            return super().render(task).append(" left") if known else Text()

    return Left(compact=True)


class _Lines:
    def __init__(self, console: Console) -> None:
        self._console = console

    @contextmanager
    def step(self, title: str, total: int | None = None) -> Iterator[Advance]:
        self._console.print(f"{title} ...")
        yield lambda: None


class _Bars:
    def __init__(self, bars: RichProgress) -> None:
        self._bars = bars

    @contextmanager
    def step(self, title: str, total: int | None = None) -> Iterator[Advance]:
        task = self._bars.add_task(title, total=total)
        yield lambda: self._bars.advance(task)
        self._bars.update(task, total=total or 1, completed=total or 1)
