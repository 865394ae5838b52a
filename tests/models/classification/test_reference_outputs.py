"""Torchvision's and timm's networks and ours, with the same weights in their layout, give the same logits.

Neither package is needed: make_reference_outputs.py has stored what theirs give.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from mobiledeploy.models import registry
from mobiledeploy.models.blocks import Classifier
from mobiledeploy.models.weights.load import apply_state_dict
from mobiledeploy.models.weights.timm_names import timm_names
from mobiledeploy.runtime.evaluation_mode import evaluating
from mobiledeploy.testing import weights_from_names

ROWS: dict[str, dict[str, Any]] = json.loads(Path(__file__).with_name("reference_outputs.json").read_text())
IMAGE = (1, 3, 64, 64)
Shapes = dict[str, tuple[int, ...]]


def in_their_layout(network: nn.Module, package: str) -> Shapes:
    """Keys and shapes of the other package's state_dict."""
    shapes = {key: tuple(value.shape) for key, value in network.state_dict().items()}
    if package != "timm":
        return shapes
    assert isinstance(network, Classifier)
    theirs = {timm: shapes[own] for own, timm in timm_names(network).items()}
    if len(theirs.get("conv_head.weight", ())) == 2:
        theirs["conv_head.weight"] += (1, 1)
    return theirs


@pytest.mark.parametrize("name", ROWS)
def test_logits_are_those_of_the_reference(name: str) -> None:
    row = ROWS[name]
    (entry,) = (entry for entry in registry.resolve(row["model"]).weights if entry.name == row["weights_as"])
    assert row["options"].get("width_mult", 1) == entry.width_mult
    network = registry.create(row["model"], row["options"], entry.conventions)

    shapes = in_their_layout(network, name.split()[0])
    lines = sorted(f"{key} {list(shape)}" for key, shape in shapes.items())
    assert len(lines) == row["keys"]
    assert hashlib.sha256("\n".join(lines).encode()).hexdigest() == row["keys_sha256"]

    state = {key: torch.from_numpy(value) for key, value in weights_from_names(shapes).items()}
    apply_state_dict(network, state, name)
    with evaluating(network):
        logits = network(torch.from_numpy(weights_from_names({"image": IMAGE})["image"]))[0].numpy()
    largest = np.abs(row["logits"]).max()
    np.testing.assert_allclose(logits[: len(row["logits"])], row["logits"], rtol=0, atol=1e-5 * largest)
    np.testing.assert_allclose(np.linalg.norm(logits), row["norm"], rtol=1e-5)
