"""The main graph of a .tflite file: its ops as a user finds them, and their tensors."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mobiledeploy.base.errors import InputError

__all__ = ["FileGraph", "FileOp", "FileTensor", "read_graph"]


@dataclass(frozen=True)
class FileTensor:
    """A tensor of a file.

    Attributes:
        shape: As the file holds it, images NHWC.
        dtype: TFLite's name of the type, such as FLOAT32.
        scales: One for each channel, or one for the tensor; none in float.
        content: The bytes of a constant; empty for all others.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    scales: tuple[float, ...] = ()
    content: NDArray[np.uint8] = field(default_factory=lambda: np.empty(0, np.uint8), compare=False)


@dataclass(frozen=True)
class FileOp:
    """An op of a file's main graph.

    Attributes:
        index: Its place in the file.
        op: Builtin name, such as CONV_2D; of a custom op "CUSTOM " and its name.
        inputs, outputs: Tensor indices; below 0: left out.
        output: Name of the first output.
        shape: shape of the first output, images NHWC.
        multiply_adds: multiply-adds of convolutions and fully connected ops; 0 for all others.
    """

    index: int
    op: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    output: str
    shape: tuple[int, ...]
    multiply_adds: int


@dataclass(frozen=True)
class FileGraph:
    """A file's main graph.

    Attributes:
        inputs: Tensor indices.
        ops: In the file's order, which is that of execution.
    """

    inputs: tuple[int, ...]
    ops: tuple[FileOp, ...]
    tensors: tuple[FileTensor, ...]

    @cached_property
    def activations(self) -> frozenset[int]:
        """Indices of the tensors that are fed or computed, rather than constants."""
        return frozenset(self.inputs).union(*(op.outputs for op in self.ops))


def read_graph(path: Path) -> FileGraph:
    """Read the main graph of a file.

    Raises:
        InputError: The file is missing, or is no TFLite model.
    """
    try:
        content = path.read_bytes()
        if content[4:8] != b"TFL3":
            raise ValueError("no TFL3 identifier")
        return _graph(content)
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}, expected a .tflite file") from error
    except Exception as error:  # damaged flatbuffers fail in as many ways as there are fields
        raise InputError(
            f"{path} cannot be read ({error}), expected a TFLite model; export it again"
        ) from error


def _graph(content: bytes) -> FileGraph:
    from ai_edge_litert import schema_py_generated as schema

    model = schema.Model.GetRootAs(content, 0)
    graph = model.Subgraphs(0)
    names, types = _names(schema.BuiltinOperator), _names(schema.TensorType)
    codes = [_op_name(model.OperatorCodes(i), names) for i in range(model.OperatorCodesLength())]
    tensors = [_tensor(model, graph.Tensors(i), types) for i in range(graph.TensorsLength())]
    operators = [graph.Operators(i) for i in range(graph.OperatorsLength())]
    return FileGraph(
        inputs=tuple(graph.Inputs(i) for i in range(graph.InputsLength())),
        ops=tuple(_op(i, codes[each.OpcodeIndex()], each, tensors) for i, each in enumerate(operators)),
        tensors=tuple(tensors),
    )


def _names(enumeration: type) -> dict[int, str]:
    return {value: name for name, value in vars(enumeration).items() if name.isupper()}


def _op_name(code: Any, names: dict[int, str]) -> str:
    # Older files have the number in a field of one byte, newer files in both unless it is larger.
    name = names[max(code.BuiltinCode(), code.DeprecatedBuiltinCode())]
    return f"CUSTOM {(code.CustomCode() or b'').decode()}" if name == "CUSTOM" else name


def _tensor(model: Any, tensor: Any, types: dict[int, str]) -> FileTensor:
    quantization, buffer = tensor.Quantization(), model.Buffers(tensor.Buffer())
    scale_count = 0 if quantization is None else quantization.ScaleLength()
    found = FileTensor(
        name=(tensor.Name() or b"").decode(errors="replace"),
        shape=tuple(int(tensor.Shape(i)) for i in range(tensor.ShapeLength())),
        dtype=types[tensor.Type()],
        scales=tuple(quantization.Scale(i) for i in range(scale_count)),
    )
    return replace(found, content=buffer.DataAsNumpy()) if buffer.DataLength() else found


def _op(index: int, name: str, operator: Any, tensors: Sequence[FileTensor]) -> FileOp:
    inputs = tuple(operator.Inputs(i) for i in range(operator.InputsLength()))
    outputs = tuple(operator.Outputs(i) for i in range(operator.OutputsLength()))
    shapes = [tensors[i].shape if i >= 0 else () for i in inputs]
    first = tensors[outputs[0]]
    return FileOp(
        index, name, inputs, outputs, first.name, first.shape, _multiply_adds(name, shapes, first.shape)
    )


def _multiply_adds(op: str, inputs: Sequence[tuple[int, ...]], output: tuple[int, ...]) -> int:
    """Weights are (out, h, w, in per group), depthwise (1, h, w, out), fully connected (out, in)."""
    if op == "CONV_2D":
        return math.prod(output) * math.prod(inputs[1][1:])
    if op == "DEPTHWISE_CONV_2D":
        return math.prod(output) * math.prod(inputs[1][1:3])
    if op == "FULLY_CONNECTED":
        return math.prod(output) * inputs[1][1]
    if op == "TRANSPOSE_CONV":  # of output shape, weights and image; each of its pixels meets all weights
        return math.prod(inputs[2][:3]) * math.prod(inputs[1])
    return 0
