from __future__ import annotations

import inspect
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from mobiledeploy.base.errors import InputError
from mobiledeploy.base.options import (
    Converted,
    OptionalPath,
    Options,
    Texts,
    declared,
    given,
    group,
    number,
    option,
    shared,
    takes,
    whole,
)

NAMES = ["fast", "slow"]


@dataclass(frozen=True, kw_only=True)
class Bounds(Options):
    most: float | None = option(None, number, flag="--max", metavar="X", help="fail above")


@dataclass(frozen=True, kw_only=True)
class Base(Options):
    count: int = option(8, whole(1), metavar="N", help="how many")
    seed: int = 0


@dataclass(frozen=True, kw_only=True)
class Run(Base):
    mode: str = option("fast", choices=lambda: NAMES, help="how")
    cache: bool = option(True, help="forget")
    folder: OptionalPath = option(None, Path, metavar="DIR", help="where", unset="here")
    limit: int | None = option(None, whole(1), metavar="N", needs="folder", help="at most")
    keep: Texts = option((), metavar="NAME", only="int8", help="what stays")
    bounds: Converted[Bounds | None, Bounds] = group(Bounds)


def test_flags_come_from_names_and_defaults() -> None:
    flags = {name: about.flag for name, about in declared(Run).items()}
    assert flags == {
        "mode": "--mode",
        "cache": "--no-cache",
        "folder": "--folder",
        "limit": "--limit",
        "keep": "--keep",
        "count": "--count",
    }
    assert list(flags)[-1] == "count"  # of the base


def test_values_are_converted_whether_they_are_text_or_not() -> None:
    text = Run(count="3", folder="x", keep="a")  # type: ignore[arg-type]
    assert text == Run(count=3, folder=Path("x"), keep=["a"])
    assert Run(bounds=None).bounds == Bounds()


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        (
            {"count": 0},
            "--count is 0, expected a whole number of 1 or more; correct it, or leave it out for 8",
        ),
        (
            {"count": "x"},
            "--count is 'x', expected a whole number of 1 or more; correct it, or leave it out for 8",
        ),
        (
            {"count": 2.5},
            "--count is 2.5, expected a whole number of 1 or more; correct it, or leave it out for 8",
        ),
        ({"mode": "best"}, "--mode is 'best', expected one of fast, slow; name one"),
        ({"mode": 3}, "--mode is 3, expected one of fast, slow; name one"),
        ({"limit": 3}, "--limit without --folder, expected both; pass --folder DIR"),
    ],
)
def test_what_cannot_be_is_refused_in_the_words_of_the_command_line(
    keywords: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError) as refused:
        Run(**keywords)
    assert str(refused.value) == message
    with pytest.raises(InputError, match="--max is nan, expected a number; correct it, or leave it out"):
        Bounds(most="nan")  # type: ignore[arg-type]


def test_choices_are_looked_up_when_they_are_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(globals(), "NAMES", [*NAMES, "best"])
    assert Run(mode="best").mode == "best"


def test_what_was_given_is_told_as_it_is_typed() -> None:
    assert not given(Run())
    settings = Run(mode="slow", cache=False, keep=["a"], count=9)
    assert list(given(settings)) == ["--mode slow", "--no-cache", "--keep", "--count"]
    assert [text for text, about in given(settings).items() if about.only == "int8"] == ["--keep"]
    assert list(given(settings, Base)) == ["--count"]


def test_settings_share_the_values_of_the_same_names() -> None:
    assert shared(Base, Run(count=3, seed=5)) == Base(count=3, seed=5)


def test_a_function_takes_what_its_settings_are_made_of() -> None:
    @takes(Run)
    def count(settings: Run) -> int:
        """Count.

        Args:
        """
        return settings.count

    assert count(count=4, mode="slow") == 4
    assert "count" in inspect.signature(count).parameters
    text = " ".join((count.__doc__ or "").split())
    assert text.startswith("Count. Args: mode: how (when left out: fast) cache: False: forget")
    assert "count: how many (when left out: 8)" in text
