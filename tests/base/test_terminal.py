"""Sections on a terminal."""

from __future__ import annotations

import io
from typing import Literal

from rich.console import Console

from mobiledeploy.base.section import Section, Styled
from mobiledeploy.base.terminal import drawn

LONG = "words that go on and on until they are longer than the line is"
SECTION = Section(
    "Layers",
    [
        {"layer": "features.11.block.3.1", "": LONG},
        {"layer": "stem", "SQNR dB": "101.25", "gain dB": "", "": Styled("ok", "ok")},
    ],
    ["a note"],
    names=["layer"],
    texts=[""],
)


def lines(width: int, colours: bool = False) -> list[str]:
    text = io.StringIO()
    colour: Literal["standard"] | None = "standard" if colours else None
    Console(file=text, width=width, color_system=colour).print(drawn(SECTION))
    return text.getvalue().splitlines()


def test_words_break_first_and_numbers_stand_to_the_right() -> None:
    found = [line.rstrip() for line in lines(60)]
    assert found[0] == "Layers" and found[-2:] == ["a note", ""]
    assert max(map(len, found)) <= 60
    assert found[3].startswith("features.11.block.3.1           words that go on")
    assert found[-3] == "stem                    101.25  ok"
    assert len(found) > len(lines(200))


def test_names_that_are_too_long_break_and_lose_nothing() -> None:
    assert "features.11.block.3.1" in "".join(line.split("  ")[0].strip() for line in lines(30))


def test_verdicts_have_a_colour() -> None:
    assert "\x1b[32mok" in "\n".join(lines(80, colours=True))


def test_columns_stand_as_in_the_fullest_row_without_empty_ones() -> None:
    assert SECTION.columns == {"layer": "name", "SQNR dB": "number", "": "text"}
