"""Quantization-aware training: a few steps on a tiny network, and the integers that reach the .tflite."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import onnx_ir as ir
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

import mobiledeploy
from mobiledeploy.base.errors import InputError
from mobiledeploy.graph.onnx_graph import is_quantized
from mobiledeploy.quantize.learn.qat import FakeQuantized, fake_quantized
from mobiledeploy.quantize.learn.torch_graph import ActivationScale, LinearConstants
from mobiledeploy.runtime.runtimes import Sample, TfliteSession
from mobiledeploy.sources.onnx_file import load_onnx

Integers = NDArray[np.integer[Any]]


class Residual(nn.Module):
    """A stem, a depthwise convolution, a sum and a head."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1, bias=False), nn.BatchNorm2d(8), nn.Hardswish())
        self.spatial = nn.Conv2d(8, 8, 3, 1, 1, groups=8)
        self.head = nn.Linear(8, 6)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        x = x + self.spatial(x).relu()
        logits: Tensor = self.head(x.mean((2, 3)))
        return logits


def samples(count: int, seed: int = 0) -> list[Sample]:
    rng = np.random.default_rng(seed)
    return [{"x": rng.normal(0, 1, (1, 3, 12, 12)).astype(np.float32)} for _ in range(count)]


def batch_of(inputs: list[Sample]) -> Tensor:
    return torch.tensor(np.concatenate([sample["x"] for sample in inputs]))


def trained(steps: int = 30) -> FakeQuantized:
    torch.manual_seed(0)
    network = fake_quantized(Residual(), samples(16))
    optimizer = torch.optim.Adam(network.parameter_groups())
    generator, inputs = torch.Generator().manual_seed(0), batch_of(samples(64))
    for _ in range(steps):
        batch = inputs[torch.randint(0, len(inputs), (16,), generator=generator)]
        loss = nn.functional.mse_loss(network(batch), network.real(batch))
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    return network


@pytest.fixture(scope="module")
def network() -> FakeQuantized:
    return trained()


@pytest.fixture(scope="module")
def artifact(network: FakeQuantized, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the command makes of the saved graph."""
    folder = tmp_path_factory.mktemp("qat")
    ir.save(network.to_qdq(), folder / "residual_qdq.onnx")
    result = mobiledeploy.export(str(folder / "residual_qdq.onnx"), samples=2, out=folder / "out")
    assert result.passed
    return result.artifacts["int8"]


def test_training_brings_int8_nearer_to_float(network: FakeQuantized) -> None:
    held_out, before = batch_of(samples(64, seed=1)), trained(0)
    with torch.no_grad():
        errors = [nn.functional.mse_loss(each(held_out), each.real(held_out)) for each in (before, network)]
    assert errors[1] < 0.8 * errors[0]


def test_the_artifact_has_the_integers_and_scales_of_the_module(
    network: FakeQuantized, artifact: Path
) -> None:
    session = TfliteSession(artifact, delegate=False)
    details = session.tensors()
    linear_ops = [
        op for op in session.nodes() if op["op_name"] in ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED")
    ]
    nodes = [node for node in network.graph.nodes if network.graph.linear(node) is not None]
    assert len(linear_ops) == len(nodes) == 3
    for op, node in zip(linear_ops, nodes, strict=True):
        linear, source = network.graph.linear(node), network.graph.scale_of(node.inputs[0])
        assert isinstance(linear, LinearConstants) and isinstance(source, ActivationScale)
        x, weights, bias = (int(index) for index in op["inputs"])
        integers = linear.integers().numpy()
        assert linear.bias is not None
        bias_scale = (source.scale * linear.scale).double()
        expected_bias = (linear.bias.double() / bias_scale).round().detach().numpy()
        np.testing.assert_array_equal(session.interpreter.get_tensor(weights), _as_tflite(op, integers))
        np.testing.assert_array_equal(session.interpreter.get_tensor(bias), expected_bias)
        stored = details[weights]["quantization_parameters"]["scales"]
        np.testing.assert_array_equal(stored, linear.params().scale)
        scale, zero_point = details[x]["quantization"]
        assert (np.float32(scale), zero_point) == (source.params().scale[0], source.zero_point)


def _as_tflite(op: dict[str, Any], weights: Integers) -> Integers:
    """(out, in / groups, kh, kw) as TFLite stores it."""
    if weights.ndim == 2:
        return weights
    return weights.transpose((1, 2, 3, 0) if op["op_name"] == "DEPTHWISE_CONV_2D" else (0, 2, 3, 1))


def test_litert_computes_what_the_module_does(network: FakeQuantized, artifact: Path) -> None:
    session, inputs = TfliteSession(artifact), samples(32, seed=2)
    found = np.concatenate([next(iter(session.run(sample).values())) for sample in inputs])
    with torch.no_grad():
        wanted = network(batch_of(inputs))
    assert isinstance(wanted, Tensor)
    output = network.graph.scale_of(network.graph.model.graph.outputs[0])
    assert output is not None
    steps = np.abs(found - wanted.numpy()) / output.params().scale[0]
    assert steps.max() < 1.01  # kernels round products of scales their own way
    assert (steps > 0.5).mean() < 0.05


def test_training_can_go_on_after_the_export(network: FakeQuantized) -> None:
    inputs = batch_of(samples(4))
    with torch.no_grad():
        before = network(inputs)
        network.to_qdq()
        after = network(inputs)
    assert torch.equal(before, after)


def test_what_cannot_be_trained_is_refused(network: FakeQuantized) -> None:
    with pytest.raises(InputError, match="no calibration samples, expected at least one"):
        fake_quantized(Residual(), [])
    with pytest.raises(InputError, match="quantized already, expected one in float"):
        fake_quantized(network.to_qdq(), samples(1))
    with pytest.raises(InputError, match="--calibrator is 'median', expected one of cubed, "):
        fake_quantized(Residual(), samples(1), calibrator="median")


def test_the_example_of_the_documentation_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = Path(__file__).parents[3] / "docs" / "quantization_aware_training.md"
    (example,) = re.findall(r"```python\n(.*?)```", page.read_text(), re.DOTALL)
    monkeypatch.chdir(tmp_path)
    batches = [batch_of(samples(8, seed)) for seed in range(3)]
    exec(example, {"network": Residual(), "calibration": samples(8), "batches": batches})
    assert is_quantized(load_onnx(tmp_path / "network_qdq.onnx"))
