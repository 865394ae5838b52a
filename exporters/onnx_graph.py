"""Loading, checking and tidying an onnx_ir.Model, and the small questions that every pass asks of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
import onnxsim
from numpy.typing import NDArray
from onnx_ir.passes import common as passes

from mobiledeploy.errors import InputError, UnsupportedModelError

__all__ = [
    "constant",
    "describe",
    "float_array",
    "infer_shapes",
    "is_quantized",
    "load_onnx",
    "scalar",
    "shape_of",
    "simplify",
    "static_inputs",
    "tidy",
]


def load_onnx(path: Path) -> ir.Model:
    """Read an .onnx file, with its shapes inferred and constants lifted to initializers.

    Raises:
        InputError: The file is missing or is no ONNX model.
        UnsupportedModelError: An input has a dynamic shape.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such file, expected an ONNX model")
    try:
        proto = onnx.load(path)
        onnx.checker.check_model(proto)
        model = ir.from_proto(proto)
    except Exception as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise InputError(f"{path}: not a valid ONNX model ({reason}); export it again") from error
    if not model.graph.inputs and not len(model.graph):
        raise InputError(f"{path}: not a valid ONNX model (the graph is empty); export it again")
    static_inputs(model)
    return tidy(model) if is_quantized(model) else simplify(model)


def static_inputs(model: ir.Model) -> dict[str, tuple[int, ...]]:
    """Input name -> shape.

    Raises:
        UnsupportedModelError: A dimension is dynamic or unknown.
    """
    found: dict[str, tuple[int, ...]] = {}
    for value in model.graph.inputs:
        if value.shape is None or not all(isinstance(d, int) and d > 0 for d in value.shape):
            shape = "unknown" if value.shape is None else f"[{', '.join(str(d) for d in value.shape)}]"
            raise UnsupportedModelError(
                f"input {value.name!r} has the dynamic shape {shape}, expected fixed dimensions; "
                "export the model with a fixed batch, height and width "
                "(for instance `python -m onnxruntime.tools.make_dynamic_shape_fixed`)"
            )
        found[value.name or ""] = tuple(int(d) for d in value.shape)  # type: ignore[call-overload]
    return found


def is_quantized(model: ir.Model) -> bool:
    """Whether the graph holds QuantizeLinear or DequantizeLinear nodes."""
    return any(node.op_type in ("QuantizeLinear", "DequantizeLinear") for node in model.graph)


def simplify(model: ir.Model) -> ir.Model:
    """Fold constants and remove no-ops with onnxsim, then tidy."""
    proto, _ = onnxsim.simplify(ir.to_proto(model))
    return tidy(ir.from_proto(proto))


def tidy(model: ir.Model) -> ir.Model:
    """Constants as initializers, no dead nodes, unique names, all shapes inferred. In place."""
    for step in (
        passes.InlinePass(),
        passes.LiftConstantsToInitializersPass(lift_all_constants=True, size_limit=0),
        passes.RemoveInitializersFromInputsPass(),
        passes.IdentityEliminationPass(),
        passes.RemoveUnusedNodesPass(),
        passes.TopologicalSortPass(),
        passes.NameFixPass(),
    ):
        step(model)
    return infer_shapes(model)


def infer_shapes(model: ir.Model) -> ir.Model:
    """Shapes and types of every value that has none yet. In place."""
    passes.ShapeInferencePass(check_type=False, strict_mode=False, data_prop=True)(model)
    return model


def constant(value: ir.Value | None) -> NDArray[Any] | None:
    """The array behind an initializer or constant, or None for an activation."""
    if value is None or value.const_value is None or value.is_graph_input():
        return None
    return value.const_value.numpy()


def scalar(value: ir.Value | None) -> float | None:
    """The number behind a constant of one element, or None."""
    array = constant(value)
    return float(array.reshape(-1)[0]) if array is not None and array.size == 1 else None


def shape_of(value: ir.Value) -> tuple[int, ...]:
    """The static shape, in ONNX (NCHW) order.

    Raises:
        UnsupportedModelError: The shape is unknown or dynamic.
    """
    array = constant(value)
    if array is not None:
        return array.shape
    if value.shape is None or not all(isinstance(d, int) for d in value.shape):
        node = value.producer()
        raise UnsupportedModelError(
            f"{describe(node) if node else 'input'} gives {value.name!r} the dynamic shape {value.shape}, "
            "expected fixed dimensions; export the model with fixed input shapes"
        )
    return tuple(int(d) for d in value.shape)  # type: ignore[call-overload]


def describe(node: ir.Node) -> str:
    """A node as a user knows it: its op and the value it computes, which is named after its module."""
    return f"{node.op_type} node {(node.outputs[0].name if node.outputs else None) or node.name!r}"


def float_array(value: ir.Value | None) -> NDArray[np.float32] | None:
    """The array behind a float constant, or None."""
    array = constant(value)
    return array.astype(np.float32) if array is not None and array.dtype.kind == "f" else None
