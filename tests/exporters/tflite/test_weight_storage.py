"""Weights in fewer bits: what LiteRT computes with them, into how many partitions, and what stays."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import ArrayLike

from mobiledeploy.exporters.tflite.graph import Op, Tensor, TfliteGraph
from mobiledeploy.exporters.tflite.onnx_to_tflite import lower
from mobiledeploy.exporters.tflite.weight_storage import StorageType, store_weights
from mobiledeploy.exporters.tflite.writer import write_tflite
from mobiledeploy.runtime.partitions import Partitions, forecast_partitions, measure_partitions
from mobiledeploy.runtime.runtimes import OnnxSession, TfliteSession
from mobiledeploy.runtime.targets import LITERT_2_3
from mobiledeploy.testing import model_from_text, random_sample
from mobiledeploy.verify.metrics import compare

CONV = (
    "g (float[1, 16, 9, 9] x) => (float[1, 32, 7, 7] y) <float[32, 16, 3, 3] w, float[32] b>"
    "{ r = Relu(x) y = Conv(r, w, b) }"
)
NETWORKS = {
    "CONV_2D": CONV,
    "CONV_2D in groups": (
        "g (float[1, 16, 9, 9] x) => (float[1, 32, 7, 7] y) <float[32, 4, 3, 3] w, float[32] b>"
        "{ r = Relu(x) y = Conv<group = 4>(r, w, b) }"
    ),
    "DEPTHWISE_CONV_2D": (
        "g (float[1, 128, 9, 9] x) => (float[1, 128, 7, 7] y) <float[128, 1, 3, 3] w, float[128] b>"
        "{ r = Relu(x) y = Conv<group = 128>(r, w, b) }"
    ),
    "FULLY_CONNECTED": (
        "g (float[1, 64] x) => (float[1, 32] y) <float[32, 64] w, float[32] b>"
        "{ r = Relu(x) y = Gemm<transB = 1>(r, w, b) }"
    ),
    "TRANSPOSE_CONV": (
        "g (float[1, 16, 9, 9] x) => (float[1, 32, 18, 18] y) <float[16, 32, 2, 2] w, float[32] b>"
        "{ r = Relu(x) y = ConvTranspose<strides = [2, 2]>(r, w, b) }"
    ),
}


def stored(text: str, stored_as: StorageType, **constants: ArrayLike) -> tuple[TfliteGraph, list[str]]:
    graph = lower(model_from_text(text, seed=0, **constants), LITERT_2_3)
    return graph, store_weights(graph, stored_as, LITERT_2_3)


def weight_type(graph: TfliteGraph) -> str:
    """Of the only weights in the file."""
    (data,) = (t.data for t in graph.tensors() if t.data is not None and t.data.ndim > 1)
    return str(data.dtype)


# A rounding to 11 bits leaves 76 dB and more; one to 8 bits of weights and inputs about 45.
@pytest.mark.parametrize(("stored_as", "least_db"), [("float16", 75.0), ("int8", 44.0)])
@pytest.mark.parametrize("op", NETWORKS)
@pytest.mark.parametrize("delegate", [True, False])
def test_it_computes_the_same_in_one_partition(
    op: str, stored_as: StorageType, least_db: float, delegate: bool, tmp_path: Path
) -> None:
    graph, _ = stored(NETWORKS[op], stored_as)
    assert weight_type(graph) == stored_as
    path = tmp_path / "net.tflite"
    path.write_bytes(write_tflite(graph, "test"))
    sample = random_sample(model := model_from_text(NETWORKS[op]))
    ours = TfliteSession(path, delegate=delegate, nhwc=True).run(sample)
    found = compare(OnnxSession(model).run(sample).values(), ours.values())
    assert found.sqnr_db > least_db
    whole = Partitions(1, len(graph.ops), ())
    assert forecast_partitions(path, LITERT_2_3) == measure_partitions(path, LITERT_2_3) == whole


def test_where_the_target_lacks_an_op_on_int8_weights_it_computes_in_float() -> None:
    graph, notes = stored(NETWORKS["DEPTHWISE_CONV_2D"], "int8")
    assert [op.name for op in graph.ops] == ["RELU", "DEQUANTIZE", "DEPTHWISE_CONV_2D"]
    (note,) = notes
    assert note.startswith("1 DEPTHWISE_CONV_2D in float, its int8 weights unpacked on loading: ")
    assert "not delegated in dynamic by litert-2.3" in note
    graph, notes = stored(CONV, "int8")
    assert [op.name for op in graph.ops] == ["RELU", "CONV_2D"] and not notes


@pytest.mark.parametrize("stored_as", ["float16", "int8"])
def test_few_weights_stay(stored_as: StorageType) -> None:
    graph, notes = stored(CONV.replace("32, 16, 3, 3", "32, 16, 1, 1").replace("7, 7", "9, 9"), stored_as)
    assert weight_type(graph) == "float32"
    assert notes == ["1 CONV_2D with float32 weights: fewer than 1024 elements"]


@pytest.mark.parametrize("w", [1e5, 1e-7])
def test_weights_that_float16_cannot_hold_stay(w: float) -> None:
    graph, notes = stored(CONV, "float16", w=w)
    assert weight_type(graph) == "float32"
    assert notes == ["1 CONV_2D with float32 weights: outside the range of float16"]


def test_what_unpacks_a_constant_for_an_op_outside_is_outside(tmp_path: Path) -> None:
    f32, f16, i32 = np.dtype(np.float32), np.dtype(np.float16), np.dtype(np.int32)
    shapes = {"x": (1, 4), "y": (1, 4), "table": (4, 4), "row": (1, 4)}
    x, y, table, row = (Tensor(name, shape, f32) for name, shape in shapes.items())
    half = Tensor("half", (4, 4), f16, data=np.eye(4, dtype=f16))
    index = Tensor("index", (1,), i32, data=np.array([2], i32))
    unpack, gather = Op("DEQUANTIZE", [half], [table]), Op("GATHER", [table, index], [row], {"axis": 0})
    path = tmp_path / "net.tflite"
    graph = TfliteGraph({"x": x}, {"y": y}, [unpack, gather, Op("ADD", [x, row], [y])])
    path.write_bytes(write_tflite(graph, "test"))
    measured = measure_partitions(path, LITERT_2_3)
    assert forecast_partitions(path, LITERT_2_3) == measured
    assert [op.op for op in measured.outside] == ["DEQUANTIZE", "GATHER"]
    assert measured.outside[0].reason == "unpacks a constant for an op outside"
