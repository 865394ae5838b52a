"""What goes wrong on a phone, and when."""

from __future__ import annotations

import errno
import os
import signal
from collections.abc import Callable
from dataclasses import dataclass, field

from .protocol import DisconnectedError

__all__ = ["Call", "Crash", "Effect", "Faults", "Hang", "Push", "Replace", "Rule", "Rules", "Unplug"]


@dataclass(frozen=True)
class Unplug:
    """The cable is pulled so long after the start."""

    after_s: float = 0.0


@dataclass(frozen=True)
class Crash:
    """A signal ends the program so long after its start; at once, it has not run at all."""

    after_s: float = 0.0
    signal: int = signal.SIGSEGV


@dataclass(frozen=True)
class Hang:
    """The program does nothing and never ends, until a signal ends it."""


@dataclass(frozen=True)
class Replace:
    """The program prints this and exits, and does nothing else."""

    stdout: bytes = b""
    stderr: bytes = b""
    exit_code: int = 0


@dataclass(frozen=True)
class Call:
    """Something else changes: the function is called before the program goes on."""

    function: Callable[[], object]


Effect = Unplug | Crash | Hang | Replace | Call


@dataclass
class Rule:
    """An effect that sets in at starts of what contains a text: at the nth (from 1), or at each of them."""

    effect: Effect
    matching: str
    nth: int | None
    seen: int = 0


@dataclass
class Rules:
    """All effects on one kind of start: that of a shell command or that of a program."""

    rules: list[Rule] = field(default_factory=list)

    def add(self, effect: Effect, *, nth: int | None = None, matching: str = "") -> None:
        """The texts are device paths and arguments, as the code under test wrote them."""
        self.rules.append(Rule(effect, matching, nth))

    def begin(self, text: str) -> list[Effect]:
        """What sets in at this start."""
        found = []
        for rule in self.rules:
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
        commands: At the start of shell commands; only Unplug and Call make sense there.
        programs: At the start of AArch64 programs.
        free_bytes: What pushes may still write; None for no limit.
        bytes_to_unplug: The cable is pulled when pushes have written so much; None for never.
        corrupt: One bit turns in each pushed file whose path contains this; None for no file.
        answer_s: The phone takes so long to open a service.
        unplug: Pulls the cable.
    """

    def __init__(self, unplug: Callable[[], None]) -> None:
        self.commands, self.programs = Rules(), Rules()
        self.free_bytes: int | None = None
        self.bytes_to_unplug: int | None = None
        self.corrupt: str | None = None
        self.answer_s = 0.0
        self.unplug = unplug

    def begin_push(self, path: str) -> Push:
        """A file begins to arrive."""
        return Push(self, self.corrupt is not None and self.corrupt in path)
