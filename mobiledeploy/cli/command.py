"""Description of a command: options of its own, those that all share, and the function that it runs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from mobiledeploy.base.options import Options

__all__ = ["EXPORT_EXIT_CODES", "Command", "Output"]

S = TypeVar("S", bound=Options)

EXPORT_EXIT_CODES = """exit codes: 0 all checks passed; 1 internal error; 2 bad input, or a model that cannot
be exported; 3 artifacts were written but miss a threshold; 130 interrupted"""


@dataclass(frozen=True)
class Output:
    """Options of every command: how much it shows, and in which form.

    Attributes:
        json: whether to print one JSON document instead of tables.
        quiet: whether to print errors, and with `json` the document, only.
        verbose: whether to print times, rewrites and refusals, too.
    """

    json: bool
    quiet: bool
    verbose: bool


@dataclass(frozen=True)
class Command(Generic[S]):
    """A command of the command line.

    Attributes:
        options: class of the settings that its options fill.
        run: function that makes one call, prints, and returns the exit code.
        description, epilog: text before and after the options in its ``--help``.
    """

    options: type[S]
    run: Callable[[S, Output], int]
    description: str
    epilog: str = ""
