"""A network of one linear layer on a 4x4 RGB image, as a float and as an int8 TFLite file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import flatbuffers
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from numpy.typing import NDArray

CLASSES, SIDE, CHANNELS = 5, 4, 3
INPUT_SCALE, WEIGHT_SCALE, OUTPUT_SCALE = 0.02, 0.01, 0.08

TypedArray = tuple[NDArray[Any], int]


@pytest.fixture(scope="session")
def linear_weight() -> NDArray[np.int8]:
    """(classes, H * W * C), in steps of WEIGHT_SCALE."""
    return np.random.default_rng(0).integers(-60, 61, (CLASSES, SIDE * SIDE * CHANNELS)).astype(np.int8)


@pytest.fixture(scope="session")
def linear_files(
    tmp_path_factory: pytest.TempPathFactory, linear_weight: NDArray[np.int8]
) -> dict[str, Path]:
    """ "fp32" and "int8" -> file."""
    folder = tmp_path_factory.mktemp("linear")
    files = {kind: folder / f"linear_{kind}.tflite" for kind in ("fp32", "int8")}
    weight = (linear_weight * np.float32(WEIGHT_SCALE)).astype(np.float32)
    files["fp32"].write_bytes(_linear(weight, schema.TensorType.FLOAT32, scales=None))
    scales = (INPUT_SCALE, WEIGHT_SCALE, OUTPUT_SCALE)
    files["int8"].write_bytes(_linear(linear_weight, schema.TensorType.INT8, scales))
    return files


def _linear(weight: NDArray[Any], dtype: int, scales: tuple[float, float, float] | None) -> bytes:
    model = schema.ModelT()
    model.version = 3
    model.buffers = [schema.BufferT() for _ in range(4)]
    model.buffers[2].data = np.frombuffer(weight.tobytes(), np.uint8)
    graph = schema.SubGraphT()
    shapes = {"image": [1, SIDE, SIDE, CHANNELS], "weight": list(weight.shape), "logits": [1, CLASSES]}
    graph.tensors = []
    for i, (name, shape) in enumerate(shapes.items()):
        tensor = schema.TensorT()
        tensor.name, tensor.shape, tensor.type, tensor.buffer = name, shape, dtype, i + 1
        if scales is not None:
            tensor.quantization = schema.QuantizationParametersT()
            tensor.quantization.scale, tensor.quantization.zeroPoint = [scales[i]], [0]
        graph.tensors.append(tensor)
    op = schema.OperatorT()
    op.inputs, op.outputs, op.opcodeIndex = [0, 1, -1], [2], 0
    op.builtinOptionsType = schema.BuiltinOptions.FullyConnectedOptions
    op.builtinOptions = schema.FullyConnectedOptionsT()
    graph.operators, graph.inputs, graph.outputs = [op], [0], [2]
    code = schema.OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.FULLY_CONNECTED
    code.version = 4
    model.operatorCodes, model.subgraphs = [code], [graph]
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())
