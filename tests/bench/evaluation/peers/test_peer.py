from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from mobiledeploy.base.errors import InputError
from mobiledeploy.bench.evaluation.peers.peer import Peer, hand_over, run_peer


def network(seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Conv2d(3, 2, 1), nn.Flatten()).eval()


SAMPLES = [np.full((1, 3, 4, 4), value, np.float32) for value in (0.0, 1.0)]
RECORD = {"versions": {"torch": "2.13.0"}, "convert_s": 1.5, "quantize_s": 0.5}


def test_the_program_is_the_network_and_the_inputs_are_stacked(tmp_path: Path) -> None:
    hand_over(network(), SAMPLES, tmp_path)
    loaded = torch.export.load(tmp_path / "network.pt2").module()
    image = torch.from_numpy(SAMPLES[1])
    assert torch.equal(loaded(image), network()(image))
    assert np.load(tmp_path / "calibration.npz")["inputs"].shape == (2, 3, 4, 4)


def test_what_the_peers_made_stays_as_long_as_it_fits(tmp_path: Path) -> None:
    hand_over(network(), SAMPLES, tmp_path)
    (tmp_path / "theirs_versions.json").write_text(json.dumps(RECORD))
    hand_over(network(), SAMPLES, tmp_path)
    theirs = run_peer("/nowhere/python", tmp_path)  # there is no need to run it
    assert theirs == Peer(
        tmp_path / "theirs_fp32.tflite", tmp_path / "theirs_int8.tflite", {"torch": "2.13.0"}, 1.5, 0.5
    )
    hand_over(network(seed=1), SAMPLES, tmp_path)
    assert not (tmp_path / "theirs_versions.json").exists()


def test_other_inputs_make_it_stale_too(tmp_path: Path) -> None:
    hand_over(network(), SAMPLES, tmp_path)
    (tmp_path / "theirs_versions.json").write_text(json.dumps(RECORD))
    hand_over(network(), SAMPLES[:1], tmp_path)
    assert not (tmp_path / "theirs_versions.json").exists()


def test_an_interpreter_that_is_not_there_is_named(tmp_path: Path) -> None:
    hand_over(network(), SAMPLES, tmp_path)
    with pytest.raises(InputError, match="/nowhere/python cannot be run"):
        run_peer("/nowhere/python", tmp_path)


def test_an_environment_without_the_peers_is_explained(tmp_path: Path) -> None:
    hand_over(network(), SAMPLES, tmp_path)
    # A bare interpreter: -S leaves out everything that is installed.
    bare = tmp_path / "python"
    bare.write_text(f'#!/bin/sh\nexec "{sys.executable}" -S "$@"\n')
    bare.chmod(0o755)
    with pytest.raises(InputError, match=r"ModuleNotFoundError.*bench/evaluation/peers/README.md"):
        run_peer(str(bare), tmp_path)
