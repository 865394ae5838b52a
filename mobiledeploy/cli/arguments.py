"""Makes a parser of command lines from the declarations of options, and settings from a parsed line."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from difflib import get_close_matches
from itertools import groupby
from typing import Any, NoReturn, TypeVar

from mobiledeploy.base.options import Option, Options, declared, groups
from mobiledeploy.base.terminal import complain

__all__ = [
    "EXIT_USAGE",
    "Parser",
    "add_options",
    "help_text",
    "settings_from",
]

EXIT_USAGE = 2

S = TypeVar("S", bound=Options)


class Parser(argparse.ArgumentParser):
    """Parser that says what is wrong in one line; the usage, which is long, only when asked."""

    def error(self, message: str) -> NoReturn:
        complain(f"error: {message}; see {self.prog} --help")
        raise SystemExit(EXIT_USAGE)

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> tuple[Any, list[str]]:
        """Parse; what is not known is an error of the command that it was given to, not of all commands."""
        found, unknown = super().parse_known_args(args, namespace)
        if unknown:
            close = get_close_matches(unknown[0].partition("=")[0], self._option_string_actions)
            hint = f", expected such as {' or '.join(close)}" if close else ""
            self.error(f"unrecognized arguments: {' '.join(unknown)}{hint}")
        return found, unknown


def add_options(parser: argparse.ArgumentParser, settings: type[Options], path: str = "") -> None:
    """Add the options of settings, those of their groups among them, under the titles of their classes.

    What is not given stays out of the result, so that the settings' own defaults hold.

    Args:
        path: Prefix of the result's keys.
    """
    for title, options in groupby(declared(settings).values(), key=lambda about: about.title):
        section = parser.add_argument_group(title) if title else parser
        for about in options:
            section.add_argument(*_names(about, path), **_how(about, path))
    for name, kind in groups(settings).items():
        add_options(parser, kind, f"{path}{name}.")


def _names(about: Option, path: str) -> list[str]:
    return [path + about.name] if about.positional else [about.flag]


def _how(about: Option, path: str) -> dict[str, Any]:
    """Return the keywords of ``add_argument``. Values stay text, which the settings convert."""
    how: dict[str, Any] = {"default": argparse.SUPPRESS, "help": help_text(about).replace("%", "%%")}
    if not about.positional:
        how["dest"] = path + about.name
    if isinstance(about.default, bool):
        return how | {"action": "store_const", "const": not about.default}
    if isinstance(about.default, tuple):
        how |= {"nargs": "*"} if about.positional else {"action": "append"}
    return how | {"metavar": about.value_name}


def help_text(about: Option) -> str:
    """Return what an option does, whether it may be repeated, and what happens without it."""
    repeated = isinstance(about.default, tuple) and not about.positional
    unset = f" (default: {about.unset_text})" if about.unset_text else ""
    return about.help + ("; as often as needed" if repeated else "") + unset


def settings_from(given: Mapping[str, Any], settings: type[S], path: str = "") -> S:
    """Return the settings that a command line gives.

    Raises:
        InputError: An option has a value that it cannot have.
    """
    keywords = {name: given[path + name] for name in declared(settings) if path + name in given}
    keywords |= {
        name: settings_from(given, kind, f"{path}{name}.") for name, kind in groups(settings).items()
    }
    return settings(**keywords)
