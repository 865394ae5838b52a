from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from numpy.typing import NDArray

import mobiledeploy
from mobiledeploy.bench.evaluation.peers import __main__ as command
from mobiledeploy.bench.evaluation.peers.peer import Peer
from mobiledeploy.bench.evaluation.peers.subject import prepare
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


def report(network: str, folder: Path) -> SimpleNamespace:
    """What an export of this network and of these inputs reports."""
    subject = prepare(network, ModelOptions(), folder, samples=5)
    weights, calibration = {"sha256": subject.weights_sha256}, {"sha256": subject.source.fingerprint()}
    return SimpleNamespace(weights=weights, calibration=calibration)


def test_both_sides_get_the_same_and_are_compared(
    network: str,
    linear_files: dict[str, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    asked: dict[str, object] = {}

    def export(source: str, **settings: object) -> SimpleNamespace:
        asked.update(settings, source=source)
        return SimpleNamespace(artifacts=linear_files, report=report(network, tmp_path / "again"))

    def run_peer(python: str, folder: Path) -> Peer:
        given = np.load(folder / "calibration.npz")["inputs"]
        assert (python, given.shape) == ("peers/python", (5, 3, 4, 4))
        return Peer(linear_files["fp32"], linear_files["int8"], {"litert-torch": "0.10.0"}, 1.0, 2.0)

    monkeypatch.setattr(mobiledeploy, "export", export, raising=False)
    monkeypatch.setattr(command, "run_peer", run_peer)
    out = tmp_path / "out"
    arguments = ["--model", network, "--peer-python", "peers/python", "--samples", "5", "--time-limit", "0.1"]
    assert command.main([*arguments, "--out", str(out)]) == 0

    assert asked["source"] == network and asked["io"] == "int8" and asked["samples"] == 5
    assert asked["calibration"] == out / "inputs.npz" and asked["out"] == out / "ours"
    printed = capsys.readouterr().out
    assert "16 evaluation inputs" in printed and "litert-torch 0.10.0" in printed

    record = json.loads((out / "comparison.json").read_text())
    rows = record["comparison"]["rows"]
    assert rows["ours fp32"]["to_own_fp32"]["sqnr_db"] == "inf"
    assert float(rows["ours fp32"]["to_pytorch"]["sqnr_db"]) > 100  # as text if it is infinite
    assert 20 < rows["ours int8"]["to_pytorch"]["sqnr_db"] < 60
    assert rows["theirs int8"]["latency"]["median"]["value"] > 0
    assert record["versions"]["theirs"] == {"litert-torch": "0.10.0"}


def test_an_export_of_other_inputs_is_not_compared(
    network: str,
    linear_files: dict[str, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def export(source: str, **settings: object) -> SimpleNamespace:
        made = report(network, tmp_path / "again")
        made.calibration["sha256"] = "0123"
        return SimpleNamespace(artifacts=linear_files, report=made)

    peer = Peer(linear_files["fp32"], linear_files["int8"], {}, 1.0, 2.0)
    monkeypatch.setattr(command, "run_peer", lambda python, folder: peer)
    monkeypatch.setattr(mobiledeploy, "export", export, raising=False)
    arguments = [
        "--model",
        network,
        "--peer-python",
        "python",
        "--samples",
        "5",
        "--out",
        str(tmp_path / "out"),
    ]
    assert command.main(arguments) == 2
    assert "took calibration of SHA-256 0123" in capsys.readouterr().err


def test_an_error_is_a_message_and_an_exit_code(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--model", "mobilenet_v9", "--peer-python", "python", "--out", str(tmp_path / "out")]
    assert command.main(arguments) == 2
    assert "error: model 'mobilenet_v9'" in capsys.readouterr().err
