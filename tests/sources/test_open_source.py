from __future__ import annotations

from pathlib import Path

import onnx
import pytest
import torch
from torch import nn

from mobiledeploy.base.errors import InputError, WeightsError
from mobiledeploy.models.blocks import Classifier, SameConv2d
from mobiledeploy.models.facts import TF
from mobiledeploy.models.registry import create
from mobiledeploy.models.spec import Conventions
from mobiledeploy.models.weights.timm_names import timm_names
from mobiledeploy.sources.open_source import open_source
from mobiledeploy.sources.source import ModelOptions, Source

NETWORKS = Path(__file__).parents[1] / "tiny_networks.py"
NOWHERE = "http://127.0.0.1:9"  # the discard port: nobody answers


@pytest.fixture
def timm_file(tmp_path: Path) -> Path:
    """MobileNetV3-Small at 0.35, 7 classes, in timm's layout."""
    network = create("mobilenetv3_small", {"num_classes": 7, "width_mult": 0.35})
    assert isinstance(network, Classifier)
    own = network.state_dict()
    torch.save({theirs: own[ours] for ours, theirs in timm_names(network).items()}, tmp_path / "theirs.pt")
    return tmp_path / "theirs.pt"


@pytest.fixture(autouse=True)
def no_caches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "hub"))


def small(weights: str | None = "random", seed: int = 0) -> Source:
    options = ModelOptions(weights=weights, seed=seed, size=(32, 32), width_mult=0.35, num_classes=5)
    return open_source("mobilenet-v3-small", options)


def test_a_registry_network_takes_size_width_and_classes() -> None:
    source = small()
    assert source.name == "mobilenetv3_small"
    assert source.inputs == {"image": (1, 3, 32, 32)}
    assert source.preprocessing is not None and source.preprocessing.resize == 37  # 256 * 32 / 224
    assert source.facts["width_mult"] == 0.35
    assert source.module is not None and not source.module.training
    assert source.module(torch.zeros(1, 3, 32, 32)).shape == (1, 5)
    assert not source.warnings


def test_initial_weights_are_made_from_the_seed_alone() -> None:
    first = small().weights
    torch.manual_seed(99)
    assert small().weights == first
    assert small(seed=1).weights.sha256 != first.sha256
    assert first.kind == "random" and "seed 0" in first.description


def test_without_official_weights_the_initial_ones_come_with_a_warning() -> None:
    (warning,) = small(weights=None).warnings
    assert warning.startswith("initial weights (seed 0), as mobilenetv3_small has no official weights for")
    assert "num_classes 5 and width_mult 0.35" in warning
    assert "--weights FILE" in warning


def test_when_the_host_is_silent_the_initial_ones_come_with_a_short_warning() -> None:
    options = ModelOptions(size=(32, 32), weights_host=NOWHERE)
    source = open_source("mobilenetv3_small", options)
    (warning,) = source.warnings
    assert source.weights.kind == "random"
    assert f"{NOWHERE}/models/mobilenet_v3_small" in warning and "Connection refused" in warning
    assert len(warning) < 250


def test_imagenet_weights_that_were_asked_for_are_no_matter_of_luck() -> None:
    with pytest.raises(WeightsError, match="cannot be had"):
        open_source("mobilenetv3_small", ModelOptions(weights="imagenet", weights_host=NOWHERE))


def test_the_head_of_a_weights_file_decides_the_classes(tmp_path: Path) -> None:
    network = create("mobilenetv3_small", {"num_classes": 7, "width_mult": 0.35})
    torch.save(network.state_dict(), tmp_path / "w.pt")
    options = ModelOptions(weights=str(tmp_path / "w.pt"), width_mult=0.35, size=(32, 32))
    source = open_source("mobilenetv3_small", options)
    assert source.module is not None
    assert source.module(torch.zeros(1, 3, 32, 32)).shape == (1, 7)
    assert source.weights.kind == "file" and source.weights.description == "w.pt"


def test_a_file_of_unsure_origin_is_read_as_the_first_entry_with_a_warning(timm_file: Path) -> None:
    options = ModelOptions(weights=str(timm_file), width_mult=0.35, size=(32, 32))
    source = open_source("mobilenetv3_small", options)
    assert source.module is not None
    assert source.module(torch.zeros(1, 3, 32, 32)).shape == (1, 7)
    assert (source.weights.entry, source.weights.conventions) == ("lamb_in1k", Conventions())
    (warning,) = source.warnings
    assert (
        "theirs.pt is taken to be trained as lamb_in1k (padding symmetric, batch norm eps 1e-05)" in warning
    )
    assert "tf_in1k" in warning and "--weights-as" in warning


def test_weights_as_settles_conventions_and_preprocessing(timm_file: Path) -> None:
    options = ModelOptions(weights=str(timm_file), weights_as="tf_in1k", width_mult=0.35, size=(32, 32))
    source = open_source("mobilenetv3_small", options)
    assert (source.weights.entry, source.weights.conventions) == ("tf_in1k", TF)
    assert source.preprocessing is not None and source.preprocessing.mean == (0.5, 0.5, 0.5)
    assert source.module is not None
    stem = next(module for module in source.module.modules() if isinstance(module, nn.Conv2d))
    assert isinstance(stem, SameConv2d)
    assert not source.warnings


