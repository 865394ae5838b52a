"""How long work tells a user where it is."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

__all__ = ["Advance", "Progress", "Silent", "Timed"]

Advance = Callable[[], None]
"""Called once for each unit of a step that is done."""


class Progress(Protocol):
    """Shows steps, one after the other."""

    def step(self, title: str, total: int | None = None) -> AbstractContextManager[Advance]:
        """Enter a step of ``total`` units (None: unknown); the context gives the function that counts them."""


class Silent:
    """Shows nothing."""

    @contextmanager
    def step(self, title: str, total: int | None = None) -> Iterator[Advance]:
        yield lambda: None


class Timed:
    """Passes steps on and keeps how long each took.

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
