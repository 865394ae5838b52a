from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mobiledeploy.base.errors import InputError
from mobiledeploy.bench.evaluation.zoo.export import Job, jobs, run
from mobiledeploy.models import registry

Report = Callable[..., dict[str, Any]]


def ends(monkeypatch: pytest.MonkeyPatch, status: int, stdout: str = "", stderr: str = "") -> list[list[str]]:
    """Let every process end like this; the command lines go into the list."""
    asked: list[list[str]] = []

    def instead(command: list[str], **_: Any) -> subprocess.CompletedProcess[str]:
        asked.append(command)
        return subprocess.CompletedProcess(command, status, stdout, stderr)

    monkeypatch.setattr(subprocess, "run", instead)
    return asked


def test_all_networks_of_the_registry_are_jobs_with_their_widths() -> None:
    todo = jobs()
    assert [job.network for job in todo if job.width_mult == 1] == list(registry.specs())
    assert {str(job) for job in todo} > {"shufflenetv1_g3", "shufflenetv1_g3 0.5x", "shufflenetv1_g3 2x"}


def test_chosen_networks_go_by_any_of_their_names() -> None:
    assert jobs(["ShuffleNet-V2-x1_0", "mobilenetv3_large_minimalistic"]) == [
        Job("shufflenetv2_x1_0"),
        Job("mobilenetv3_large_minimalistic"),
    ]
    with pytest.raises(InputError, match="nonesuch"):
        jobs(["nonesuch"])


@pytest.mark.parametrize("status", [0, 3])
def test_a_report_is_taken_also_of_artifacts_that_miss_a_threshold(
    report: Report, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    asked = ends(monkeypatch, status, json.dumps({"name": "net", "report": report()}))
    done = run(Job("net", 0.5), Path("out"))
    assert done.report == report() and done.seconds > 0
    assert asked[0][3:5] == ["export", "net"]
    assert {"--int8", "--width-mult=0.5", "--out=out/net_0.5x"} < set(asked[0])


def test_a_process_that_dies_leaves_its_last_words(monkeypatch: pytest.MonkeyPatch) -> None:
    ends(monkeypatch, -9)
    assert run(Job("net"), Path("out")).error == "ended with status -9 and said nothing"


def test_a_process_that_hangs_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    def hang(command: list[str], timeout: float, **_: Any) -> None:
        raise subprocess.TimeoutExpired(command, timeout)

    monkeypatch.setattr(subprocess, "run", hang)
    assert run(Job("net"), Path("out")).error == "took longer than 1800 s"


def test_the_command_line_is_one_that_export_understands(tmp_path: Path) -> None:
    done = run(Job("nonesuch", 0.5), tmp_path)  # the name is looked up after the flags are parsed
    assert done.report is None and "status 2" in done.error and "model 'nonesuch' is not known" in done.error
