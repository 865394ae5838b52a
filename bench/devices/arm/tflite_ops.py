"""The ops of a .tflite file as a user finds them: index, builtin name, output, multiply-adds and kind."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from mobiledeploy.base.errors import InputError

__all__ = ["KINDS", "FileOp", "Kind", "kind_of", "read_ops"]

Kind = Literal[
    "convolution", "depthwise", "fully connected", "element-wise", "pooling", "data movement", "other"
]


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


KINDS: dict[Kind, frozenset[str]] = {
    "convolution": _names("CONV_2D TRANSPOSE_CONV"),
    "depthwise": _names("DEPTHWISE_CONV_2D"),
    "fully connected": _names("BATCH_MATMUL FULLY_CONNECTED"),
    "element-wise": _names(
        """ABS ADD ADD_N CAST CEIL COS DEQUANTIZE DIV ELU EXP FLOOR GELU HARD_SWISH LEAKY_RELU LOG LOGISTIC
        MAXIMUM MINIMUM MUL NEG POW PRELU QUANTIZE RELU RELU6 RELU_0_TO_1 RELU_N1_TO_1 ROUND RSQRT SIN SQRT
        SQUARE SQUARED_DIFFERENCE SUB TANH"""
    ),
    "pooling": _names("AVERAGE_POOL_2D L2_POOL_2D MAX_POOL_2D MEAN REDUCE_MAX REDUCE_MIN REDUCE_PROD SUM"),
    "data movement": _names(
        """BATCH_TO_SPACE_ND BROADCAST_TO CONCATENATION DEPTH_TO_SPACE EXPAND_DIMS FILL GATHER GATHER_ND
        MIRROR_PAD PACK PAD PADV2 RESHAPE RESIZE_NEAREST_NEIGHBOR REVERSE_V2 SLICE SPACE_TO_BATCH_ND
        SPACE_TO_DEPTH SPLIT SPLIT_V SQUEEZE STRIDED_SLICE TILE TRANSPOSE UNPACK"""
    ),
}
"""Kind -> builtin names; all others are "other"."""

_KIND_OF: dict[str, Kind] = {name: kind for kind, names in KINDS.items() for name in names}


def kind_of(op: str) -> Kind:
    """What kind of work an op does, by its builtin name."""
    return _KIND_OF.get(op, "other")


@dataclass(frozen=True)
class FileOp:
    """An op of a file's main graph.

    Attributes:
        index: Its place in the file.
        op: Builtin name, such as CONV_2D; of a custom op "CUSTOM " and its name.
        inputs, outputs: Tensor indices; below 0: left out.
        output: Name of the first output.
        shape: Of the first output, images NHWC.
        multiply_adds: Of convolutions and fully connected ops; 0 for all others.
    """

    index: int
    op: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    output: str
    shape: tuple[int, ...]
    multiply_adds: int


def read_ops(path: Path) -> list[FileOp]:
    """The ops of a file, in its order.

    Raises:
        InputError: It is missing, or no TFLite model.
    """
    from ai_edge_litert import schema_py_generated as schema

    try:
        content = path.read_bytes()
        if content[4:8] != b"TFL3":
            raise ValueError("no TFL3 identifier")
        model = schema.Model.GetRootAs(content, 0)
        graph = model.Subgraphs(0)
        names = {value: name for name, value in vars(schema.BuiltinOperator).items() if name.isupper()}
        codes = [_name(model.OperatorCodes(i), names) for i in range(model.OperatorCodesLength())]
        return [
            _file_op(i, codes[graph.Operators(i).OpcodeIndex()], graph)
            for i in range(graph.OperatorsLength())
        ]
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}, expected a .tflite file") from error
    except Exception as error:  # damaged flatbuffers fail in as many ways as there are fields
        raise InputError(
            f"{path} cannot be read ({error}), expected a TFLite model; export it again"
        ) from error


def _name(code: Any, names: dict[int, str]) -> str:
    # Older files have the number in a field of one byte, newer files in both unless it is larger.
    name = names[max(code.BuiltinCode(), code.DeprecatedBuiltinCode())]
    return f"CUSTOM {(code.CustomCode() or b'').decode()}" if name == "CUSTOM" else name


def _file_op(index: int, op: str, graph: Any) -> FileOp:
    operator = graph.Operators(index)
    inputs = [operator.Inputs(i) for i in range(operator.InputsLength())]
    outputs = [operator.Outputs(i) for i in range(operator.OutputsLength())]
    shapes = [_shape(graph.Tensors(i)) if i >= 0 else () for i in inputs]
    first = graph.Tensors(outputs[0])
    return FileOp(
        index=index,
        op=op,
        inputs=tuple(inputs),
        outputs=tuple(outputs),
        output=(first.Name() or b"").decode(errors="replace"),
        shape=_shape(first),
        multiply_adds=_multiply_adds(op, shapes, _shape(first)),
    )


def _shape(tensor: Any) -> tuple[int, ...]:
    return tuple(int(tensor.Shape(i)) for i in range(tensor.ShapeLength()))


def _multiply_adds(op: str, inputs: Sequence[tuple[int, ...]], output: tuple[int, ...]) -> int:
    """Weights are (out, h, w, in per group), depthwise (1, h, w, out), fully connected (out, in)."""
    if op == "CONV_2D":
        return math.prod(output) * math.prod(inputs[1][1:])
    if op == "DEPTHWISE_CONV_2D":
        return math.prod(output) * math.prod(inputs[1][1:3])
    if op == "FULLY_CONNECTED":
        return math.prod(output) * inputs[1][1]
    if (
        op == "TRANSPOSE_CONV"
    ):  # inputs: output shape, weights, image; each pixel of the image meets all weights
        return math.prod(inputs[2][:3]) * math.prod(inputs[1])
    return 0
