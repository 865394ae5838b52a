from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mobiledeploy.bench.evaluation.zoo import __main__ as command
from mobiledeploy.bench.evaluation.zoo.export import Export, Job

Report = Callable[..., dict[str, Any]]


def exports(monkeypatch: pytest.MonkeyPatch, reports: dict[str, dict[str, Any] | None]) -> None:
    """Let each network's export give this report, or none."""

    def run(job: Job, out: Path) -> Export:
        return Export(job, 2.0, reports[job.network], "ended with status 1")

    monkeypatch.setattr(command, "run", run)


def test_the_table_is_written_and_all_is_well(
    report: Report, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    exports(monkeypatch, {"augshufflenet_x1_0": report()})
    table = tmp_path / "docs" / "zoo.md"
    assert command.main(["--only", "augshufflenet_x1_0", "--table", str(table)]) == 0
    assert "| augshufflenet_x1_0 | 1.37 |" in table.read_text()
    assert "--only augshufflenet_x1_0`" in table.read_text()
    assert "1/1 augshufflenet_x1_0: 2 s, ok" in capsys.readouterr().out


def test_what_is_missed_is_listed_and_fails(
    report: Report, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    reports = {"mnasnet_b1": None, "shufflenetv2_x0_5": report(), "shufflenetv2_x1_0": report(float_error=1)}
    exports(monkeypatch, reports)
    assert command.main(["--only", *reports]) == 3
    printed = capsys.readouterr()
    assert "| shufflenetv2_x1_0 |" in printed.out
    assert "missed: mnasnet_b1\n  ended with status 1\n" in printed.err
    assert "missed: shufflenetv2_x1_0\n  fp32 errs by 1.0e+00" in printed.err
    assert "shufflenetv2_x0_5" not in printed.err


def test_an_unknown_name_is_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["--only", "nonesuch"]) == 2
    assert "error: model 'nonesuch'" in capsys.readouterr().err
