from __future__ import annotations

import argparse
import os
import pickle
from pathlib import Path

import pytest
import torch
from torch import nn

from mobiledeploy.models.weights.pickled_code import first_code


class Touch:
    """Creates a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_call_in_a_plain_pickle_is_named_and_not_made(tmp_path: Path, protocol: int) -> None:
    file = tmp_path / "weights.pt"
    file.write_bytes(pickle.dumps({"weight": Touch(tmp_path / "ran")}, protocol))
    assert first_code(file) == f"{os.name}.mkdir"
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("zipped", [True, False])
def test_code_behind_tensors_is_found_in_both_formats_of_torch(tmp_path: Path, zipped: bool) -> None:
    file = tmp_path / "weights.pt"
    content = {"weight": torch.ones(2), "half": torch.ones(2).half(), "args": argparse.Namespace(lr=1)}
    torch.save(content, file, _use_new_zipfile_serialization=zipped)
    assert first_code(file) == "argparse.Namespace"


@pytest.mark.parametrize("zipped", [True, False])
def test_a_state_dict_holds_no_code(tmp_path: Path, zipped: bool) -> None:
    file = tmp_path / "weights.pt"
    state = {**nn.BatchNorm2d(2).state_dict(), "parameter": nn.Parameter(torch.ones(1))}
    torch.save(state, file, _use_new_zipfile_serialization=zipped)
    assert first_code(file) is None


def test_a_file_that_is_no_pickle_holds_no_code(tmp_path: Path) -> None:
    file = tmp_path / "weights.pt"
    file.write_text("weights, one per line\n")
    assert first_code(file) is None
