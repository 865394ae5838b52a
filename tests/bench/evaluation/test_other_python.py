from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from mobiledeploy.base.errors import InputError
from mobiledeploy.bench.evaluation import other_python
from mobiledeploy.bench.evaluation.other_python import quantize_with_litert_torch, run_python, run_tool

TOOL = """
METHODS = ("copy", "fail")
PACKAGES = ("numpy",)

def run(model, inputs, method, out):
    if method == "fail":
        raise ValueError("no such layer")
    assert inputs.shape == (2, 3, 4, 4)
    out.write_bytes(model.read_bytes())
"""


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    """A model and inputs to calibrate with."""
    model, calibration = tmp_path / "model", tmp_path / "calibration.npy"
    model.write_bytes(b"one")
    np.save(calibration, np.zeros((2, 3, 4, 4), np.float32))
    return model, calibration


@pytest.fixture
def tool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A tool beside the script that runs it."""
    folder = tmp_path / "tools"
    folder.mkdir()
    (folder / "run_tool.py").write_text((other_python.TOOLS / "run_tool.py").read_text())
    (folder / "tool_copy.py").write_text(TOOL)
    monkeypatch.setattr(other_python, "TOOLS", folder)
    return "copy"


def test_what_a_tool_made_stays_as_long_as_it_fits(
    files: tuple[Path, Path], tool: str, tmp_path: Path
) -> None:
    (model, calibration), out = files, tmp_path / "new" / "out"
    made = run_tool(sys.executable, tool, "copy", model, calibration, out)
    assert made.path.read_bytes() == b"one"
    assert made.seconds > 0 and made.versions == {"numpy": np.__version__}

    out.write_bytes(b"kept")
    assert run_tool(sys.executable, tool, "copy", model, calibration, out) == made
    assert out.read_bytes() == b"kept"  # there is no need to run it
    model.write_bytes(b"other")
    run_tool(sys.executable, tool, "copy", model, calibration, out)
    assert out.read_bytes() == b"other"


def test_a_tool_that_fails_says_why(files: tuple[Path, Path], tool: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="copy ended with status 1 and said ValueError: no such layer"):
        run_tool(sys.executable, tool, "fail", *files, tmp_path / "out")
    with pytest.raises(InputError, match="method 'none' of copy, expected one of copy, fail"):
        run_tool(sys.executable, tool, "none", *files, tmp_path / "out")


def test_an_interpreter_that_is_not_there_is_named(files: tuple[Path, Path], tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"/nowhere/python cannot be run .*interpreter that has nncf"):
        run_tool("/nowhere/python", "nncf", "fast", *files, tmp_path / "out")


def test_a_process_that_hangs_is_given_up() -> None:
    with pytest.raises(InputError, match=r"the export of net took longer than 0.01 s"):
        run_python(sys.executable, ["-c", "import time; time.sleep(9)"], "the export of net", 0.01)


def test_the_program_is_the_network_and_an_environment_without_the_peers_is_explained(
    files: tuple[Path, Path], tmp_path: Path
) -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(3, 2, 1), nn.Flatten()).eval()
    # An interpreter of an environment that has only numpy.
    bare = tmp_path / "python"
    blocked = "import sys; sys.modules['litert_torch'] = None"
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text(blocked)
    bare.write_text(f'#!/bin/sh\nPYTHONPATH={tmp_path / "site"} exec "{sys.executable}" "$@"\n')
    bare.chmod(0o755)
    with pytest.raises(InputError, match=r"ModuleNotFoundError.*bench/evaluation/README.md"):
        quantize_with_litert_torch(str(bare), network, (1, 3, 4, 4), files[1], tmp_path / "out")
    loaded = torch.export.load(tmp_path / "out" / "network.pt2").module()
    image = torch.ones(1, 3, 4, 4)
    assert torch.equal(loaded(image), network(image))
