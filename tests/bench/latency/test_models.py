"""What models are called, and what they are fed."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from mobiledeploy.base.errors import InputError
from mobiledeploy.bench.latency.models import models_of


def test_names_are_as_short_as_they_can_be(linear_files: dict[str, Path], tmp_path: Path) -> None:
    ours, theirs, other = (
        tmp_path / name for name in ("a/ours/net.tflite", "a/theirs/net.tflite", "b/net_2.tflite")
    )
    for path in (ours, theirs, other):
        path.parent.mkdir(parents=True)
        shutil.copy(linear_files["fp32"], path)
    assert [model.name for model in models_of([ours, theirs, other, ours])] == [
        "ours/net",
        "theirs/net",
        "net_2",
        "ours/net (2)",
    ]


def test_files_get_noise_of_the_seed_or_what_is_given(linear_files: dict[str, Path], tmp_path: Path) -> None:
    (first,), (again,), (other) = (models_of([linear_files["int8"]], seed=seed) for seed in (0, 0, 1))
    assert first.inputs == again.inputs != other[0].inputs
    assert [len(content) for content in first.inputs] == [4 * 4 * 3]
    image = np.zeros((1, 4, 4, 3), np.float32)
    np.save(tmp_path / "image.npy", image)
    (given,) = models_of([linear_files["fp32"]], tmp_path / "image.npy")
    assert given.inputs == (image.tobytes(),)


def test_a_file_that_is_no_model_is_named(tmp_path: Path) -> None:
    (tmp_path / "bad.tflite").write_text("no model")
    for name in ("bad.tflite", "absent.tflite"):
        with pytest.raises(InputError, match=name):
            models_of([tmp_path / name])
