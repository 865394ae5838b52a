"""The command lines of README and docs: every one is understood. None is run."""

from __future__ import annotations

import importlib
import re
import shlex
from dataclasses import replace
from pathlib import Path

import pytest

from mobiledeploy.cli.command_line import COMMANDS, command_named, main

ROOT = Path(__file__).parents[2]
LINES = [
    line.strip()
    for page in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
    for line in re.findall(
        r"^ *(mobiledeploy (?:list|export|verify|bench|doctor)\b.*)$", page.read_text(), re.M
    )
]


@pytest.fixture
def nothing_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in COMMANDS:
        command = replace(command_named(name), run=lambda settings, output: 0)
        monkeypatch.setattr(importlib.import_module(f"mobiledeploy.cli.{name}"), "COMMAND", command)


@pytest.mark.usefixtures("nothing_runs")
def test_the_command_lines_of_the_pages_are_understood(capsys: pytest.CaptureFixture[str]) -> None:
    assert len(LINES) > 25
    for line in LINES:
        assert main(shlex.split(line, comments=True)[1:]) == 0, f"{line}: {capsys.readouterr().err}"
