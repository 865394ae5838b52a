"""Labelled images: where the class comes from, what is refused, what is left out."""

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


def levels_and_labels(images: LabelledImages) -> list[tuple[int, int]]:
    return [(round(float(sample["image"].max()) * 255), label) for sample, label in images]


def test_class_folders_in_order_of_name(tmp_path: Path) -> None:
    write_images(
        tmp_path, "n02/a.png", "n01/deep/b.PNG", "n01/a.jpg", "n03/c.jpeg", "beside.png", ".git/x.png"
    )
    images = LabelledImages(tmp_path, INPUTS, None, classes=3)
    assert levels_and_labels(images) == [(20, 0), (10, 0), (0, 1), (30, 2)]
    assert levels_and_labels(images) == [(20, 0), (10, 0), (0, 1), (30, 2)]
    assert len(images) == 4
    assert images.warnings == []


def test_an_empty_class_folder_keeps_its_number(tmp_path: Path) -> None:
    write_images(tmp_path, "c/a.png")
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    assert [label for _, label in LabelledImages(tmp_path, INPUTS, None, classes=3)] == [2]


def test_folders_of_numbers(tmp_path: Path) -> None:
    write_images(tmp_path, "2/a.png", "10/b.png", "007/c.png")
    images = LabelledImages(tmp_path, INPUTS, None, classes=1000)
    assert sorted(levels_and_labels(images)) == [(0, 2), (10, 10), (20, 7)]


def test_a_subset_by_name_is_refused(tmp_path: Path) -> None:
    write_images(tmp_path, "cat/a.png", "dog/b.png")
    with pytest.raises(InputError, match=r"2 class folders, expected 1000.*class number or.*labels\.txt"):
        LabelledImages(tmp_path, INPUTS, None, classes=1000)


def test_a_class_beyond_the_network_is_refused(tmp_path: Path) -> None:
    write_images(tmp_path, "1/a.png", "10/b.png")
    with pytest.raises(InputError, match=r"10/b\.png has class 10, expected 0 to 9"):
        LabelledImages(tmp_path, INPUTS, None, classes=10)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("labels.txt", "sub/my cat.png 3\n\nother.png\t0\n"),
        ("labels.csv", 'path,label\n"sub/my cat.png",3\nother.png, 0\n'),
        ("labels.csv", "sub/my cat.png,3\r\nother.png,0"),
    ],
)
def test_list(tmp_path: Path, name: str, text: str) -> None:
    write_images(tmp_path, "other.png", "sub/my cat.png")
    (tmp_path / name).write_text(text, encoding="utf-8")
    assert levels_and_labels(LabelledImages(tmp_path, INPUTS, None, classes=4)) == [(10, 3), (0, 0)]


@pytest.mark.parametrize("line", ["a.png", "a.png cat", "a.png -1"])
def test_a_bad_line_is_named(tmp_path: Path, line: str) -> None:
    (tmp_path / "labels.txt").write_text(f"b.png 0\n{line}\n", encoding="utf-8")
    with pytest.raises(InputError, match=f'line 2 is "{line}", expected a path and a class number'):
        LabelledImages(tmp_path, INPUTS, None, classes=4)


def test_broken_and_missing_images_are_left_out_and_named_once(tmp_path: Path) -> None:
    write_images(tmp_path, "good.png")
    (tmp_path / "bad.png").write_bytes(b"no image")
    (tmp_path / "labels.txt").write_text("bad.png 1\ngone.png 2\ngood.png 3\n", encoding="utf-8")
    images = LabelledImages(tmp_path, INPUTS, None, classes=4)
    for _ in range(2):
        assert levels_and_labels(images) == [(0, 3)]
    bad, gone = images.warnings
    assert "bad.png (not a JPEG or PNG)" in bad
    assert "gone.png" in gone


def test_no_readable_image_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "labels.txt").write_text("gone.png 2\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"none of 1 images can be read \(first: gone.png"):
        list(LabelledImages(tmp_path, INPUTS, None, classes=4))


def test_limit_is_a_seeded_choice(tmp_path: Path) -> None:
    write_images(tmp_path, *(f"{label}/{number}.png" for label in range(4) for number in range(5)))
    first, again, other = (
        levels_and_labels(LabelledImages(tmp_path, INPUTS, None, classes=4, limit=6, seed=seed))
        for seed in (0, 0, 1)
    )
    assert len(first) == 6
    assert first == again != other
    with pytest.raises(InputError, match="limit 0"):
        LabelledImages(tmp_path, INPUTS, None, classes=4, limit=0)


def test_folders_that_are_no_validation_set(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="not a folder"):
        LabelledImages(tmp_path / "gone", INPUTS, None, classes=4)
    with pytest.raises(InputError, match=r"has no folders, expected one for each class or a labels\.txt"):
        LabelledImages(write_images(tmp_path, "a.png"), INPUTS, None, classes=4)
    (tmp_path / "0").mkdir()
    with pytest.raises(InputError, match="has no images"):
        LabelledImages(tmp_path, INPUTS, None, classes=4)
    (tmp_path / "labels.txt").touch()
    (tmp_path / "labels.csv").touch()
    with pytest.raises(InputError, match="remove the other"):
        LabelledImages(tmp_path, INPUTS, None, classes=4)


def test_a_model_without_image_input_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"needs one input \(1, 3, H, W\)"):
        LabelledImages(tmp_path, {"x": (1, 128)}, None, classes=4)


def test_grey_input(tmp_path: Path) -> None:
    write_images(tmp_path, "0/a.png")
    ((sample, _),) = LabelledImages(tmp_path, {"image": (1, 1, 8, 8)}, None, classes=1)
    assert sample["image"].shape == (1, 1, 8, 8)
    assert sample["image"].dtype == np.float32


def test_a_part_to_choose_by_and_the_others_to_measure_on(tmp_path: Path) -> None:
    names = [f"{label}/{number}.png" for label in "01" for number in range(5)]
    images = LabelledImages(write_images(tmp_path, *names), INPUTS, None, classes=2)
    for most, count in ((100, 5), (3, 3), (1, 1)):
        part, others = images.parted(most)
        assert (len(part), len(others)) == (count, 10 - count)
        read = [sample["image"].tobytes() for half in (part, others) for sample, _ in half]
        assert len(read) == 10
    labels = [label for _, label in images.parted(100)[0]]
    assert set(labels) == {0, 1}  # from all of the list, not from its beginning
    assert len(images) == 10
