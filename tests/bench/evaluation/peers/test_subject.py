from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from mobiledeploy.base.errors import InputError
from mobiledeploy.bench.evaluation.peers.subject import Subject, evaluation_inputs, prepare
from mobiledeploy.models.registry import create
from mobiledeploy.sources.source import ModelOptions

SIZE = 32
OPTIONS = ModelOptions(weights="random", size=(SIZE, SIZE))


@pytest.fixture(scope="module")
def seeded(tmp_path_factory: pytest.TempPathFactory) -> Subject:
    return prepare("mobilenet_v3_small", OPTIONS, tmp_path_factory.mktemp("seeded"), samples=3)


def test_inputs_are_in_a_file_and_split_for_both_sides(seeded: Subject) -> None:
    stored = np.load(seeded.inputs)["arr_0"]
    assert stored.shape == (3 + 16, 3, SIZE, SIZE)
    used = [*seeded.calibration, *(sample[seeded.input_name] for sample in seeded.source.held_back)]
    assert len(seeded.calibration) == 3 and len(used) == 19
    assert sorted(image.tobytes() for image in used) == sorted(image[None].tobytes() for image in stored)


def test_the_same_settings_give_the_same_subject(seeded: Subject, tmp_path: Path) -> None:
    again = prepare("mobilenetv3_small", OPTIONS, tmp_path, samples=3)
    assert again.source.fingerprint() == seeded.source.fingerprint()
    assert again.weights_sha256 == seeded.weights_sha256
    image = seeded.calibration[0]
    np.testing.assert_array_equal(again(image), seeded(image))


def test_a_trained_head_and_the_whole_image_are_taken_over(tmp_path: Path) -> None:
    torch.save(create("mobilenetv3_small", {"num_classes": 7}).state_dict(), tmp_path / "net.pt")
    options = ModelOptions(weights=str(tmp_path / "net.pt"), size=(SIZE, SIZE))
    found = prepare("mobilenetv3_small", options, tmp_path, samples=1, crop=False)
    assert found(found.calibration[0]).shape == (1, 7)
    assert found.preprocessing is not None and found.preprocessing.resize is None


def test_evaluation_takes_labels_then_images_then_what_was_held_back(seeded: Subject, tmp_path: Path) -> None:
    held_back = list(evaluation_inputs(seeded))
    assert len(held_back) == 16 and all(label is None for _, label in held_back)

    for name in ("3", "5"):
        (tmp_path / name).mkdir()
        Image.new("RGB", (40, 40), (10, 20, 30)).save(tmp_path / name / "picture.png")
    assert [label for _, label in evaluation_inputs(seeded, evaluation=tmp_path)] == [None, None]
    labelled = list(evaluation_inputs(seeded, validation=tmp_path, evaluation=tmp_path))
    assert [label for _, label in labelled] == [3, 5]
    assert labelled[0][0].shape == (1, 3, SIZE, SIZE)


def test_an_unknown_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="mobilenet_v9"):
        prepare("mobilenet_v9", OPTIONS, tmp_path / "out")
    assert not (tmp_path / "out").exists()
