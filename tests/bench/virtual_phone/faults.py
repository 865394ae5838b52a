"""What goes wrong on a phone, and when."""

from __future__ import annotations

import errno
import os
import signal
from collections.abc import Callable
from dataclasses import dataclass

from tests.bench.virtual_phone.protocol import DisconnectedError

__all__ = ["Call", "Crash", "Effect", "Faults", "Hang", "Push", "Replace", "Starts", "Unplug", "When"]


@dataclass(frozen=True)
class Unplug:
    """See `When.unplug`."""

    after_s: float


@dataclass(frozen=True)
class Call:
    """See `When.call`."""

    function: Callable[[], object]


@dataclass(frozen=True)
class Crash:
    """See `When.crash`."""

    after_s: float
    signal: int


@dataclass(frozen=True)
class Hang:
    """See `When.hang`."""


@dataclass(frozen=True)
class Replace:
    """See `When.print`."""

    stdout: bytes
    stderr: bytes
    exit_code: int


Effect = Unplug | Call | Crash | Hang | Replace


@dataclass
class _Rule:
    effect: Effect
    matching: str
    nth: int | None
    seen: int = 0


@dataclass(frozen=True)
class When:
    """The starts that something is to happen at; each method adds one thing that does.

    Args:
        matching: Part of the shell command, or of the program's path and arguments, as the phone knows them.
        nth: Which of the starts that match, from 1; None for each of them.
    """

    rules: list[_Rule]
    matching: str
    nth: int | None

    def unplug(self, after_s: float = 0.0) -> None:
        """The cable is pulled so long after the start."""
        self._add(Unplug(after_s))

    def call(self, function: Callable[[], object]) -> None:
        """Something else changes: the function is called, in the phone's thread, before the start."""
        self._add(Call(function))

    def crash(self, after_s: float = 0.0, signal: int = signal.SIGSEGV) -> None:
        """A signal ends the program so long after its start; at once: it does not run at all."""
        self._add(Crash(after_s, signal))

    def hang(self) -> None:
        """The program does nothing and never ends, until a signal ends it."""
        self._add(Hang())

    def print(self, stdout: str = "", stderr: str = "", exit_code: int = 0) -> None:
        """The program prints this and exits, and does nothing else."""
        self._add(Replace(stdout.encode(), stderr.encode(), exit_code))

    def _add(self, effect: Effect) -> None:
        self.rules.append(_Rule(effect, self.matching, self.nth))


class Starts:
    """Starts of one kind, of shell commands or of programs, and what happens at them."""

    def __init__(self) -> None:
        self._rules: list[_Rule] = []

    def when(self, matching: str, nth: int | None) -> When:
        """Some of the starts."""
        return When(self._rules, matching, nth)

    def begin(self, text: str) -> list[Effect]:
        """What happens at this start."""
        found = []
        for rule in self._rules:
            if rule.matching in text:
                rule.seen += 1
                if rule.nth in (None, rule.seen):
                    found.append(rule.effect)
        return found


class Push:
    """One file on its way to the phone."""

    def __init__(self, faults: Faults, corrupt: bool) -> None:
        self._faults, self._corrupt = faults, corrupt

    def pass_on(self, block: bytes) -> bytes:
        """What is stored of a block.

        Raises:
            OSError: The disk is full.
            DisconnectedError: The cable was pulled.
        """
        faults = self._faults
        if faults.free_bytes is not None:
            if len(block) > faults.free_bytes:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            faults.free_bytes -= len(block)
        if faults.bytes_to_unplug is not None:
            faults.bytes_to_unplug -= len(block)
            if faults.bytes_to_unplug <= 0:
                faults.bytes_to_unplug = None
                faults.unplug()
                raise DisconnectedError
        if self._corrupt and block:
            self._corrupt = False
            block = bytes([block[0] ^ 1]) + block[1:]
        return block


class Faults:
    """What a phone is to do wrong.

    Attributes:
        commands: At starts of shell commands.
        programs: At starts of AArch64 programs.
        free_bytes: What pushes may still write; None for no limit.
        bytes_to_unplug: The cable is pulled when pushes have written so much; None for never.
        corrupt: One bit turns in each pushed file whose path contains this; None for no file.
        answer_s: The phone takes so long to open a service.
        unplug: Pulls the cable.
    """

    def __init__(self, unplug: Callable[[], None]) -> None:
        self.commands, self.programs = Starts(), Starts()
        self.free_bytes: int | None = None
        self.bytes_to_unplug: int | None = None
        self.corrupt: str | None = None
        self.answer_s = 0.0
        self.unplug = unplug

    def begin_push(self, path: str) -> Push:
        """A file begins to arrive."""
        return Push(self, self.corrupt is not None and self.corrupt in path)
