from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from mobiledeploy.base.errors import InputError
from mobiledeploy.bench.evaluation.rows import Row, Rows


@dataclass(frozen=True)
class Figures:
    sqnr_db: float
    outside: dict[str, int]


NAMES = ("mobilenetv2 width_mult=0.5", "default")
ORIGIN: Mapping[str, Any] = {"weights_sha256": "12ab", "settings": {"keep_float": ("op:HardSwish",)}}
FIGURES = Figures(math.inf, {"PAD": 2})


def made() -> Figures:
    return FIGURES


def fails() -> Figures:
    raise InputError("no")


def again(folder: Path, origin: Mapping[str, Any] = ORIGIN, *, all_rows: bool = False) -> bool:
    """Whether a second run makes the row again."""
    row, is_new = Rows(folder, Figures, all_rows).row(NAMES, origin, made)
    assert row.figures == FIGURES
    return is_new


def test_a_row_that_is_kept_is_found_again(tmp_path: Path) -> None:
    first, is_new = Rows(tmp_path, Figures).row(NAMES, ORIGIN, made)
    assert is_new and first.figures == FIGURES
    assert Rows(tmp_path, Figures).row(NAMES, ORIGIN, fails) == (first, False)
    assert not list(tmp_path.rglob("*.part"))
    assert again(tmp_path, all_rows=True)


def test_a_row_of_other_weights_is_made_again(tmp_path: Path) -> None:
    Rows(tmp_path, Figures).row(NAMES, ORIGIN, made)
    assert again(tmp_path, {**ORIGIN, "weights_sha256": "34cd"})


def test_a_failure_has_its_reason_and_is_tried_again(tmp_path: Path) -> None:
    row, _ = Rows(tmp_path, Figures).row(NAMES, ORIGIN, fails)
    assert row == Row(NAMES, None, "no", row.made_from)
    assert again(tmp_path)


def test_an_error_of_another_tool_is_named_by_its_kind(tmp_path: Path) -> None:
    row, _ = Rows(tmp_path, Figures).row(NAMES, ORIGIN, lambda: Figures(1 / 0, {}))
    assert row.error == "ZeroDivisionError: division by zero"


@pytest.mark.parametrize("text", ['{"names": ["mobile', "{}", '{"names": [], "figures": {"other": 1}}'])
def test_half_a_row_and_one_of_another_version_are_none(tmp_path: Path, text: str) -> None:
    Rows(tmp_path, Figures).row(NAMES, ORIGIN, made)
    (path,) = tmp_path.rglob("*.json")
    path.write_text(text)
    assert again(tmp_path)
