"""Options that several commands have."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TypeVar

from mobiledeploy.base import options

__all__ = [
    "EXIT_MISSED",
    "add_images",
    "add_out",
    "add_pythons",
    "add_seed",
    "at_least",
    "given_pythons",
    "number",
    "option",
]

T = TypeVar("T")

EXIT_MISSED = 3
"""Exit code where something was measured that is not as it should be, as of `mobiledeploy export`."""


def _parsing(convert: Callable[[str], T]) -> Callable[[str], T]:
    """Return a type for argparse that converts as an option does."""

    def parse(text: str) -> T:
        try:
            return convert(text)
        except options.UnfitError as unfit:
            raise argparse.ArgumentTypeError(f"{text!r}, expected {unfit}") from None

    return parse


def at_least(low: int) -> Callable[[str], int]:
    """A parser of whole numbers from `low` on."""
    return _parsing(options.whole(low))


number = _parsing(options.number)
option = _parsing(options.named_value)


def add_images(parser: argparse.ArgumentParser) -> None:
    """Add images to train or calibrate with, and images to measure on."""
    add = parser.add_argument
    add("--data", type=Path, required=True, metavar="DIR|ZIP", help="training images, a folder per class")
    add("--validation", type=Path, required=True, metavar="DIR|ZIP", help="the same to measure on")


def add_seed(parser: argparse.ArgumentParser, samples: int | None = None) -> None:
    """Add the seed and, with a default, how many inputs are drawn by it."""
    add = parser.add_argument
    if samples is not None:
        add("--samples", type=at_least(1), default=samples, metavar="N", help=f"to draw (default: {samples})")
    add("--seed", type=at_least(0), default=0, metavar="N", help="of every choice (default: %(default)s)")


def add_out(parser: argparse.ArgumentParser, folder: str) -> None:
    """Add the folder that files go to."""
    parser.add_argument(
        "--out", type=Path, default=Path(folder), metavar="DIR", help="for all files (default: %(default)s)"
    )


def add_pythons(parser: argparse.ArgumentParser, environments: Iterable[str], required: bool = False) -> None:
    """Add an option for the interpreter of each environment; the README says how to set them up."""
    add = parser.add_argument
    for name in environments:
        add(
            f"--{name}-python", required=required, metavar="PYTHON", help=f"interpreter of environment {name}"
        )


def given_pythons(args: argparse.Namespace, environments: Iterable[str]) -> dict[str, str]:
    """Environment -> interpreter, of those that were given."""
    pythons = {name: getattr(args, f"{name.replace('-', '_')}_python") for name in environments}
    return {name: python for name, python in pythons.items() if python is not None}
