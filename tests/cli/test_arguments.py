"""How declarations become a parser, and a parsed line settings."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import pytest

from mobiledeploy.base.options import Options, group, number, option, paths, whole
from mobiledeploy.cli.arguments import Parser, add_options, settings_from


@dataclass(frozen=True)
class Limits(Options):
    title: ClassVar[str] = "limits"

    most: float | None = option(None, number, flag="--max", metavar="X", help="fail above 100%")


@dataclass(frozen=True, kw_only=True)
class Inputs(Options):
    title: ClassVar[str] = "inputs"

    count: int = option(8, whole(1), metavar="N", help="how many")


@dataclass(frozen=True, kw_only=True)
class Run(Inputs):
    title = ""

    files: tuple[Path, ...] = option((), paths, positional=True, metavar="FILE", help="what to run")
    mode: str = option("fast", choices=("fast", "slow"), help="how")
    cache: bool = option(True, help="forget")
    keep: tuple[str, ...] = option((), metavar="NAME", help="what stays")
    limits: Limits = group(Limits)


def parsed(*arguments: str) -> Run:
    parser = Parser(prog="run")
    add_options(parser, Run)
    return settings_from(vars(parser.parse_args(arguments)), Run)


def test_nothing_given_means_the_defaults() -> None:
    assert parsed() == Run()


def test_every_kind_of_option_reaches_its_field() -> None:
    line = "a b --mode slow --no-cache --keep x --keep y --count 3 --max 2.5"
    assert parsed(*line.split()) == Run(
        files=(Path("a"), Path("b")), mode="slow", cache=False, keep=("x", "y"), count=3, limits=Limits(2.5)
    )


def test_help_has_choices_defaults_and_the_titles_of_parts(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parsed("--help")
    text = " ".join(capsys.readouterr().out.split())
    for expected in (
        "--mode {fast,slow} how (default: fast)",
        "--no-cache forget",
        "--keep NAME what stays; as often as needed",
        "inputs: --count N how many (default: 8)",
        "limits: --max X fail above 100%",
    ):
        assert expected in text
