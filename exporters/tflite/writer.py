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

# Where the option table is not named as the op is.
_OPTION_TABLES = {
    "MAX_POOL_2D": "Pool2DOptions",
    "AVERAGE_POOL_2D": "Pool2DOptions",
    "MEAN": "ReducerOptions",
    "SUM": "ReducerOptions",
    "REDUCE_MAX": "ReducerOptions",
    "MAXIMUM": "MaximumMinimumOptions",
    "MINIMUM": "MaximumMinimumOptions",
}
_TABLES_BY_LOWER_CASE = {name.lower(): name for name in vars(schema.BuiltinOptions)}


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
        subgraph = schema.SubGraphT(
            name="main",
            inputs=[self.index[t] for t in graph.inputs.values()],
            outputs=[self.index[t] for t in graph.outputs.values()],
            tensors=[self._tensor(t) for t in self.tensors],
            operators=[self._operator(op) for op in graph.ops],
        )
        signature = schema.SignatureDefT(
            signatureKey=SIGNATURE,
            inputs=[schema.TensorMapT(name, self.index[t]) for name, t in graph.inputs.items()],
            outputs=[schema.TensorMapT(name, self.index[t]) for name, t in graph.outputs.items()],
        )
        codes = [
            schema.OperatorCodeT(builtinCode=code, deprecatedBuiltinCode=min(code, 127), version=version)
            for code, version in self._codes
        ]
        return schema.ModelT(
            version=3,
            description=description,
            subgraphs=[subgraph],
            operatorCodes=codes,
            # Buffer 0 is empty by convention: it stands for "no data".
            buffers=[_AlignedBuffer(), *(_AlignedBuffer(data=a) for a in self.buffer_arrays)],
            signatureDefs=[signature],
        )

    def _tensor(self, tensor: Tensor) -> Any:
        quantization = None
        if (params := tensor.params) is not None:
            quantization = schema.QuantizationParametersT(
                scale=params.scale.astype(np.float32),
                zeroPoint=params.zero_point.astype(np.int64),
                quantizedDimension=params.axis or 0,
            )
        return schema.TensorT(
            name=tensor.name,
            shape=list(tensor.shape),
            hasRank=True,
            type=getattr(schema.TensorType, tensor.dtype.name.upper()),
            buffer=0 if tensor.data is None else self._buffer(tensor.data),
            quantization=quantization,
        )

    def _buffer(self, data: NDArray[Any]) -> int:
        key = (str(data.dtype), data.tobytes())
        if key not in self._buffer_of:
            self.buffer_arrays.append(np.ascontiguousarray(data))
            self._buffer_of[key] = len(self.buffer_arrays)
        return self._buffer_of[key]

    def _operator(self, op: Op) -> Any:
        key = (getattr(schema.BuiltinOperator, op.name), op_version(op))
        result = schema.OperatorT(
            opcodeIndex=self._codes.setdefault(key, len(self._codes)),
            inputs=[-1 if t is None else self.index[t] for t in op.inputs],
            outputs=[self.index[t] for t in op.outputs],
        )
        same_name = f"{op.name.replace('_', '')}options".lower()
        table = _OPTION_TABLES.get(op.name) or _TABLES_BY_LOWER_CASE.get(same_name)
        if table is not None:  # ops such as RELU and FLOOR have no options
            result.builtinOptionsType = getattr(schema.BuiltinOptions, table)
            result.builtinOptions = getattr(schema, table + "T")()
            for name, value in op.options.items():
                _set_option(result.builtinOptions, name, value)
        return result


def _set_option(table: Any, name: str, value: Any) -> None:
    head, *rest = name.split("_")
    field = head + "".join(part.capitalize() for part in rest)
    if not hasattr(table, field):
        raise AttributeError(f"{type(table).__name__} has no field {field}")
    enums = {"padding": schema.Padding, "fusedActivationFunction": schema.ActivationFunctionType}
    setattr(table, field, getattr(enums[field], value) if isinstance(value, str) else value)
