"""The file: read back with the schema's own bindings."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from mobiledeploy.exporters.tflite.graph import Op, Tensor, TfliteGraph
from mobiledeploy.exporters.tflite.writer import SIGNATURE, write_tflite
from mobiledeploy.graph.params import QuantParams

F32 = np.dtype(np.float32)


def add_chain(*constants: np.ndarray[Any, Any]) -> TfliteGraph:
    """x + c0 + c1 + ..."""
    x = tensor = Tensor("x", (1, 4), F32)
    ops = []
    for i, array in enumerate(constants):
        constant = Tensor(f"c{i}", array.shape, array.dtype, data=array)
        total = Tensor(f"t{i}", (1, 4), F32)
        ops.append(Op("ADD", [tensor, constant], [total], {"fused_activation_function": "RELU6"}))
        tensor = total
    return TfliteGraph({"x": x}, {"y": tensor}, ops)


def read(data: bytes) -> Any:
    assert data[4:8] == b"TFL3"
    return schema.Model.GetRootAs(data)


def test_buffers_are_aligned_and_equal_ones_stored_once() -> None:
    odd, four = np.ones(1, np.float32), np.arange(4, dtype=np.float32)
    data = write_tflite(add_chain(odd, four, four.copy(), four.astype(np.float32) + 1), "test")
    model = read(data)
    filled = [model.Buffers(i) for i in range(model.BuffersLength()) if model.Buffers(i).DataLength()]
    assert len(filled) == 3 and model.Buffers(0).DataLength() == 0
    for buffer in filled:
        raw = buffer.DataAsNumpy()
        start = (
            raw.__array_interface__["data"][0] - np.frombuffer(data, np.uint8).__array_interface__["data"][0]
        )
        assert start % 16 == 0


def test_the_same_graph_gives_the_same_bytes() -> None:
    arrays = [np.arange(4, dtype=np.float32), np.ones(1, np.float32)]
    assert write_tflite(add_chain(*arrays), "test") == write_tflite(add_chain(*arrays), "test")


def test_signature_names_and_options() -> None:
    model = schema.ModelT.InitFromPackedBuf(write_tflite(add_chain(np.ones(4, np.float32)), "test"))
    (signature,) = model.signatureDefs
    assert signature.signatureKey.decode() == SIGNATURE
    assert [entry.name.decode() for entry in (*signature.inputs, *signature.outputs)] == ["x", "y"]
    (op,) = model.subgraphs[0].operators
    assert op.builtinOptions.fusedActivationFunction == schema.ActivationFunctionType.RELU6


def test_parameters_per_channel() -> None:
    params = QuantParams(np.array([0.5, 0.25], np.float32), np.zeros(2, np.int64), 1)
    weights = Tensor("w", (3, 2), np.dtype(np.int8), params=params, data=np.ones((3, 2), np.int8))
    out = Tensor("y", (3, 2), F32)
    graph = TfliteGraph({}, {"y": out}, [Op("DEQUANTIZE", [weights], [out])])
    stored = schema.ModelT.InitFromPackedBuf(write_tflite(graph, "test")).subgraphs[0].tensors[0].quantization
    assert (list(stored.scale), list(stored.zeroPoint), stored.quantizedDimension) == ([0.5, 0.25], [0, 0], 1)


def test_an_unknown_option_is_an_error() -> None:
    graph = add_chain(np.ones(4, np.float32))
    graph.ops[0].options["made_up"] = 1
    with pytest.raises(AttributeError, match="AddOptionsT has no field madeUp"):
        write_tflite(graph, "test")
