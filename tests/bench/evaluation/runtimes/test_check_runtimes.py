from __future__ import annotations

import json
from pathlib import Path

import pytest

from mobiledeploy.bench.evaluation.runtimes.check_runtimes import main


def test_litert_agrees_with_itself_and_its_other_kernels(
    linear_files: dict[str, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(linear_files["fp32"]), str(linear_files["int8"]), "--json", "--samples", "3"]) == 0
    runs = json.loads(capsys.readouterr().out)
    kinds = [(run["artifact"], run["kernels"]) for run in runs]
    assert kinds == [(a, k) for a in ("fp32", "int8") for k in ("default", "builtin", "reference")]
    assert [run["partitions"] for run in runs] == [1, 0, 0, 1, 0, 0]
    assert all(run["agreement"]["values"] == 15 and not run["complaint"] for run in runs)
    assert runs[3]["agreement"]["max_steps"] == 0.0


def test_an_interpreter_without_the_runtime_is_named(
    linear_files: dict[str, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    files = [str(linear_files["fp32"]), str(linear_files["int8"])]
    assert main([*files, "--samples", "1", "--tensorflow-python", "/nowhere/python"]) == 2
    assert "/nowhere/python cannot run tensorflow" in capsys.readouterr().err


def test_a_file_that_is_no_artifact_is_named(
    linear_files: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = tmp_path / "bad.tflite"
    bad.write_text("no model")
    assert main([str(bad), str(linear_files["int8"])]) == 2
    assert "bad.tflite" in capsys.readouterr().err
