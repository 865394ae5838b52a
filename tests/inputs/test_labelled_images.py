"""Labelled images: what is left out, how they are chosen, and how they are split."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mobiledeploy.base.errors import InputError
from mobiledeploy.inputs.labelled_images import LabelledImages

INPUTS = {"image": (1, 3, 8, 8)}


def write_images(folder: Path, *paths: str) -> Path:
    """Images whose grey level is ten times their place among `paths`."""
    for number, path in enumerate(paths):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8), (10 * number,) * 3).save(folder / path)
    return folder


def levels_and_labels(images: LabelledImages[int]) -> list[tuple[int, int]]:
    return [(round(float(sample["image"].max()) * 255), label) for sample, label in images]


def test_broken_and_missing_images_are_left_out_and_named_once(tmp_path: Path) -> None:
    write_images(tmp_path, "good.png")
    (tmp_path / "bad.png").write_bytes(b"no image")
    images = LabelledImages(tmp_path, [("bad.png", 1), ("gone.png", 2), ("good.png", 3)], INPUTS, None)
    for _ in range(2):
        assert levels_and_labels(images) == [(0, 3)]
    bad, gone = images.warnings
    assert "bad.png (not a JPEG or PNG)" in bad
    assert "gone.png" in gone


def test_no_readable_image_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none of 1 images can be read \(first: gone.png"):
        list(LabelledImages(tmp_path, [("gone.png", 2)], INPUTS, None))


def test_limit_is_a_seeded_choice(tmp_path: Path) -> None:
    entries = [(f"{label}/{number}.png", label) for label in range(4) for number in range(5)]
    write_images(tmp_path, *(path for path, _ in entries))
    first, again, other = (
        levels_and_labels(LabelledImages(tmp_path, entries, INPUTS, None, limit=6, seed=seed))
        for seed in (0, 0, 1)
    )
    assert len(first) == 6
    assert first == again != other
    with pytest.raises(InputError, match="limit 0"):
        LabelledImages(tmp_path, entries, INPUTS, None, limit=0)


def test_a_model_without_image_input_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"expected one input \(1, 3, H, W\)"):
        LabelledImages(tmp_path, [("a.png", 0)], {"x": (1, 128)}, None)


def test_grey_input(tmp_path: Path) -> None:
    write_images(tmp_path, "0/a.png")
    ((sample, _),) = LabelledImages(tmp_path, [("0/a.png", 0)], {"image": (1, 1, 8, 8)}, None)
    assert sample["image"].shape == (1, 1, 8, 8)
    assert sample["image"].dtype == np.float32


def test_a_part_to_choose_by_and_the_others_to_measure_on(tmp_path: Path) -> None:
    entries = [(f"{label}/{number}.png", label) for label in (0, 1) for number in range(5)]
    images = LabelledImages(write_images(tmp_path, *(path for path, _ in entries)), entries, INPUTS, None)
    for most, count in ((100, 5), (3, 3), (1, 1)):
        part, others = images.split(most)
        assert (len(part), len(others)) == (count, 10 - count)
        read = [sample["image"].tobytes() for half in (part, others) for sample, _ in half]
        assert len(read) == 10
    labels = [label for _, label in images.split(100)[0]]
    assert set(labels) == {0, 1}  # from all of the list, not from its beginning
    assert len(images) == 10
