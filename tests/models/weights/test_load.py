from __future__ import annotations

import os
import pickle
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from mobiledeploy.base.errors import WeightsError
from mobiledeploy.models import registry
from mobiledeploy.models.weights.load import apply_state_dict, head_classes, load_state_dict


class Touch:
    """Creates a folder when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return os.mkdir, (str(self.path),)


def small_network() -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(4, 2))


STATE: dict[str, Tensor] = small_network().state_dict()


def saved(tmp_path: Path, content: object) -> Path:
    path = tmp_path / "weights.pt"
    torch.save(content, path)
    return path


def equal(got: dict[str, Tensor], want: dict[str, Tensor]) -> bool:
    return got.keys() == want.keys() and all(torch.equal(got[key], want[key]) for key in want)


@pytest.mark.parametrize(
    "content",
    [
        STATE,
        {"state_dict": STATE, "epoch": 3, "best": torch.tensor(0.7)},
        {"model": STATE, "model_ema": {key: value + 1 for key, value in STATE.items()}},
        {"model_state_dict": STATE},
        {"ema": STATE},
        {f"module.{key}": value for key, value in STATE.items()},
        {"model": {f"module._orig_mod.{key}": value for key, value in STATE.items()}},
        {"n_averaged": torch.tensor(9), **{f"module.{key}": value for key, value in STATE.items()}},
    ],
    ids=["plain", "state_dict", "model", "model_state_dict", "ema", "parallel", "compiled", "averaged"],
)
def test_a_state_dict_is_found_in_what_training_scripts_save(tmp_path: Path, content: object) -> None:
    assert equal(load_state_dict(saved(tmp_path, content)), STATE)


def test_the_format_before_torch_1_6_loads(tmp_path: Path) -> None:
    path = tmp_path / "weights.pt"
    torch.save(STATE, path, _use_new_zipfile_serialization=False)
    assert equal(load_state_dict(path), STATE)


def one_clear_error(path: Path, match: str) -> None:
    with pytest.raises(WeightsError, match=match) as raised:
        load_state_dict(path)
    message = str(raised.value)
    assert str(path) in message and "\n" not in message and "Traceback" not in message


def test_a_missing_file(tmp_path: Path) -> None:
    one_clear_error(tmp_path / "weights.pt", "does not exist")


def test_a_folder(tmp_path: Path) -> None:
    one_clear_error(tmp_path, "is a folder")


def test_an_empty_file(tmp_path: Path) -> None:
    (tmp_path / "weights.pt").touch()
    one_clear_error(tmp_path / "weights.pt", "is empty")


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("kept", [0.02, 0.5, 0.98])
def test_a_truncated_file(tmp_path: Path, zipped: bool, kept: float) -> None:
    path = tmp_path / "weights.pt"
    torch.save(STATE, path, _use_new_zipfile_serialization=zipped)
    content = path.read_bytes()
    path.write_bytes(content[: int(kept * len(content))])
    one_clear_error(path, "is damaged")


@pytest.mark.parametrize(
    "content", [b"once upon a time\n", b"\x89PNG\r\n\x1a\n" + bytes(64), b"{}", bytes(999)]
)
def test_a_file_of_another_kind(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "weights.pt"
    path.write_bytes(content)
    one_clear_error(path, r"is of another kind.*torch\.save")


def test_a_pickle_with_code_is_refused_and_not_run(tmp_path: Path) -> None:
    path = tmp_path / "weights.pt"
    torch.save({"weight": Touch(tmp_path / "ran")}, path)
    one_clear_error(path, rf"holds code \({os.name}\.mkdir\), which was not run.*model\.state_dict\(\)")
    path.write_bytes(pickle.dumps({"weight": Touch(tmp_path / "ran")}))
    one_clear_error(path, r"a pickle that torch\.save did not write.*model\.state_dict\(\)")
    assert not (tmp_path / "ran").exists()


def test_a_whole_module_is_refused_as_code(tmp_path: Path) -> None:
    one_clear_error(saved(tmp_path, nn.Linear(1, 1)), r"holds code \(torch\.nn\.modules\.linear\.Linear\)")


@pytest.mark.parametrize(
    "content", [{}, {"epoch": 3}, [torch.ones(1)], torch.ones(1), 5, {"model": {}}, {0: torch.ones(1)}]
)
def test_a_checkpoint_without_named_tensors(tmp_path: Path, content: object) -> None:
    one_clear_error(saved(tmp_path, content), "no tensors by name")


def test_apply_copies_everything() -> None:
    network = small_network()
    state = {key: value + 1 for key, value in STATE.items()}
    apply_state_dict(network, state, "weights.pt")
    assert equal(network.state_dict(), state)


def test_apply_does_without_step_counts() -> None:
    state = {key: value for key, value in STATE.items() if not key.endswith("num_batches_tracked")}
    assert len(state) < len(STATE)
    apply_state_dict(small_network(), state, "weights.pt")


def test_apply_lists_mismatches_by_key_and_changes_nothing() -> None:
    network = small_network()
    state = {key: value + 1 for key, value in STATE.items()}
    state["3.weight"] = torch.zeros(5, 4)
    state["extra.weight"] = state.pop("0.bias")
    with pytest.raises(WeightsError) as raised:
        apply_state_dict(network, state, "weights.pt")
    assert str(raised.value).splitlines() == [
        "weights weights.pt have 7 of the 9 tensors of Sequential, expected all of them and no others; "
        "name the network that they were trained for, with its num_classes and width_mult",
        "  1 missing: 0.bias",
        "  1 not in the network: extra.weight",
        "  1 of another shape: 3.weight [5, 4] for [2, 4]",
    ]
    assert equal(network.state_dict(), STATE)


def test_apply_of_another_networks_weights_stays_readable() -> None:
    state = registry.create("mobilenetv2", {"width_mult": 0.35}).state_dict()
    with pytest.raises(WeightsError, match="of the 244 tensors of MobileNetV3") as raised:
        apply_state_dict(registry.create("mobilenetv3_small"), state, "weights.pt")
    lines = str(raised.value).splitlines()
    assert len(lines) <= 4
    assert all(line.count(", ") < 20 for line in lines) and "more" in lines[1]


@pytest.mark.parametrize("name", registry.specs())
def test_classes_of_a_head_are_found_and_fit(name: str) -> None:
    spec = registry.resolve(name)
    state = registry.create(name, {"num_classes": 10}).state_dict()
    classes = head_classes(spec, state)
    assert classes == 10
    apply_state_dict(registry.create(name, {"num_classes": classes}), state, "weights.pt")


def test_a_state_dict_without_the_head_has_no_classes() -> None:
    assert head_classes(registry.resolve("mobilenetv2"), STATE) is None
