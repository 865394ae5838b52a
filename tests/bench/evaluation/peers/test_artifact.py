from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from mobiledeploy.base.errors import InputError
from mobiledeploy.bench.evaluation.peers.artifact import Artifact


def test_artifact_runs_channels_first_images(
    linear_files: dict[str, Path], linear_weight: NDArray[np.int8]
) -> None:
    image = np.random.default_rng(1).uniform(-1, 1, (1, 3, 4, 4)).astype(np.float32)
    expected = image.transpose(0, 2, 3, 1).reshape(1, -1) @ (0.01 * linear_weight.T.astype(np.float32))
    fp32, int8 = (Artifact(linear_files[kind]) for kind in ("fp32", "int8"))
    np.testing.assert_allclose(fp32(image), expected, atol=1e-5)
    np.testing.assert_allclose(int8(image), expected, atol=0.12)  # 1.5 steps of the output
    assert fp32.partitions == int8.partitions == 1


def test_artifact_names_the_file_that_an_image_does_not_fit(linear_files: dict[str, Path]) -> None:
    with pytest.raises(InputError, match=r"input \(1, 3, 5, 5\) for .*linear_fp32.*expected \(1, 3, 4, 4\)"):
        Artifact(linear_files["fp32"])(np.zeros((1, 3, 5, 5), np.float32))