def test_weights_as_of_initial_weights_gives_their_conventions_and_width() -> None:
    options = ModelOptions(weights="random", weights_as="tf_in1k_075", size=(32, 32))
    source = open_source("mobilenetv3_small", options)
    assert source.weights.conventions == TF
    assert source.facts["width_mult"] == 0.75 and source.facts["parameters"] == 2_041_872


def test_a_named_entry_is_downloaded_for_its_width() -> None:
    options = ModelOptions(weights="lamb_in1k_075", weights_host=NOWHERE)
    with pytest.raises(
        WeightsError, match=r"download/v0\.1-weights/mobilenetv3_small_075_lambc-384766db\.pth"
    ):
        open_source("mobilenetv3_small", options)


def test_a_named_entry_in_the_cache_is_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    network = create("mobilenetv3_small", {"width_mult": 0.75})
    assert isinstance(network, Classifier)
    own = network.state_dict()
    file = tmp_path / "cached.pth"
    torch.save({theirs: own[ours] for ours, theirs in timm_names(network).items()}, file)
    monkeypatch.setattr("mobiledeploy.sources.registry_source.fetch", lambda entry, **_: file)
    options = ModelOptions(weights="tf_in1k_075", size=(32, 32))
    source = open_source("mobilenetv3_small", options)
    assert (source.weights.kind, source.weights.entry, source.weights.conventions) == (
        "imagenet",
        "tf_in1k_075",
        TF,
    )
    assert source.facts["width_mult"] == 0.75
    assert source.module is not None
    assert all(torch.equal(value, own[key]) for key, value in source.module.state_dict().items())


def test_other_options_reach_the_network_and_the_report() -> None:
    options = ModelOptions(weights="random", size=(32, 32), options={"partition": "exponential"})
    source = open_source("mixnet_s", options)
    assert source.facts["partition"] == "exponential"
    assert source.module is not None
    assert len(source.module.state_dict()["features.4.block.1.0.2.weight"]) == 36


def test_a_users_factory_gets_its_options_and_a_seed() -> None:
    text = f"{NETWORKS}:squeeze_excite"
    source = open_source(text, ModelOptions(num_classes=3))
    assert source.name == "squeeze_excite"
    assert source.inputs == {"image": (1, 3, 32, 32)}
    assert source.preprocessing is not None and source.preprocessing.resize == 36
    assert source.module is not None and not source.module.training
    assert source.module(torch.zeros(1, 3, 32, 32)).shape == (1, 3)
    assert open_source(text, ModelOptions(num_classes=3)).weights == source.weights
    assert open_source(text, ModelOptions(num_classes=3, seed=1)).weights != source.weights


def test_a_users_network_takes_a_weights_file(tmp_path: Path) -> None:
    text = f"{NETWORKS}:squeeze_excite"
    module = open_source(text, ModelOptions(seed=5)).module
    assert module is not None
    torch.save({"state_dict": module.state_dict()}, tmp_path / "w.pt")
    loaded = open_source(text, ModelOptions(weights=str(tmp_path / "w.pt"))).module
    assert loaded is not None
    x = torch.ones(1, 3, 32, 32)
    assert torch.equal(loaded(x), module(x))


@pytest.mark.parametrize(
    ("stem", "body", "name", "quantized"),
    [
        ("my net", "y = Relu(x)", "my_net", False),
        ("net_qdq", "y = Relu(x)", "net_qdq", False),
        ("net_qdq", "q = QuantizeLinear(x, s, z) y = DequantizeLinear(q, s, z)", "net", True),
    ],
)
def test_an_onnx_file_gives_a_safe_name(
    tmp_path: Path, stem: str, body: str, name: str, quantized: bool
) -> None:
    graph = (
        '<ir_version: 10, opset_import: ["" : 20]> g (float[1, 3, 4, 4] x) => (float[1, 3, 4, 4] y) '
        f"<float s = {{0.1}}, int8 z = {{0}}> {{ {body} }}"
    )
    onnx.save(onnx.parser.parse_model(graph), tmp_path / f"{stem}.onnx")
    source = open_source(str(tmp_path / f"{stem}.onnx"), ModelOptions())
    assert (source.name, source.quantized) == (name, quantized)
    assert source.inputs == {"x": (1, 3, 4, 4)}
    assert source.weights.kind == "onnx"


@pytest.mark.parametrize("said", ["'detect'", "['seg']", "None", "nn.ReLU()"])
def test_what_others_call_a_task_is_none_of_ours(tmp_path: Path, said: str) -> None:
    """Ultralytics' modules have `task = "detect"`, others a submodule of that name."""
    (tmp_path / "net.py").write_text(
        f"from torch import nn\ndef net():\n    m = nn.Conv2d(3, 4, 3)\n    m.task = {said}\n    return m\n"
    )
    options = ModelOptions(size=16)
    assert open_source(f"{tmp_path / 'net.py'}:net", options).task == "tensors"


def test_a_module_may_say_its_task(tmp_path: Path) -> None:
    (tmp_path / "net.py").write_text(
        "from torch import nn\ndef net():\n    m = nn.Conv2d(3, 4, 3)\n    m.task = 'classification'\n"
        "    return m\n"
    )
    options = ModelOptions(size=16)
    assert open_source(f"{tmp_path / 'net.py'}:net", options).task == "classification"


def test_an_artifact_is_no_source() -> None:
    with pytest.raises(InputError, match=r"net\.tflite is an artifact already.*verify"):
        open_source("net.tflite", ModelOptions())
