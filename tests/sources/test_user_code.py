"""Faults in a user's file are in test_bad_input.py; here is what must work."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from mobiledeploy.base.errors import InputError
from mobiledeploy.sources.user_code import call_factory


def write(path: Path, code: str) -> Path:
    path.write_text(code)
    return path


def test_a_file_may_import_its_neighbours(tmp_path: Path) -> None:
    write(tmp_path / "neighbour_of_mine.py", "VALUE = 3")
    file = write(tmp_path / "net.py", "import neighbour_of_mine\ndef make(): return neighbour_of_mine.VALUE")
    before = list(sys.path)
    assert call_factory(file, "make", {}) == 3
    assert sys.path == before


def test_a_file_may_be_called_like_an_installed_package(tmp_path: Path) -> None:
    file = write(tmp_path / "numpy.py", "def make(): return 'mine'")
    numpy = sys.modules["numpy"]
    assert call_factory(file, "make", {}) == "mine"
    assert sys.modules["numpy"] is numpy


def test_arguments_reach_the_factory(tmp_path: Path) -> None:
    file = write(tmp_path / "net.py", "def make(num_classes=10, **rest): return num_classes, rest")
    assert call_factory(file, "make", {"num_classes": 3, "width_mult": 0.5}) == (3, {"width_mult": 0.5})


def test_a_dataclass_in_the_file_works(tmp_path: Path) -> None:
    code = "from __future__ import annotations\nfrom dataclasses import dataclass\n"
    code += "@dataclass\nclass make:\n  x: int = 2"
    assert call_factory(write(tmp_path / "net.py", code), "make", {}).x == 2


def test_a_fault_in_a_neighbour_is_told_with_the_importing_line(tmp_path: Path) -> None:
    write(tmp_path / "broken_neighbour.py", "def f(:")
    file = write(tmp_path / "net.py", "\nimport broken_neighbour")
    with pytest.raises(InputError, match=r"broken_neighbour\.py:1 raised SyntaxError"):
        call_factory(file, "make", {})


def test_an_interrupt_is_not_taken_for_a_fault(tmp_path: Path) -> None:
    file = write(tmp_path / "net.py", "def make(): raise KeyboardInterrupt")
    with pytest.raises(KeyboardInterrupt):
        call_factory(file, "make", {})
