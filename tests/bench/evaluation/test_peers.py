from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import mobiledeploy
from mobiledeploy.bench.evaluation import peers
from mobiledeploy.bench.evaluation.__main__ import main
from mobiledeploy.bench.evaluation.other_python import Made
from mobiledeploy.inputs.open_inputs import open_inputs
from mobiledeploy.sources.open_source import open_source
from mobiledeploy.sources.source import ModelOptions

NETWORK = """
import numpy as np
from torch import from_numpy, nn

class Linear(nn.Module):
    input_size = (4, 4)

    def __init__(self):
        super().__init__()
        self.register_buffer("weight", from_numpy(np.load(WEIGHT)))

    def forward(self, image):
        return image.permute(0, 2, 3, 1).flatten(1) @ self.weight

def linear():
    return Linear()
"""


@pytest.fixture
def network(tmp_path: Path, linear_weight: NDArray[np.int8]) -> str:
    """The network of the `linear_files` as a user's own code."""
    np.save(tmp_path / "weight.npy", np.ascontiguousarray(linear_weight.T * np.float32(0.01)))
    file = tmp_path / "net.py"
    file.write_text(NETWORK.replace("WEIGHT", repr(str(tmp_path / "weight.npy"))))
    return f"{file}:linear"


@pytest.fixture
def asked(
    network: str, linear_files: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> dict[str, Any]:
    """Replaces both sides' exports; what ours is asked for. "report" changes what it reports."""
    found: dict[str, Any] = {"report": {}}

    def export(source: str, **settings: Any) -> SimpleNamespace:
        found.update(settings, source=source)
        shapes = {"image": (1, 3, 4, 4)}
        inputs = open_inputs(settings["calibration"], shapes, None, settings["samples"], settings["seed"])
        hashes = {
            "weights": {"sha256": open_source(network, ModelOptions()).weights.sha256},
            "calibration": {"sha256": inputs.fingerprint},
        }
        return SimpleNamespace(artifacts=linear_files, report=SimpleNamespace(**hashes | found["report"]))

    def theirs(
        python: str, module: Any, shape: tuple[int, ...], calibration: Path, folder: Path
    ) -> tuple[Made, Made]:
        given = np.load(calibration)
        assert (python, given.shape, shape) == ("peers/python", (5, 3, 4, 4), (1, 3, 4, 4))
        versions = {"litert-torch": "0.10.0"}
        return Made(linear_files["fp32"], 1.0, versions), Made(linear_files["int8"], 2.0, {})

    monkeypatch.setattr(mobiledeploy, "export", export, raising=False)
    monkeypatch.setattr(peers, "quantize_with_litert_torch", theirs)
    return found


@pytest.fixture
def arguments(network: str, tmp_path: Path) -> list[str]:
    found = ["peers", "--model", network, "--aeq-python", "peers/python", "--samples", "5"]
    return [*found, "--time-limit", "0.1", "--out", str(tmp_path / "out")]


def test_both_sides_get_the_same_and_are_compared(
    network: str,
    asked: dict[str, Any],
    arguments: list[str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(arguments) == 0
    out = tmp_path / "out"
    assert asked["source"] == network and asked["io"] == "int8" and asked["samples"] == 5
    assert asked["calibration"] == out / "inputs.npy" and asked["out"] == out / "ours"
    printed = capsys.readouterr().out
    assert "16 evaluation inputs" in printed and "litert-torch 0.10.0" in printed
    assert "| theirs int8" in printed and "| ours int8 / theirs int8" in printed
    assert "| theirs int8" in (out / "peers.md").read_text()

    record = json.loads((out / "peers.json").read_text())
    assert [row["names"][0] for row in record["ratios"]] == [f"{one} / {two}" for one, two in peers.RATIOS]
    rows = {row["names"][0]: row["figures"] for row in record["rows"]}
    assert rows["ours int8"]["to_pytorch"] == rows["theirs int8"]["to_pytorch"]  # it is the same file
    assert float(rows["ours fp32"]["to_pytorch"]["sqnr_db"]) > 60  # as text if it is infinite
    assert 20 < rows["ours int8"]["to_pytorch"]["sqnr_db"] < 60
    assert rows["ours int8"]["to_own_fp32"]["sqnr_db"] > 20 and rows["ours fp32"]["to_own_fp32"] is None
    assert rows["ours int8"]["partitions"] == 1
    assert rows["theirs int8"]["latency"]["median_ms"]["value"] > 0
    assert record["theirs"] == {"versions": {"litert-torch": "0.10.0"}, "convert_s": 1.0, "quantize_s": 2.0}


def test_outputs_are_compared_on_all_that_is_given(
    asked: dict[str, Any], arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    images = np.random.default_rng(2).uniform(-1, 1, (8, 3, 4, 4)).astype(np.float32)
    np.save(tmp_path / "images.npy", images)
    assert main([*arguments, "--evaluation", str(tmp_path / "images.npy")]) == 0
    assert "8 evaluation inputs" in capsys.readouterr().out


@pytest.mark.parametrize("what", ["weights", "calibration"])
def test_an_export_of_other_weights_or_inputs_is_not_compared(
    what: str, asked: dict[str, Any], arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    asked["report"] = {what: {"sha256": "0123"}}
    assert main(arguments) == 2
    assert f"took {what} of SHA-256 0123" in capsys.readouterr().err


def test_an_unknown_model_is_a_message_and_an_exit_code(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert main(["peers", "--model", "mobilenet_v9", "--aeq-python", "python", "--out", str(out)]) == 2
    assert "error: model 'mobilenet_v9'" in capsys.readouterr().err
    assert not out.exists()
