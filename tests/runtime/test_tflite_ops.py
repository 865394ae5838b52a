"""Files are read as a viewer shows them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import ArrayLike

from mobiledeploy.base.errors import InputError
from mobiledeploy.exporters.tflite.onnx_to_tflite import lower
from mobiledeploy.exporters.tflite.writer import write_tflite
from mobiledeploy.runtime.runtimes import TfliteSession
from mobiledeploy.runtime.targets import LITERT_2_3
from mobiledeploy.runtime.tflite_ops import FileGraph, read_graph
from mobiledeploy.testing import model_from_text

NETWORK = """g (float[1, 3, 8, 8] x) => (float[1, 5] y)
    <float[4, 3, 3, 3] stem, float[4, 1, 3, 3] taps, int64[2] axes, float[5, 4] dense, float[5] bias> {
    c = Conv<kernel_shape = [3, 3], pads = [1, 1, 1, 1]>(x, stem)
    d = Conv<kernel_shape = [3, 3], pads = [1, 1, 1, 1], group = 4>(c, taps)
    m = ReduceMean<keepdims = 0>(d, axes)
    y = Gemm<transB = 1>(m, dense, bias) }"""
QUANTIZED = """g (float[1, 4, 8, 8] x) => (float[1, 4, 4, 8] y)
    <float s, int8 z, int64[1] begin = {0}, int64[1] end = {8}, int64[1] axis = {2}, int64[1] step = {2}>
    { q = QuantizeLinear(x, s, z) a = DequantizeLinear(q, s, z) y = Slice(a, begin, end, axis, step) }"""


def written(folder: Path, text: str, **constants: ArrayLike) -> Path:
    path = folder / "net.tflite"
    path.write_bytes(write_tflite(lower(model_from_text(text, seed=0, **constants), LITERT_2_3), "test"))
    return path


@pytest.fixture
def network(tmp_path: Path) -> FileGraph:
    return read_graph(written(tmp_path, NETWORK, axes=[2, 3]))


def test_ops_are_in_the_order_of_the_file(network: FileGraph) -> None:
    assert [(op.index, op.op, op.shape) for op in network.ops] == [
        (0, "CONV_2D", (1, 8, 8, 4)),
        (1, "DEPTHWISE_CONV_2D", (1, 8, 8, 4)),
        (2, "MEAN", (1, 4)),
        (3, "FULLY_CONNECTED", (1, 5)),
    ]
    assert all(network.tensors[op.outputs[0]].name == op.output for op in network.ops)


def test_multiply_adds_are_those_of_convolutions_and_fully_connected_ops(network: FileGraph) -> None:
    assert [op.multiply_adds for op in network.ops] == [64 * 4 * 27, 64 * 4 * 9, 0, 20]


def test_activations_are_all_but_the_constants(network: FileGraph) -> None:
    constants = {i for i in range(len(network.tensors)) if i not in network.activations}
    assert constants == {i for i, tensor in enumerate(network.tensors) if tensor.content.size}
    assert constants.issuperset(op.inputs[1] for op in network.ops)


def test_tensors_are_as_litert_has_them(tmp_path: Path) -> None:
    path = written(tmp_path, QUANTIZED, s=0.05, z=0)
    graph, session = read_graph(path), TfliteSession(path, delegate=False)
    for index, detail in session.tensors().items():
        tensor = graph.tensors[index]
        assert (tensor.name, tensor.shape) == (detail["name"], tuple(detail["shape"]))
        assert tensor.dtype.lower() == np.dtype(detail["dtype"]).name
        assert list(tensor.scales) == [float(s) for s in detail["quantization_parameters"]["scales"]]
        if index not in graph.activations:
            stored = session.interpreter.get_tensor(index)
            assert tensor.content.tobytes() == stored.tobytes()


@pytest.mark.parametrize("content", [b"", b"no model", b"\x1c\0\0\0TFL3" + b"\xff" * 60])
def test_no_model_is_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.tflite").write_bytes(content)
    with pytest.raises(InputError, match=r"a\.tflite cannot be read .*expected a TFLite model"):
        read_graph(tmp_path / "a.tflite")


def test_no_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.tflite: No such file"):
        read_graph(tmp_path / "none.tflite")
