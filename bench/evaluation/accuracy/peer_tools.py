"""Other tools on the same float files and images, each a script in an environment of its own."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np

from mobiledeploy.base.files import file_sha256
from mobiledeploy.bench.evaluation.accuracy.made import Made
from mobiledeploy.bench.evaluation.accuracy.network import FloatNetwork
from mobiledeploy.bench.evaluation.peers.peer import SCRIPT as LITERT_TORCH
from mobiledeploy.bench.evaluation.peers.peer import hand_over, run_peer, run_script

__all__ = ["SCRIPTS", "quantize_litert_torch", "quantize_onnx", "quantize_our_fp32"]

SCRIPTS = Path(__file__).parent / "peers"


def quantize_onnx(python: str, tool: str, method: str, network: FloatNetwork, folder: Path) -> Made:
    """A QDQ model of our float ONNX file, by ``peers/peer_<tool>.py``.

    What the tool has made of the same files before is not made again.

    Raises:
        InputError: The interpreter cannot be run, or the script ended with an error.
    """
    script = SCRIPTS / f"peer_{tool}.py"
    files = ["--model", str(network.onnx), "--calibration", str(network.inputs.calibration)]
    return _run(python, script, [*files, "--method", method], folder / f"{tool}_{method}.onnx")


def quantize_our_fp32(python: str, network: FloatNetwork, folder: Path) -> Made:
    """ai-edge-quantizer's int8 .tflite of our float one."""
    files = ["--tflite", str(network.fp32), "--calibration", str(_archive(network, folder))]
    return _run(python, LITERT_TORCH, files, folder / "theirs_int8.tflite")


def _archive(network: FloatNetwork, folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "calibration.npz"
    np.savez(path, inputs=np.load(network.inputs.calibration))
    return path


def quantize_litert_torch(python: str, network: FloatNetwork, folder: Path) -> Made:
    """ai-edge-quantizer's int8 .tflite of litert-torch's float one."""
    inputs = np.load(network.inputs.calibration)
    hand_over(network.module, [image[np.newaxis] for image in inputs], folder)
    peer = run_peer(python, folder)
    return Made(peer.int8, peer.quantize_s, peer.versions)


def _run(python: str, script: Path, arguments: list[str], out: Path) -> Made:
    """Run a script that writes ``out`` and its record, unless it has with the same files."""
    out.parent.mkdir(parents=True, exist_ok=True)
    digest = hashlib.sha256(" ".join([python, *arguments]).encode())
    for file in (script, *(Path(text) for text in arguments if Path(text).is_file())):
        digest.update(file_sha256(file).encode())
    record, noted = (out.with_name(out.name + end) for end in (".json", ".sha256"))
    if not (noted.is_file() and noted.read_text() == digest.hexdigest()):
        noted.unlink(missing_ok=True)
        run_script(python, script, [*arguments, "--out", str(out)], "bench/evaluation/accuracy/README.md")
        noted.write_text(digest.hexdigest())
    found = json.loads(record.read_text())
    return Made(out, found["seconds"], found["versions"])
