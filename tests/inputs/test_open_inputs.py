"""Calibration inputs: what is read from where, how it is split, and what is refused in which words."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from mobiledeploy.base.errors import InputError
from mobiledeploy.inputs.open_inputs import open_inputs
from mobiledeploy.inputs.preprocessing import Preprocessing
from mobiledeploy.inputs.samples import InputSource, Samples

INPUTS = {"image": (1, 3, 8, 8)}
IMAGENET = Preprocessing(9, "bilinear", (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


def write_images(folder: Path, count: int, size: tuple[int, int] = (12, 10)) -> Path:
    """Images whose grey level is ten times their number, at several depths."""
    for number in range(count):
        path = folder / f"depth{number % 3}" / ("." if number % 2 else "more") / f"{number:03}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", size, (10 * number,) * 3).save(path)
    return folder


def levels(samples: Samples) -> list[int]:
    return [round(float(sample["image"].max()) * 255) for sample in samples]


def everything(source: InputSource) -> list[NDArray[np.float32]]:
    return [value for part in (source.calibration, source.holdout) for s in part for value in s.values()]


def test_folder_is_split_without_overlap(tmp_path: Path) -> None:
    source = open_inputs(write_images(tmp_path, 20), INPUTS, None, samples=8, seed=0, holdout=4)
    used, kept = levels(source.calibration), levels(source.holdout)
    assert (len(used), len(kept)) == (8, 4)
    assert len({*used, *kept}) == 12
    assert source.warnings == []
    assert "8 images, 4 held back" in source.description
    for sample in (*source.calibration, *source.holdout):
        assert sample["image"].shape == (1, 3, 8, 8)
        assert sample["image"].dtype == np.float32


def test_every_pass_is_the_same_and_the_seed_chooses(tmp_path: Path) -> None:
    write_images(tmp_path, 20)
    first, again, other = (open_inputs(tmp_path, INPUTS, None, 8, seed, 4) for seed in (0, 0, 1))
    assert levels(first.calibration) == levels(first.calibration) == levels(again.calibration)
    assert levels(first.calibration[2:5]) == levels(first.calibration)[2:5]
    assert levels(first.calibration) != levels(other.calibration)
    assert first.fingerprint == again.fingerprint != other.fingerprint


def test_held_back_part_stays_when_the_number_of_samples_changes(tmp_path: Path) -> None:
    write_images(tmp_path, 20)
    few, many = (open_inputs(tmp_path, INPUTS, None, samples, 0, 4) for samples in (2, 16))
    assert levels(few.holdout) == levels(many.holdout)


@pytest.mark.parametrize(
    ("found", "samples", "holdout", "expected"),
    [
        (10, 64, 16, (8, 2)),
        (2, 64, 16, (1, 1)),
        (10, 4, 16, (4, 6)),
        (20, 18, 4, (16, 4)),
        (3, 64, 0, (3, 0)),
    ],
)
def test_too_few_are_shared_out(
    tmp_path: Path, found: int, samples: int, holdout: int, expected: tuple[int, int]
) -> None:
    source = open_inputs(write_images(tmp_path, found), INPUTS, None, samples, 0, holdout)
    assert (len(source.calibration), len(source.holdout)) == expected
    wanted = [f"calibration wants {samples} images, found {found}"] if expected[0] < samples else []
    assert [warning[: len(wanted[0])] for warning in source.warnings] == wanted


def test_a_single_image_serves_for_both(tmp_path: Path) -> None:
    source = open_inputs(write_images(tmp_path, 1), INPUTS, None, 64, 0)
    assert levels(source.calibration) == levels(source.holdout) == [0]
    assert any("found 1: it serves to calibrate and to check" in warning for warning in source.warnings)


def test_fingerprint_depends_on_content_only(tmp_path: Path) -> None:
    write_images(tmp_path / "a", 6)
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    first, moved = (open_inputs(tmp_path / name, INPUTS, None, 4, 0, 2).fingerprint for name in "ab")
    assert first == moved
    assert len(first) == 64
    for path in (tmp_path / "b").rglob("*.png"):
        Image.new("RGB", (8, 8), (1, 2, 3)).save(path)
    assert open_inputs(tmp_path / "b", INPUTS, None, 4, 0, 2).fingerprint != first


def test_broken_images_are_named_and_replaced(tmp_path: Path) -> None:
    write_images(tmp_path, 6)
    cut = tmp_path / "cut.jpg"
    Image.effect_noise((64, 64), 50).save(cut)
    cut.write_bytes(cut.read_bytes()[: cut.stat().st_size // 2])
    (tmp_path / "text.JPEG").write_bytes(b"not an image")
    (tmp_path / "empty.png").touch()
    (tmp_path / "notes.txt").touch()
    (tmp_path / "._000.png").write_bytes(b"what macOS leaves beside files")
    source = open_inputs(tmp_path, INPUTS, None, 5, 0, holdout=1)
    assert (len(source.calibration), len(source.holdout)) == (5, 1)
    for name in ("cut.jpg (", "text.JPEG (not a JPEG or PNG)", "empty.png (not a JPEG or PNG)"):
        assert sum(name in warning for warning in source.warnings) == 1
    assert not any("notes" in warning or "._" in warning for warning in source.warnings)


def test_many_broken_images_are_counted(tmp_path: Path) -> None:
    write_images(tmp_path, 1)
    for number in range(14):
        (tmp_path / f"{number}.png").touch()
    warnings = open_inputs(tmp_path, INPUTS, None, 1, 0, holdout=99).warnings
    assert sum("left out" in warning for warning in warnings) == 11
    assert any("4 more" in warning for warning in warnings)


def test_small_images_are_enlarged_with_a_warning(tmp_path: Path) -> None:
    Image.new("RGB", (1, 1), (255, 0, 0)).save(tmp_path / "dot.png")
    source = open_inputs(tmp_path, INPUTS, IMAGENET, 4, 0)
    assert any("1 of 1 images are smaller than the input (8x8)" in warning for warning in source.warnings)
    red = (1 - 0.485) / 0.229
    np.testing.assert_allclose(source.calibration[0]["image"][0, 0], np.full((8, 8), red), rtol=1e-5)


def test_folders_without_usable_images(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist"):
        open_inputs(tmp_path / "gone", INPUTS, None, 4, 0)
    with pytest.raises(InputError, match="is empty, expected JPEG or PNG images"):
        open_inputs(tmp_path, INPUTS, None, 4, 0)
    for name in ("a.txt", "b.txt"):
        (tmp_path / name).write_text("text", encoding="utf-8")
    with pytest.raises(InputError, match="found 2 files, none is a readable JPEG or PNG;"):
        open_inputs(tmp_path, INPUTS, None, 4, 0)
    (tmp_path / "c.png").write_text("text", encoding="utf-8")
    with pytest.raises(InputError, match=r"found 3 files.*first: c\.png \(not a JPEG or PNG\)"):
        open_inputs(tmp_path, INPUTS, None, 4, 0)


def test_a_link_back_into_the_folder_ends(tmp_path: Path) -> None:
    write_images(tmp_path, 3)
    (tmp_path / "depth0" / "loop").symlink_to(tmp_path, target_is_directory=True)
    source = open_inputs(tmp_path, INPUTS, None, 64, 0)
    assert len(source.calibration) + len(source.holdout) == 3


def test_an_image_that_vanishes_is_named(tmp_path: Path) -> None:
    source = open_inputs(write_images(tmp_path, 1), INPUTS, None, 1, 0)
    next(tmp_path.rglob("*.png")).unlink()
    with pytest.raises(InputError, match=r"000\.png could be read before and cannot be now"):
        source.calibration[0]


@pytest.mark.parametrize(
    ("name", "remedy"), [("photos.zip", "unpack it and pass the folder"), ("photo.jpg", "expected a folder")]
)
def test_other_files_are_refused(tmp_path: Path, name: str, remedy: str) -> None:
    (tmp_path / name).touch()
    with pytest.raises(InputError, match=remedy):
        open_inputs(tmp_path / name, INPUTS, None, 4, 0)


def test_grey_input_takes_grey_images(tmp_path: Path) -> None:
    source = open_inputs(write_images(tmp_path, 4), {"image": (1, 1, 8, 8)}, None, 3, 0, 1)
    assert source.calibration[0]["image"].shape == (1, 1, 8, 8)
    generated = open_inputs(None, {"image": (1, 1, 8, 8)}, IMAGENET, 3, 0, 1)
    assert generated.calibration[0]["image"].shape == (1, 1, 8, 8)


def test_generated_images_come_with_a_warning() -> None:
    source = open_inputs(None, INPUTS, IMAGENET, 5, 0, 2)
    assert (len(source.calibration), len(source.holdout)) == (5, 2)
    (warning,) = source.warnings
    assert "generated images" in warning and "--calibration DIR" in warning
    values = everything(source)
    assert len({value.tobytes() for value in values}) == 7
    assert -2.2 < min(value.min() for value in values) < max(value.max() for value in values) < 2.7
    assert source.fingerprint == open_inputs(None, INPUTS, IMAGENET, 5, 0, 2).fingerprint
    assert source.fingerprint != open_inputs(None, INPUTS, IMAGENET, 5, 1, 2).fingerprint


def test_other_inputs_without_data_get_random_numbers() -> None:
    inputs = {"x": (1, 16), "y": (1, 3, 4, 4)}
    source = open_inputs(None, inputs, None, 5, 0, 2)
    (warning,) = source.warnings
    assert "random numbers" in warning and "--calibration FILE.npz" in warning
    for _ in range(2):
        sample = source.calibration[1]
        assert {name: value.shape for name, value in sample.items()} == inputs
        np.testing.assert_array_equal(sample["x"], source.calibration[1]["x"])
    assert len({value.tobytes() for value in everything(source)}) == 14


def test_other_inputs_cannot_come_from_images(tmp_path: Path) -> None:
    with pytest.raises(
        InputError, match=r"takes x \(1, 16\), expected one input.*pass a \.npy or \.npz file"
    ):
        open_inputs(write_images(tmp_path, 2), {"x": (1, 16)}, None, 4, 0)


def test_numbers_of_samples_make_sense() -> None:
    with pytest.raises(InputError, match="samples 0"):
        open_inputs(None, INPUTS, None, 0, 0)
