"""Handing a network to the peers' environment, and getting their artifacts back."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mobiledeploy.base.errors import InputError

if TYPE_CHECKING:
    from torch import nn

__all__ = ["SCRIPT", "Peer", "hand_over", "run_peer", "run_script"]

SCRIPT = Path(__file__).with_name("peer_litert_torch.py")
TIMEOUT_S = 1800


@dataclass(frozen=True)
class Peer:
    """What the peers made.

    Attributes:
        fp32, int8: their artifacts.
        versions: of the packages in their environment.
        convert_s, quantize_s: how long they took.
    """

    fp32: Path
    int8: Path
    versions: dict[str, str]
    convert_s: float
    quantize_s: float


def hand_over(network: nn.Module, samples: Sequence[NDArray[np.float32]], folder: Path) -> None:
    """Write what the peers need: network.pt2, a `torch.export` program, and calibration.npz.

    A program holds graph and weights, and needs neither our code nor a user's own to be loaded again. What
    the peers made of another network or of other inputs is removed from the folder.

    Args:
        network: in evaluation mode, one input and one output.
        samples: calibration inputs, each (1, C, H, W).
        folder: made if it is not there.
    """
    import torch

    folder.mkdir(parents=True, exist_ok=True)
    digest = _digest(network, samples)
    noted = folder / "handed_over.sha256"
    if noted.is_file() and noted.read_text() == digest:
        return
    for path in folder.glob("theirs_*"):
        path.unlink()
    program = torch.export.export(network, (torch.from_numpy(samples[0]),))
    torch.export.save(program, folder / "network.pt2")
    np.savez(folder / "calibration.npz", inputs=np.concatenate(samples))
    noted.write_text(digest)


def run_peer(python: str, folder: Path) -> Peer:
    """Have the peers convert and quantize what was handed over, unless they already have.

    Args:
        python: Python interpreter of the peers' environment.
        folder: as `hand_over` left it.

    Raises:
        InputError: the interpreter cannot be run or ended with an error.
    """
    record = folder / "theirs_versions.json"
    if not record.is_file():  # the last file that they write
        handed = ["--program", str(folder / "network.pt2"), "--calibration", str(folder / "calibration.npz")]
        run_script(
            python, SCRIPT, [*handed, "--out", str(folder / "theirs")], "bench/evaluation/peers/README.md"
        )
    return Peer(
        folder / "theirs_fp32.tflite", folder / "theirs_int8.tflite", **json.loads(record.read_text())
    )


def run_script(python: str, script: Path, arguments: Sequence[str], manual: str) -> None:
    """Run a peer's script in its environment.

    Args:
        python: Python interpreter of that environment.
        manual: The page that says how to set it up.

    Raises:
        InputError: the interpreter cannot be run, or the script took too long or ended with an error.
    """
    # What makes our modules importable here must not reach into another environment.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    try:
        done = subprocess.run(
            [python, str(script), *arguments],
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
            env=environment,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise InputError(f"{python} cannot be run ({error}); give the peers' Python interpreter") from error
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise InputError(
            f"the peers ended with status {done.returncode} ({last}); {manual} says how to set up their "
            "environment"
        )


def _digest(network: nn.Module, samples: Sequence[NDArray[np.float32]]) -> str:
    """SHA-256 over all weights, all inputs and the script that takes them."""
    digest = hashlib.sha256(SCRIPT.read_bytes())
    for name, value in network.state_dict().items():
        digest.update(f"{name} {tuple(value.shape)} {value.dtype}".encode())
        digest.update(value.detach().cpu().contiguous().numpy().tobytes())
    for sample in samples:
        digest.update(sample.tobytes())
    return digest.hexdigest()
