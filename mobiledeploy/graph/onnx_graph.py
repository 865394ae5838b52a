"""Tidying an onnx_ir.Model, and the small questions that every pass asks of it."""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np
import onnx_ir as ir
import onnxsim
from numpy.typing import NDArray
from onnx_ir.passes import common as passes

from mobiledeploy.base.errors import UnsupportedModelError
from mobiledeploy.graph.op_traits import BOUNDARY

__all__ = [
    "activations_of",
    "array_of",
    "constant",
    "describe",
    "float_array",
    "infer_shapes",
    "input_at",
    "is_quantized",
    "known_sizes",
    "name_of",
    "producer_of",
    "quantizes_to_int16",
    "rank",
    "required",
    "result_of",
    "scalar",
    "shape_of",
    "simplify",
    "static_inputs",
    "tidy",
]

T = TypeVar("T")


def static_inputs(model: ir.Model) -> dict[str, tuple[int, ...]]:
    """Return input name -> shape.

    Raises:
        UnsupportedModelError: A dimension is dynamic or unknown.
    """
    found: dict[str, tuple[int, ...]] = {}
    for value in model.graph.inputs:
        sizes = known_sizes(value)
        if sizes is None or 0 in sizes:
            shape = "unknown" if value.shape is None else f"[{', '.join(str(d) for d in value.shape)}]"
            raise UnsupportedModelError(
                f"input {value.name!r} has the dynamic shape {shape}, expected fixed dimensions; "
                "export the model with a fixed batch, height and width "
                "(for instance `python -m onnxruntime.tools.make_dynamic_shape_fixed`)"
            )
        found[name_of(value)] = sizes
    return found


def known_sizes(value: ir.Value) -> tuple[int, ...] | None:
    """Return the shape if all of it is known."""
    if value.shape is None:
        return None
    sizes = tuple(d for d in value.shape if isinstance(d, int))
    return sizes if len(sizes) == value.shape.rank() else None


def is_quantized(model: ir.Model) -> bool:
    """Return whether the graph holds QuantizeLinear or DequantizeLinear nodes."""
    return any(node.op_type in BOUNDARY for node in model.graph)


def quantizes_to_int16(model: ir.Model) -> bool:
    """Return whether activations of a QDQ graph have 16 bits."""
    quantizers = (node for node in model.graph if node.op_type == "QuantizeLinear")
    return any(node.outputs[0].dtype in (ir.DataType.INT16, ir.DataType.UINT16) for node in quantizers)


def simplify(model: ir.Model) -> ir.Model:
    """Fold constants and remove no-ops with onnxsim, then tidy."""
    proto, _ = onnxsim.simplify(ir.to_proto(model))
    return tidy(ir.from_proto(proto))


def tidy(model: ir.Model) -> ir.Model:
    """Make constants initializers, remove dead nodes, name all values apart, infer all shapes; in place."""
    for step in (
        passes.InlinePass(),
        passes.LiftConstantsToInitializersPass(lift_all_constants=True, size_limit=0),
        passes.RemoveInitializersFromInputsPass(),
        _remove_identities,
        passes.RemoveUnusedNodesPass(),
        passes.TopologicalSortPass(),
        passes.NameFixPass(),
    ):
        step(model)
    return infer_shapes(model)


def _remove_identities(model: ir.Model) -> None:
    """Join the readers of Identity nodes to what these read; the result keeps its name if it is an output.

    An Identity stays where an output would lose its value to another one: onnx_ir's own pass gives both the
    name of the last.
    """
    for node in list(ir.traversal.RecursiveGraphIterator(model.graph)):
        x = node.inputs[0] if node.op_type == "Identity" and not node.domain else None
        if x is None or node.graph is None:
            continue
        result, producer = node.outputs[0], x.producer()
        if result.is_graph_output():
            if x.is_graph_output() or producer is None or producer.graph is not node.graph:
                continue
            x.name = result.name
        x.shape, x.type = x.shape or result.shape, x.type or result.type
        result.replace_all_uses_with(x, replace_graph_outputs=True)
        node.graph.remove(node, safe=True)


def infer_shapes(model: ir.Model) -> ir.Model:
    """Infer shapes and types of every value that has none yet, in place."""
    passes.ShapeInferencePass(check_type=False, strict_mode=False, data_prop=True)(model)
    return model


def constant(value: ir.Value | None) -> NDArray[Any] | None:
    """Return the array behind an initializer or constant, or None for an activation."""
    if value is None or value.const_value is None or value.is_graph_input():
        return None
    return value.const_value.numpy()


def scalar(value: ir.Value | None) -> float | None:
    """Return the number behind a constant of one element, or None."""
    array = constant(value)
    return float(array.reshape(-1)[0]) if array is not None and array.size == 1 else None


def shape_of(value: ir.Value) -> tuple[int, ...]:
    """Return the static shape, in ONNX (NCHW) order.

    Raises:
        UnsupportedModelError: The shape is unknown or dynamic.
    """
    array = constant(value)
    sizes = array.shape if array is not None else known_sizes(value)
    if sizes is None:
        node = value.producer()
        raise UnsupportedModelError(
            f"{describe(node) if node else 'input'} gives {value.name!r} the dynamic shape {value.shape}, "
            "expected fixed dimensions; export the model with fixed input shapes"
        )
    return sizes


def describe(node: ir.Node) -> str:
    """Name a node as a user knows it: by its op and the value it computes, which has its module's name."""
    return f"{node.op_type} node {(node.outputs[0].name if node.outputs else None) or node.name!r}"


def input_at(node: ir.Node, index: int) -> ir.Value | None:
    """Return an input of a node, or None where it is left out."""
    return node.inputs[index] if index < len(node.inputs) else None


def float_array(value: ir.Value | None) -> NDArray[np.float32] | None:
    """Return the array behind a float constant, or None."""
    array = constant(value)
    return array.astype(np.float32) if array is not None and array.dtype.kind == "f" else None


def rank(value: ir.Value) -> int | None:
    """Return the number of dimensions, if known."""
    return value.shape.rank() if value.shape is not None else None


# What onnx_ir types as optional and the caller knows to be there; an AssertionError where it is not.


def required(found: T | None) -> T:
    """Return what is not None, such as an input that the op must have, or the array of a known constant."""
    assert found is not None
    return found


def name_of(value: ir.Value) -> str:
    """Return the name of a value; `tidy` gives one to every value of a graph."""
    assert value.name is not None
    return value.name


def result_of(node: ir.Node) -> str:
    """Return the name of a node's first result, by which the node itself is referred to."""
    return name_of(node.outputs[0])


def activations_of(graph: ir.Graph) -> dict[str, ir.Value]:
    """Return the inputs of a graph and the results of its nodes by name, in graph order."""
    computed = (value for node in graph for value in node.outputs)
    return {name_of(value): value for value in (*graph.inputs, *computed)}


def producer_of(value: ir.Value) -> ir.Node:
    """Return the node that computes a value, such as the last of a matched pattern."""
    node = value.producer()
    assert node is not None, value.name
    return node


def array_of(value: ir.Value | None) -> NDArray[Any]:
    """Return the numbers of a constant."""
    array = constant(value)
    assert array is not None, f"{value.name if value is not None else None!r} is not constant"
    return array
