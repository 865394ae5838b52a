"""Serialises a TfliteGraph as a .tflite flatbuffer (schema bindings from ai-edge-litert)."""

from __future__ import annotations

from typing import Any

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema
from numpy.typing import NDArray

from mobiledeploy.exporters.tflite.graph import Op, Tensor, TfliteGraph
from mobiledeploy.exporters.tflite.op_versions import op_version

__all__ = ["SIGNATURE", "write_tflite"]

SIGNATURE = "serving_default"

_TYPES = {
    np.dtype(np.float32): schema.TensorType.FLOAT32,
    np.dtype(np.float16): schema.TensorType.FLOAT16,
    np.dtype(np.int8): schema.TensorType.INT8,
    np.dtype(np.uint8): schema.TensorType.UINT8,
    np.dtype(np.int16): schema.TensorType.INT16,
    np.dtype(np.int32): schema.TensorType.INT32,
    np.dtype(np.int64): schema.TensorType.INT64,
    np.dtype(np.bool_): schema.TensorType.BOOL,
}

# Where the option table's name cannot be derived from the op's.
_OPTION_TABLES = {
    "BATCH_MATMUL": "BatchMatMulOptions",
    "CONV_2D": "Conv2DOptions",
    "DEPTHWISE_CONV_2D": "DepthwiseConv2DOptions",
    "MAX_POOL_2D": "Pool2DOptions",
    "AVERAGE_POOL_2D": "Pool2DOptions",
    "MEAN": "ReducerOptions",
    "PADV2": "PadV2Options",
    "SUM": "ReducerOptions",
    "REDUCE_MAX": "ReducerOptions",
    "MAXIMUM": "MaximumMinimumOptions",
    "MINIMUM": "MaximumMinimumOptions",
}


def write_tflite(graph: TfliteGraph, description: str) -> bytes:
    """Return a graph as the bytes of a .tflite file, the same bytes for the same graph.

    The model gets one signature, ``serving_default``, whose input and output names are the graph's.
    """
    writer = _Writer(graph)
    builder = flatbuffers.Builder(sum(b.size for b in writer.buffer_arrays) + (1 << 16))
    builder.Finish(writer.model(description).Pack(builder), file_identifier=b"TFL3")
    return bytes(builder.Output())


class _AlignedBuffer(schema.BufferT):  # type: ignore[misc]  # generated code without types
    """A buffer at a 16-byte boundary, as the schema's force_align asks (generated packers ignore it)."""

    def Pack(self, builder: flatbuffers.Builder) -> int:  # noqa: N802  # the generated code's name
        offset = None
        if self.data is not None:
            raw = self.data.tobytes()
            builder.StartVector(1, len(raw), 16)
            builder.head -= len(raw)
            builder.Bytes[builder.head : builder.head + len(raw)] = raw
            offset = builder.EndVector()
        schema.BufferStart(builder)
        if offset is not None:
            schema.BufferAddData(builder, offset)
        return int(schema.BufferEnd(builder))


class _Writer:
    def __init__(self, graph: TfliteGraph) -> None:
        self.graph = graph
        self.tensors = graph.tensors()
        self.index = {tensor: i for i, tensor in enumerate(self.tensors)}
        self.buffer_arrays: list[NDArray[Any]] = []
        self._buffer_of: dict[tuple[str, bytes], int] = {}
        self._codes: dict[tuple[int, int], int] = {}

    def model(self, description: str) -> Any:
        graph = self.graph
        subgraph = schema.SubGraphT()
        subgraph.name = "main"
        subgraph.inputs = [self.index[t] for t in graph.inputs.values()]
        subgraph.outputs = [self.index[t] for t in graph.outputs.values()]
        subgraph.tensors = [self._tensor(t) for t in self.tensors]
        subgraph.operators = [self._operator(op) for op in graph.ops]

        model = schema.ModelT()
        model.version = 3
        model.description = description
        model.subgraphs = [subgraph]
        model.operatorCodes = [self._operator_code(*key) for key in self._codes]
        # Buffer 0 is empty by convention: it stands for "no data".
        model.buffers = [_AlignedBuffer(), *(_AlignedBuffer(data=a) for a in self.buffer_arrays)]
        model.signatureDefs = [self._signature()]
        return model

    def _tensor(self, tensor: Tensor) -> Any:
        result = schema.TensorT()
        result.name = tensor.name
        result.shape = list(tensor.shape)
        result.hasRank = True
        result.type = _TYPES[tensor.dtype]
        result.buffer = 0 if tensor.data is None else self._buffer(tensor.data)
        if tensor.params is not None:
            quantization = schema.QuantizationParametersT()
            quantization.scale = tensor.params.scale.astype(np.float32)
            quantization.zeroPoint = tensor.params.zero_point.astype(np.int64)
            quantization.quantizedDimension = tensor.params.axis or 0
            result.quantization = quantization
        return result

    def _buffer(self, data: NDArray[Any]) -> int:
        key = (str(data.dtype), data.tobytes())
        if key not in self._buffer_of:
            self.buffer_arrays.append(np.ascontiguousarray(data))
            self._buffer_of[key] = len(self.buffer_arrays)
        return self._buffer_of[key]

    def _operator(self, op: Op) -> Any:
        result = schema.OperatorT()
        key = (getattr(schema.BuiltinOperator, op.name), op_version(op))
        result.opcodeIndex = self._codes.setdefault(key, len(self._codes))
        result.inputs = [-1 if t is None else self.index[t] for t in op.inputs]
        result.outputs = [self.index[t] for t in op.outputs]
        table = _OPTION_TABLES.get(op.name) or _camel(op.name) + "Options"
        if hasattr(schema.BuiltinOptions, table):  # ops such as RELU and FLOOR have no options
            result.builtinOptionsType = getattr(schema.BuiltinOptions, table)
            result.builtinOptions = getattr(schema, table + "T")()
            for name, value in op.options.items():
                _set_option(result.builtinOptions, name, value)
        return result

    def _operator_code(self, builtin: int, version: int) -> Any:
        code = schema.OperatorCodeT()
        code.builtinCode = builtin
        code.deprecatedBuiltinCode = min(builtin, 127)
        code.version = version
        return code

    def _signature(self) -> Any:
        signature = schema.SignatureDefT()
        signature.signatureKey = SIGNATURE
        signature.subgraphIndex = 0
        signature.inputs = [self._tensor_map(name, t) for name, t in self.graph.inputs.items()]
        signature.outputs = [self._tensor_map(name, t) for name, t in self.graph.outputs.items()]
        return signature

    def _tensor_map(self, name: str, tensor: Tensor) -> Any:
        entry = schema.TensorMapT()
        entry.name = name
        entry.tensorIndex = self.index[tensor]
        return entry


def _camel(name: str) -> str:
    return "".join(part.capitalize() for part in name.split("_"))


def _set_option(table: Any, name: str, value: Any) -> None:
    head, *rest = name.split("_")
    field = head + "".join(part.capitalize() for part in rest)
    if not hasattr(table, field):
        raise AttributeError(f"{type(table).__name__} has no field {field}")
    enums = {
        "padding": schema.Padding,
        "fusedActivationFunction": schema.ActivationFunctionType,
    }
    setattr(table, field, getattr(enums[field], value) if isinstance(value, str) else value)
