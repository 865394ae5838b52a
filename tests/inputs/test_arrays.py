"""Arrays as inputs: which files and layouts are taken, and what is refused in which words."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from mobiledeploy.base.errors import InputError
from mobiledeploy.inputs.images import preprocess
from mobiledeploy.inputs.open_inputs import open_inputs
from mobiledeploy.inputs.preprocessing import Preprocessing
from mobiledeploy.inputs.samples import InputSource

INPUTS = {"image": (1, 3, 8, 8)}
IMAGENET = Preprocessing(9, "bilinear", (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


def everything(source: InputSource) -> list[NDArray[np.float32]]:
    return [value for part in (source.calibration, source.holdout) for s in part for value in s.values()]


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
def test_arrays_are_taken_as_they_are(tmp_path: Path, layout: str, dtype: type) -> None:
    planar: NDArray[Any] = np.random.default_rng(0).standard_normal((6, 3, 8, 8)).astype(dtype)
    np.save(tmp_path / "x.npy", planar if layout == "NCHW" else planar.transpose(0, 2, 3, 1))
    source = open_inputs(tmp_path / "x.npy", INPUTS, IMAGENET, 4, 0, 2)
    values = everything(source)
    assert {value.shape for value in values} == {(1, 3, 8, 8)}
    assert {value.dtype for value in values} == {np.dtype(np.float32)}
    assert {value.tobytes() for value in values} == {row.astype(np.float32).tobytes() for row in planar}


def test_pixels_are_preprocessed_like_images(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (2, 12, 10, 3), np.uint8)
    np.save(tmp_path / "x.npy", pixels)
    source = open_inputs(tmp_path / "x.npy", INPUTS, IMAGENET, 1, 0, 1)
    expected = {preprocess(Image.fromarray(row), (8, 8), IMAGENET).tobytes() for row in pixels}
    assert {value.tobytes() for value in everything(source)} == expected
    assert "mean 0.485" in source.description
    np.save(tmp_path / "grey.npy", pixels[..., :1])
    grey = open_inputs(tmp_path / "grey.npy", {"image": (1, 1, 8, 8)}, None, 1, 0, 1)
    assert grey.calibration[0]["image"].shape == (1, 1, 8, 8)


def test_npz_by_input_name(tmp_path: Path) -> None:
    x, y = np.arange(8, dtype=np.float32).reshape(4, 2), np.arange(4, dtype=np.float32).reshape(4, 1)
    np.savez(tmp_path / "x.npz", x=x, y=y, labels=np.array(["a"]))
    source = open_inputs(tmp_path / "x.npz", {"x": (1, 2), "y": (1, 1)}, None, 3, 0, 1)
    for sample in (*source.calibration, *source.holdout):
        assert sample["x"][0, 0] == 2 * sample["y"][0, 0]


def test_npz_with_a_single_array_of_any_name(tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "x.npz", np.zeros((2, 3, 8, 8), np.float32))
    assert len(open_inputs(tmp_path / "x.npz", INPUTS, None, 1, 0, 1).calibration) == 1


ZEROS = np.zeros((2, 3, 8, 8), np.float32)


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (
            np.zeros((2, 3, 9, 8), np.float32),
            r"float32 \(2, 3, 9, 8\), expected float \(N, 3, 8, 8\) or \(N, 8, 8, 3\)",
        ),
        (np.zeros((3, 8, 8), np.float32), r"float32 \(3, 8, 8\), expected float"),
        (np.zeros((2, 3, 8, 8), np.int64), "int64 .* expected float .* or pixels as uint8"),
        (np.zeros((2, 3, 8, 8), np.uint8), r"uint8 .* expected float .* or pixels as uint8 \(N, H, W, 3\)"),
        (np.zeros((0, 3, 8, 8), np.float32), "first axis of samples"),
        (np.float32(1), "first axis of samples"),
        (np.full_like(ZEROS, np.nan), "sample [01] has NaN or infinity"),
        (np.full(ZEROS.shape, 1e300), "sample [01] has NaN or infinity"),
        (np.array([{"a": 1}, None]), "cannot be read .* expected numeric arrays"),
    ],
)
@pytest.mark.parametrize("suffix", [".npy", ".npz"])
def test_arrays_that_do_not_fit(tmp_path: Path, array: NDArray[Any], message: str, suffix: str) -> None:
    path = tmp_path / f"x{suffix}"
    np.save(path, array) if suffix == ".npy" else np.savez(path, array)
    with pytest.raises(InputError, match=message):
        open_inputs(path, INPUTS, None, 4, 0)


def test_npz_that_does_not_fit_the_inputs(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", a=np.zeros((2, 4)), b=np.zeros((3, 4)))
    with pytest.raises(InputError, match=r"has a, b, expected a \.npz with arrays named image"):
        open_inputs(tmp_path / "x.npz", INPUTS, None, 4, 0)
    with pytest.raises(InputError, match=r"a \(2, 4\), b \(3, 4\), expected .* as many for every input"):
        open_inputs(tmp_path / "x.npz", {"a": (1, 4), "b": (1, 4)}, None, 4, 0)
    np.save(tmp_path / "x.npy", np.zeros((2, 4)))
    with pytest.raises(InputError, match=r"one unnamed array, expected a \.npz with arrays named a, b"):
        open_inputs(tmp_path / "x.npy", {"a": (1, 4), "b": (1, 4)}, None, 4, 0)
    with pytest.raises(InputError, match="expected a model of batch 1"):
        open_inputs(tmp_path / "x.npy", {"a": (2, 4)}, None, 4, 0)


@pytest.mark.parametrize("content", [b"", b"text", b"PK\x03\x04 cut off", b"\x93NUMPY\x01\x00v\x00{'descr'"])
@pytest.mark.parametrize("suffix", [".npy", ".npz"])
def test_damaged_array_files(tmp_path: Path, content: bytes, suffix: str) -> None:
    (tmp_path / f"x{suffix}").write_bytes(content)
    with pytest.raises(InputError, match="cannot be read"):
        open_inputs(tmp_path / f"x{suffix}", INPUTS, None, 4, 0)
