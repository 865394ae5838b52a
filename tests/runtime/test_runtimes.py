from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from mobiledeploy.base.errors import InputError, UnsupportedModelError
from mobiledeploy.exporters.tflite.onnx_to_tflite import IoType, lower
from mobiledeploy.exporters.tflite.writer import write_tflite
from mobiledeploy.runtime.runtimes import OnnxSession, TfliteSession, TorchRunner
from mobiledeploy.runtime.targets import LITERT_2_3
from mobiledeploy.testing import model_from_text

FLOAT = "g (float[1, 3, 4, 6] x) => (float[1, 3, 4, 6] y) { r = Relu(x) y = Neg(r) }"
QDQ = """g (float[1, 3, 4, 6] x) => (float[1, 3, 4, 6] y) <float s, int8 z> {
    q = QuantizeLinear(x, s, z) d = DequantizeLinear(q, s, z)
    m = MaxPool<kernel_shape = [1, 1]>(d)
    p = QuantizeLinear(m, s, z) y = DequantizeLinear(p, s, z)
}"""
X = np.random.default_rng(0).normal(size=(1, 3, 4, 6)).astype(np.float32)


def tflite(folder: Path, text: str, io: IoType = "float32") -> Path:
    path = folder / f"{io}.tflite"
    path.write_bytes(write_tflite(lower(model_from_text(text, s=0.05, z=-7), LITERT_2_3, io), "test"))
    return path


def test_onnx_gives_outputs_and_inner_values() -> None:
    model = model_from_text(FLOAT)
    session = OnnxSession(model, extra_outputs=["r"])
    assert list(session.run({"x": X})) == ["y"]
    np.testing.assert_array_equal(session.run({"x": X})["y"], -np.maximum(X, 0))
    r, x = session.values({"x": X}, ["r", "x"])
    np.testing.assert_array_equal(r, np.maximum(X, 0))
    assert x is X


def test_onnx_runtimes_refusal_is_ours() -> None:
    session = OnnxSession(model_from_text(FLOAT))
    with pytest.raises(UnsupportedModelError, match="ONNX Runtime refuses the graph"):
        session.run({"x": X[:, :2]})


class Nested(nn.Module):
    def forward(self, x: Tensor) -> dict[str, object]:
        return {"a": x + 1, "b": (x * 2,)}


def test_torch_outputs_are_named_in_order() -> None:
    outputs = TorchRunner(Nested().train(), ["first", "second"]).run({"x": X})
    np.testing.assert_array_equal(outputs["first"], X + 1)
    np.testing.assert_array_equal(outputs["second"], X * 2)
    with pytest.raises(ValueError, match="longer"):
        TorchRunner(Nested(), ["first"]).run({"x": torch.ones(1).numpy()})


class InPlace(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.mul_(0)


def test_a_forward_in_place_leaves_the_sample_alone() -> None:
    sample = {"x": X.copy()}
    TorchRunner(InPlace(), ["y"]).run(sample)
    np.testing.assert_array_equal(sample["x"], X)


def test_tflite_takes_and_gives_nchw(tmp_path: Path) -> None:
    session = TfliteSession(tflite(tmp_path, FLOAT), nhwc=True)
    assert session.input_shapes() == {"x": (1, 3, 4, 6)}
    assert session.inputs["x"]["shape"].tolist() == [1, 4, 6, 3]
    np.testing.assert_array_equal(session.run({"x": X})["y"], -np.maximum(X, 0))


def test_the_layout_is_told_from_the_shape(tmp_path: Path) -> None:
    assert TfliteSession(tflite(tmp_path, FLOAT)).input_shapes() == {"x": (1, 3, 4, 6)}


@pytest.mark.parametrize("io", ["float32", "int8", "uint8"])
def test_integer_boundaries_are_converted(tmp_path: Path, io: IoType) -> None:
    session = TfliteSession(tflite(tmp_path, QDQ, io), nhwc=True)
    assert np.dtype(session.inputs["x"]["dtype"]) == io
    expected = (np.clip(np.rint(X / np.float32(0.05)) - 7, -128, 127) + 7) * np.float32(0.05)
    np.testing.assert_allclose(session.run({"x": X})["y"], expected, atol=1e-6)


def test_ops_and_tensors_are_described(tmp_path: Path) -> None:
    plain = TfliteSession(tflite(tmp_path, FLOAT), delegate=False)
    assert [node["op_name"] for node in plain.nodes()] == ["RELU", "NEG"]
    assert {plain.tensors()[int(i)]["name"] for node in plain.nodes() for i in node["outputs"]} >= {"y"}
    assert any(node["op_name"] == "DELEGATE" for node in TfliteSession(tflite(tmp_path, FLOAT)).nodes())


def test_what_is_no_model_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text.tflite").write_text("words " * 20)
    with pytest.raises(InputError, match=r"text\.tflite: LiteRT cannot load it"):
        TfliteSession(tmp_path / "text.tflite")
    with pytest.raises(InputError, match=r"gone\.tflite: no such file"):
        TfliteSession(tmp_path / "gone.tflite")


def test_inputs_alone_are_values_too() -> None:
    session = OnnxSession(model_from_text(FLOAT))
    (found,) = session.values({"x": X}, ["x"])
    assert found is X
