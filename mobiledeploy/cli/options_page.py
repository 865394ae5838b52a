"""Writes the page docs/options.md from the declarations; prints it when run as a program."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby

from mobiledeploy.base.options import Option, Options, declared, groups
from mobiledeploy.cli.arguments import help_text
from mobiledeploy.cli.command_line import COMMANDS, command_named

__all__ = ["options_page", "options_table"]

_HEAD = """# Options

Written by `python -m mobiledeploy.cli.options_page > docs/options.md`, not by hand. Every command takes
`--json`, `-q` and `-v`, too. The second column has the keywords of `mobiledeploy.export`,
`mobiledeploy.verify_files` and `mobiledeploy.bench.run.bench`; with a dot, a field of what the keyword takes,
such as `thresholds=Thresholds(float_error=1e-3)`.

To add an option, declare it where it is used: one field, `name: type = option(...)`, of the settings there.
Parser, keyword, checks and this page come from it (`mobiledeploy/base/options.py`).
"""


def options_page() -> str:
    """Return the page, in Markdown."""
    return "\n".join([_HEAD, *(line for name in COMMANDS for line in _section(name))])


def _section(name: str) -> Iterator[str]:
    table = list(options_table(command_named(name).options))
    if table:
        yield from (f"## mobiledeploy {name}", "", *table, "")


def options_table(settings: type[Options]) -> Iterator[str]:
    """Yield the lines of a table of the options of some settings and their groups, if they have any."""
    rows = list(_rows(settings))
    if rows:
        yield from ("| option | keyword | what it does |", "| --- | --- | --- |", *rows)


def _rows(settings: type[Options], path: str = "") -> Iterator[str]:
    for title, options in groupby(declared(settings).values(), key=lambda about: about.title):
        if title:
            yield f"| **{title}** | | |"
        yield from (_row(about, path) for about in options)
    for name, kind in groups(settings).items():
        yield from _rows(kind, f"{path}{name}.")


def _row(about: Option, path: str) -> str:
    switch = isinstance(about.default, bool)
    typed = about.flag if switch or about.positional else f"{about.flag} {about.value_name}"
    keyword = f"{path}{about.name}={not about.default}" if switch else path + about.name
    cells = (f"`{typed}`", f"`{keyword}`", help_text(about))
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


if __name__ == "__main__":
    print(options_page(), end="")
