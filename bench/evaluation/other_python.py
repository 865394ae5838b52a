"""Other tools and runtimes, each run in the Python interpreter of an environment of its own."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mobiledeploy.base.errors import InputError
from mobiledeploy.base.files import file_sha256

if TYPE_CHECKING:
    from torch import nn

__all__ = ["TOOLS", "Made", "failure", "quantize_with_litert_torch", "run_python", "run_tool"]

TOOLS = Path(__file__).parent / "tools"
"""Scripts that run in other environments."""

_REMEDY = "bench/evaluation/README.md says how to set up its environment"
_TIMEOUT_S = 1800


@dataclass(frozen=True)
class Made:
    """A file that a tool made.

    Attributes:
        path: A .tflite, or a QDQ .onnx.
        seconds: Time of this step alone, from files that are ready to the new file.
        versions: Package -> version, of the packages that made it.
    """

    path: Path
    seconds: float
    versions: Mapping[str, str]


def run_python(
    python: str, arguments: Sequence[str | Path], needs: str, timeout_s: float = _TIMEOUT_S
) -> subprocess.CompletedProcess[str]:
    """Run an interpreter to its end, whatever its exit code.

    Args:
        needs: What its environment has to have, for messages.

    Raises:
        InputError: It cannot be run, or takes too long.
    """
    # What makes our modules importable here must not reach into another environment.
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    try:
        return subprocess.run(
            [python, *map(str, arguments)],
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
            env=None if python == sys.executable else kept,
        )
    except OSError as error:
        raise InputError(
            f"{python} cannot be run ({error}), expected a Python interpreter that has {needs}; {_REMEDY}"
        ) from error
    except subprocess.TimeoutExpired as error:
        raise InputError(
            f"{needs} took longer than {timeout_s:g} s, expected it to end; try fewer samples"
        ) from error


def failure(done: subprocess.CompletedProcess[str]) -> str:
    """Return the exit code of a process and the end of its output, in words."""
    lines = done.stderr.strip().splitlines() or ["nothing"]
    return f"ended with status {done.returncode} and said {lines[-1]}"


def run_tool(python: str, tool: str, method: str, model: Path, calibration: Path, out: Path) -> Made:
    """Have a tool convert or quantize, unless it has made this file of the same files before.

    Args:
        python: Interpreter of the tool's environment.
        tool: Name of a script in tools/, without "tool_".
        method: One of the script's methods.
        model: What the tool takes.
        calibration: .npy, float32 (count, C, H, W).
        out: The file to write.

    Raises:
        InputError: The interpreter cannot be run, or the script ended with an error.
    """
    script = TOOLS / "run_tool.py"
    digest = hashlib.sha256(f"{python} {method}".encode())
    for file in (script, TOOLS / f"tool_{tool}.py", model, calibration):
        digest.update(file_sha256(file).encode())
    record, noted = (out.with_name(out.name + end) for end in (".json", ".sha256"))
    if not (noted.is_file() and noted.read_text() == digest.hexdigest()):
        noted.unlink(missing_ok=True)
        out.parent.mkdir(parents=True, exist_ok=True)
        command: list[str | Path] = [script, tool, method, "--model", model]
        done = run_python(python, [*command, "--calibration", calibration, "--out", out], tool)
        if done.returncode != 0:
            raise InputError(f"{tool} {failure(done)}; {_REMEDY}")
        noted.write_text(digest.hexdigest())
    return Made(out, **json.loads(record.read_text()))


def quantize_with_litert_torch(
    python: str, network: nn.Module, shape: tuple[int, ...], calibration: Path, folder: Path
) -> tuple[Made, Made]:
    """The fp32 and the int8 .tflite that litert-torch and ai-edge-quantizer make of a PyTorch network.

    The network is handed over as a `torch.export` program: it holds graph and weights, and needs neither our
    code nor a user's own to be loaded again.

    Args:
        network: In evaluation mode, one input and one output.
        shape: Shape of the input, (1, C, H, W).
    """
    import torch

    folder.mkdir(parents=True, exist_ok=True)
    program = folder / "network.pt2"
    torch.export.save(torch.export.export(network, (torch.zeros(shape),)), program)
    fp32 = run_tool(python, "litert_torch", "default", program, calibration, folder / "theirs_fp32.tflite")
    out = folder / "theirs_int8.tflite"
    return fp32, run_tool(python, "ai_edge_quantizer", "static_wi8_ai8", fp32.path, calibration, out)
