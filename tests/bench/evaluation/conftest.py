"""Tiny labelled images, and a tiny network that can tell them apart by their colour."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

COLOURS = {"blue": (40, 60, 200), "green": (50, 180, 60), "red": (210, 50, 40)}
SIDE = 8

NETWORK = """
import torch
from torch import nn


def tiny(num_classes=3):
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(),
        nn.Conv2d(8, 8, 3, padding=1, groups=8), nn.BatchNorm2d(8), nn.Hardswish(),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, num_classes),
    )
"""


def _png(colour: tuple[int, int, int], seed: int) -> bytes:
    noise = np.random.default_rng(seed).normal(0, 20, (SIDE, SIDE, 3))
    pixels = np.clip(np.array(colour) + noise, 0, 255).astype(np.uint8)
    content = io.BytesIO()
    Image.fromarray(pixels).save(content, "PNG")
    return content.getvalue()


def write_images(folder: Path, each: int, first_seed: int) -> Path:
    """``each`` images of every colour in a folder per colour."""
    for number, (name, colour) in enumerate(COLOURS.items()):
        (folder / name).mkdir(parents=True)
        for i in range(each):
            (folder / name / f"{i}.png").write_bytes(_png(colour, first_seed + number * each + i))
    return folder


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return write_images(tmp_path / "train", 12, 0)


@pytest.fixture
def validation(tmp_path: Path) -> Path:
    return write_images(tmp_path / "val", 5, 1000)


@pytest.fixture
def archive(data: Path) -> Path:
    """The training images as a zip file."""
    path = data.with_suffix(".zip")
    with zipfile.ZipFile(path, "w") as opened:
        for file in sorted(data.rglob("*.png")):
            opened.write(file, file.relative_to(data).as_posix())
    return path


@pytest.fixture
def network(tmp_path: Path) -> str:
    """What --network takes."""
    path = tmp_path / "net.py"
    path.write_text(NETWORK)
    return f"{path}:tiny"
