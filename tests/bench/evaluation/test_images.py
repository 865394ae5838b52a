from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mobiledeploy.base.errors import InputError
from mobiledeploy.bench.evaluation.images import prepared, read_image_classes


def test_a_zip_file_holds_the_same_images_as_its_folder(data: Path, archive: Path) -> None:
    from_folder, from_zip = read_image_classes(data, 32), read_image_classes(archive, 32)
    assert from_zip.names == from_folder.names == ["blue", "green", "red"]
    np.testing.assert_array_equal(from_zip.pixels, from_folder.pixels)
    np.testing.assert_array_equal(from_zip.labels, np.repeat([0, 1, 2], 12))
    assert from_zip.pixels.shape == (36, 8, 8, 3)  # not enlarged: that comes when they are used


def test_drawn_images_keep_their_labels(data: Path) -> None:
    every, some = read_image_classes(data, 32), read_image_classes(data, 32, limit=10, seed=3)
    assert len(some) == 10
    assert some.names == every.names
    for pixels, label in zip(some.pixels, some.labels, strict=True):
        (place,) = np.flatnonzero((every.pixels == pixels).all(axis=(1, 2, 3)))
        assert every.labels[place] == label
    again = read_image_classes(data, 32, limit=10, seed=3)
    np.testing.assert_array_equal(again.pixels, some.pixels)
    assert not np.array_equal(read_image_classes(data, 32, limit=10, seed=4).pixels, some.pixels)


def test_prepared_images_have_imagenets_mean_and_std() -> None:
    grey = np.full((8, 8, 3), 255, np.uint8)
    image = prepared(grey, 16)
    assert image.shape == (1, 3, 16, 16)
    np.testing.assert_allclose(
        image[0, :, 5, 5], [(1 - 0.485) / 0.229, (1 - 0.456) / 0.224, (1 - 0.406) / 0.225]
    )


def test_a_single_class_is_none(tmp_path: Path, data: Path) -> None:
    alone = tmp_path / "alone"
    alone.mkdir()
    (data / "red").rename(alone / "red")
    with pytest.raises(InputError, match=r"images of 1 classes, expected 2 or more; give it a folder"):
        read_image_classes(alone, 32)


@pytest.mark.parametrize("name", ["red/broken.png", "red/0.png"])
def test_a_broken_image_is_named(data: Path, name: str) -> None:
    (data / name).write_bytes(b"no image")
    with pytest.raises(InputError, match=rf"{name} cannot be read .*expected a JPEG or PNG"):
        read_image_classes(data, 32)


def test_a_file_that_is_no_zip_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "images.zip"
    file.write_bytes(b"none")
    with pytest.raises(InputError, match="expected a folder or a zip file with a folder for each class"):
        read_image_classes(file, 32)
