from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mobiledeploy.base.errors import InputError
from mobiledeploy.bench.runner.tensors import (
    Interface,
    IoTensor,
    given_inputs,
    interface,
    noise_inputs,
    to_array,
)

IMAGE = IoTensor("image", (1, 4, 5, 3), np.dtype("<f4"))
FLAG = IoTensor("flag", (2,), np.dtype("?"))
NUMBERS = IoTensor("numbers", (1000,), np.dtype("<i2"))


def test_interface_has_the_graphs_order_and_the_signatures_names(odd_files: dict[str, Path]) -> None:
    found = interface(odd_files["many"])
    assert [tensor.name for tensor in found.inputs] == ["real", "small", "byte", "whole", "long", "flag"]
    types = [tensor.dtype.name for tensor in found.inputs]
    assert types == ["float32", "int8", "uint8", "int32", "int64", "bool"]
    assert [tensor.name for tensor in found.outputs][:2] == ["real_result", "small_result"]
    assert {tensor.shape for tensor in found.outputs} == {(1, 6)}


def test_interface_without_a_signature_has_the_tensors_names(linear_files: dict[str, Path]) -> None:
    found = interface(linear_files["int8"])
    (image,), (logits,) = found.inputs, found.outputs
    assert (image.name, image.shape, image.dtype.name) == ("image", (1, 4, 4, 3), "int8")
    assert (logits.name, logits.shape, logits.dtype.name) == ("logits", (1, 5), "int8")


def test_what_is_no_model_is_named(odd_files: dict[str, Path]) -> None:
    with pytest.raises(InputError, match=r"text.tflite: LiteRT cannot load it"):
        interface(odd_files["text"])


def test_noise_covers_the_range_and_repeats() -> None:
    found = Interface((IMAGE, NUMBERS, FLAG), ())
    image, numbers, flag = noise_inputs(found, seed=1)
    reals = to_array(IMAGE, image)
    assert reals.min() < -0.8
    assert reals.max() > 0.8
    assert abs(reals).max() <= 1
    whole = to_array(NUMBERS, numbers)
    assert whole.min() < -30000
    assert whole.max() > 30000
    assert set(flag) <= {0, 1}
    assert noise_inputs(found, seed=1) == (image, numbers, flag)
    assert noise_inputs(found, seed=2)[0] != image


def test_an_array_is_taken_as_it_is_or_nchw(tmp_path: Path) -> None:
    array = np.random.default_rng(0).standard_normal((1, 4, 5, 3), dtype=np.float32)
    np.save(tmp_path / "nhwc.npy", array)
    np.save(tmp_path / "nchw.npy", array.transpose(0, 3, 1, 2))
    np.savez(tmp_path / "named.npz", anything=array)
    for name in ("nhwc.npy", "nchw.npy", "named.npz"):
        assert given_inputs(Interface((IMAGE,), ()), tmp_path / name) == (array.tobytes(),)


def test_several_inputs_are_taken_by_name(tmp_path: Path) -> None:
    found = Interface((NUMBERS, FLAG), ())
    flag, numbers = np.array([True, False]), np.arange(1000, dtype=">i2")
    np.savez(tmp_path / "both.npz", flag=flag, numbers=numbers)
    assert given_inputs(found, tmp_path / "both.npz") == (numbers.astype("<i2").tobytes(), b"\1\0")
    np.savez(tmp_path / "one.npz", flag=flag)
    with pytest.raises(InputError, match=r"one.npz has no array numbers, .*with the names numbers, flag"):
        given_inputs(found, tmp_path / "one.npz")


def test_an_array_that_does_not_fit_is_refused(tmp_path: Path) -> None:
    found = Interface((IMAGE,), ())
    np.save(tmp_path / "type.npy", np.zeros(IMAGE.shape))
    np.save(tmp_path / "shape.npy", np.zeros((1, 5, 4, 3), np.float32))
    (tmp_path / "text.npy").write_text("text")
    expected = r"is float64 \(1, 4, 5, 3\), expected float32 \(1, 4, 5, 3\), or NCHW; convert it"
    with pytest.raises(InputError, match=expected):
        given_inputs(found, tmp_path / "type.npy")
    with pytest.raises(InputError, match=r"the array for image is float32 .*expected float32 \(1, 4, 5, 3\)"):
        given_inputs(found, tmp_path / "shape.npy")
    for name in ("text.npy", "none.npy"):
        with pytest.raises(InputError, match=rf"{name} cannot be read .*expected a .npy or .npz file"):
            given_inputs(found, tmp_path / name)
