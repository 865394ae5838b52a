"""What the command line's options may be given, and how it says that they cannot."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable
from contextlib import suppress
from typing import NoReturn

from mobiledeploy.base.terminal import complain

__all__ = ["EXIT_USAGE", "Parser", "at_least", "number", "option", "size"]

EXIT_USAGE = 2


class Parser(argparse.ArgumentParser):
    """Says what is wrong with a command line in one line; the usage, which is long, only when asked."""

    def error(self, message: str) -> NoReturn:
        complain(f"error: {message}; see {self.prog} --help")
        raise SystemExit(EXIT_USAGE)


def size(text: str) -> tuple[int, int]:
    """N or HEIGHTxWIDTH -> (height, width)."""
    parts = text.lower().split("x")
    if len(parts) > 2 or not all(part.isdecimal() and int(part) > 0 for part in parts):
        raise argparse.ArgumentTypeError(f"{text!r}, expected N or HEIGHTxWIDTH in pixels, such as 224")
    return int(parts[0]), int(parts[-1])


def at_least(low: int) -> Callable[[str], int]:
    """A parser of whole numbers from `low` on."""

    def parse(text: str) -> int:
        if not text.removeprefix("-").isdecimal() or int(text) < low:
            raise argparse.ArgumentTypeError(f"{text!r}, expected a whole number of {low} or more")
        return int(text)

    return parse


def number(text: str) -> float:
    """Any number, infinity included."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if math.isnan(value):
        raise argparse.ArgumentTypeError(f"{text!r}, expected a number")
    return value


def option(text: str) -> tuple[str, float | str]:
    """A name, and what may be a number."""
    name, equals, value = text.partition("=")
    if not (name and equals and value):
        raise argparse.ArgumentTypeError(f"{text!r}, expected NAME=VALUE")
    for kind in (int, float):
        with suppress(ValueError):
            return name, kind(value)
    return name, value
