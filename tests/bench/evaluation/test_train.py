from __future__ import annotations

from pathlib import Path

import pytest
import torch

from mobiledeploy.base.errors import InputError
from mobiledeploy.bench.evaluation.__main__ import main
from mobiledeploy.bench.evaluation.images import read_image_classes
from mobiledeploy.bench.evaluation.train import Recipe, accuracy, train
from mobiledeploy.models.registry import create

NETWORK, OPTIONS = "mobilenetv2", {"width_mult": 0.1}


def test_the_weights_that_it_writes_are_those_that_it_measured(
    archive: Path, validation: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "new" / "net.pt"
    arguments = ["train", NETWORK, "--option", "width_mult=0.1", "--data", str(archive), "--validation"]
    arguments += [str(validation), "--out", str(out), "--epochs", "1", "--size", "32", "--batch", "12"]
    assert main(arguments) == 0
    assert not list(out.parent.glob("*.part"))
    network = create(NETWORK, {"num_classes": 3, **OPTIONS})
    network.load_state_dict(torch.load(out, weights_only=True))
    top1 = accuracy(network, read_image_classes(validation, 32), 32)
    assert f"validation top-1 {100 * top1:.2f} %" in capsys.readouterr().out


def test_one_seed_gives_one_network(data: Path, validation: Path, tmp_path: Path) -> None:
    recipe = Recipe(epochs=1, size=32, small_size=32, batch=12)
    images, measured = (read_image_classes(path, 32) for path in (data, validation))
    for name in ("one.pt", "other.pt"):
        train(NETWORK, OPTIONS, images, measured, recipe, tmp_path / name)
    one, other = (torch.load(tmp_path / name, weights_only=True) for name in ("one.pt", "other.pt"))
    assert all(torch.equal(value, other[key]) for key, value in one.items())
    first = create(NETWORK, {"num_classes": 3, **OPTIONS}).state_dict()
    assert not torch.equal(one["classifier.1.weight"], first["classifier.1.weight"])


def test_fewer_images_than_a_batch_are_refused(data: Path, validation: Path, tmp_path: Path) -> None:
    images, measured = (read_image_classes(path, 32) for path in (data, validation))
    with pytest.raises(InputError, match=r"36 training images, expected at least the 128 of a batch"):
        train(NETWORK, OPTIONS, images, measured, Recipe(), tmp_path / "net.pt")


def test_other_classes_to_measure_on_are_refused(data: Path, validation: Path, tmp_path: Path) -> None:
    (validation / "red").rename(validation / "rouge")
    images, measured = (read_image_classes(path, 32) for path in (data, validation))
    with pytest.raises(InputError, match="expected the same; give both folders the same names"):
        train(NETWORK, OPTIONS, images, measured, Recipe(batch=4), tmp_path / "net.pt")
