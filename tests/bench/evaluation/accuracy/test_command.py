from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from mobiledeploy.bench.evaluation.__main__ import main
from mobiledeploy.bench.evaluation.accuracy import measure


@pytest.fixture
def arguments(network: str, archive: Path, validation: Path, tmp_path: Path) -> list[str]:
    found = ["accuracy", "--network", network, "--data", str(archive), "--validation", str(validation)]
    return [*found, "--size", "16", "--samples", "16", "--out", str(tmp_path / "out")]


def _record(tmp_path: Path) -> Any:
    return json.loads((tmp_path / "out" / "accuracy.json").read_text())


def test_ours_and_others_on_the_same_images(
    arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    methods = ["--methods", "default", "plain-hard-swish", "onnxruntime-minmax", "aeq"]
    assert main([*arguments, *methods, "--aeq-python", "/nowhere/python"]) == 0
    ours, plain, failed, theirs = _record(tmp_path)["rows"]
    for row in (ours, plain, theirs):
        assert not row["error"]
        assert row["figures"]["images"] == 15
        assert row["figures"]["sqnr_db"] > 20
    ours, plain, theirs = (row["figures"] for row in (ours, plain, theirs))
    assert (ours["runtime"], ours["partitions"], ours["outside"]) == ("LiteRT", 1, {})
    assert plain["outside"] == {"HARD_SWISH": 1}
    assert (theirs["runtime"], theirs["partitions"]) == ("ONNX Runtime", None)
    assert theirs["float_ops"]
    assert "python cannot be run" in failed["error"]
    written = (tmp_path / "out" / "accuracy.md").read_text()
    assert "no result: /nowhere/python cannot be run" in written
    assert (tmp_path / "out" / "accuracy.svg").read_text().startswith("<svg")
    assert str(tmp_path) not in json.dumps([ours, plain, theirs])  # what is published names no folders

    # A second run makes only what failed: nothing is quantized when that fails at once.
    capsys.readouterr()
    made: list[str] = []

    def instead(network: Any, method: str, *_: Any) -> Any:
        made.append(method)
        raise RuntimeError("not now")

    monkeypatch.setattr(measure, "_made", instead)
    assert main([*arguments, *methods, "--aeq-python", sys.executable]) == 0
    assert made == ["aeq"]
    shown = capsys.readouterr().out
    assert shown.count("(from an earlier run)") == 3
    assert "no result (RuntimeError: not now)" in shown
    assert main([*arguments, "--methods", "default", "--again"]) == 0
    assert made[1:] == ["default"]


def test_a_network_of_other_classes_gets_no_figures(
    arguments: list[str], validation: Path, archive: Path, data: Path, tmp_path: Path
) -> None:
    for folder in (data, validation):
        (folder / "blue").rename(folder / "extra")
        (folder / "red").rename(folder / "extra" / "deep")
    asked = [str(data) if text == str(archive) else text for text in arguments]
    assert main([*asked, "--methods", "default", "--samples", "8"]) == 0
    (row,) = _record(tmp_path)["rows"]
    assert "gives (3,) numbers for an image, expected the 2" in row["error"]


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (["--samples", "99"], "has 36 images, expected 99 to calibrate with and 16 to check on"),
        (["--methods", "nncf-fast"], "pass --nncf-python"),
    ],
)
def test_what_cannot_be_used_is_said_before_anything_runs(
    arguments: list[str], changed: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*arguments, *changed]) == 2
    assert message in capsys.readouterr().err
