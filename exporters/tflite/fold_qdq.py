"""Turn a QDQ graph into one whose ops compute on integers.

An op whose inputs all come from DequantizeLinear and whose outputs all go to QuantizeLinear computes on
integers, int8 or int16: it is joined to them directly and the Q and DQ nodes around it fall away. Parameters
are kept to the bit, in ``value.meta[PARAMS]``. Q and DQ nodes that remain are the boundaries to ops that stay
in float.

uint8 parameters, as ONNX Runtime's quantizer writes them, become int8 by subtracting 128 from the integers
and the zero points alike, which changes no real number; uint16 ones become int16 by subtracting 32768.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from mobiledeploy.base.errors import UnsupportedModelError
from mobiledeploy.graph.constants import add_initializer
from mobiledeploy.graph.onnx_graph import array_of, constant, describe, input_at, name_of, rank, required
from mobiledeploy.graph.op_traits import BOUNDARY
from mobiledeploy.graph.params import QuantParams, dequantize

__all__ = ["PARAMS", "HasIntegerForm", "fold_qdq"]

PARAMS = "quantization"
"""Key of ``onnx_ir.Value.meta`` under which the QuantParams of an integer value stand."""


HasIntegerForm = Callable[[ir.Node, np.dtype[Any]], bool]


def fold_qdq(model: ir.Model, has_integer_form: HasIntegerForm) -> None:
    """Fold Q and DQ nodes into the ops between them, in place.

    Args:
        has_integer_form: Whether a node's op can compute on activations of that type, int8 or int16, at all;
            others stay in float.

    Raises:
        UnsupportedModelError: Q or DQ nodes of another type than int8, uint8, int16, uint16, or (for biases)
            int32; int16 with a zero point; parameters computed at run time, per block, per channel of an
            activation, or other in Q than DQ.
    """
    graph = model.graph
    _attach_params(graph)
    _quantize_constants(graph)
    for node in graph:
        if node.op_type not in BOUNDARY:
            _join_to_integers(node, has_integer_form)
    for node in graph:
        if node.op_type == "QuantizeLinear" and (producer := _dequantizer(node.inputs[0])) is not None:
            _requantize_directly(node, producer)
    _drop_unused(graph)
    _fold_constants(graph)


_SIGNED: dict[np.dtype[Any], tuple[np.dtype[Any], int]] = {
    np.dtype(np.uint8): (np.dtype(np.int8), 128),
    np.dtype(np.uint16): (np.dtype(np.int16), 32768),
}
"""Unsigned type -> the signed one that stands for it, and what lies between their integers."""


def _attach_params(graph: ir.Graph) -> None:
    """Note the parameters of every integer value that a Q or DQ node writes or reads."""
    for node in graph:
        if node.op_type not in BOUNDARY:
            continue
        integers = required(node.outputs[0] if node.op_type == "QuantizeLinear" else node.inputs[0])
        params = _params(node)
        known: QuantParams = integers.meta.setdefault(PARAMS, params)
        if not known.same_as(params):
            raise UnsupportedModelError(
                f"{describe(node)} gives {integers.name!r} other parameters than another node does, expected "
                "one scale and zero point; quantize the model again"
            )
        if params.axis is not None and not _is_fixed(integers):
            raise UnsupportedModelError(
                f"{describe(node)} quantizes an activation per channel, expected one scale; "
                "TFLite has per-channel scales for weights only, quantize activations per tensor"
            )


def _is_fixed(integers: ir.Value) -> bool:
    """Return whether the integers are constant, or quantized from a constant."""
    producer = integers.producer()
    return constant(integers if producer is None else producer.inputs[0]) is not None


def _params(node: ir.Node) -> QuantParams:
    """Return the int8, int16 or int32 parameters of a Q or DQ node."""
    scale, zero_point = constant(node.inputs[1]), constant(input_at(node, 2))
    if scale is None or (zero_point is None and input_at(node, 2) is not None):
        raise UnsupportedModelError(
            f"{describe(node)} has parameters that are computed at run time, expected constants; "
            "quantize the model statically"
        )
    if scale.ndim > 1:
        raise UnsupportedModelError(
            f"{describe(node)} has one scale per block, expected one per tensor or channel; "
            "quantize the model again"
        )
    dtype = zero_point.dtype if zero_point is not None else _integer_dtype(node)
    if dtype not in (np.int8, np.uint8, np.int16, np.uint16, np.int32):
        raise UnsupportedModelError(
            f"{describe(node)} quantizes to {dtype}, expected int8, uint8, int16 or uint16; "
            "quantize the model again in 8 bits"
        )
    scale = np.atleast_1d(scale.astype(np.float32))
    offset = np.zeros(1, np.int64) if zero_point is None else np.atleast_1d(zero_point.astype(np.int64))
    if (signed := _SIGNED.get(dtype)) is not None:
        offset, dtype = offset - signed[1], signed[0]
    if dtype == np.int16 and np.any(offset):
        raise UnsupportedModelError(
            f"{describe(node)} quantizes to 16 bits with the zero point {offset[0]}, expected 0, as TFLite's "
            "int16 kernels do; quantize activations symmetrically"
        )
    axis = _axis(node) if scale.size > 1 else None
    return QuantParams(scale, np.broadcast_to(offset, scale.shape).copy(), axis, np.dtype(dtype))


def _integer_dtype(node: ir.Node) -> np.dtype[Any]:
    """Return the integer type of a Q or DQ node without a zero point."""
    if node.op_type == "QuantizeLinear":
        return ir.DataType(node.attributes.get_int("output_dtype", 0) or ir.DataType.UINT8).numpy()
    stored = required(node.inputs[0]).dtype
    return stored.numpy() if stored is not None else np.dtype(np.uint8)


def _axis(node: ir.Node) -> int:
    """Return the channel axis, counted from the front."""
    axis, dimensions = node.attributes.get_int("axis", 1), rank(required(node.inputs[0]))
    return axis % dimensions if dimensions else axis


def _quantize_constants(graph: ir.Graph) -> None:
    """Fold Q nodes of constants (PyTorch's fake-quantized weights are such), to the bit as ONNX has it."""
    for node in graph:
        real = constant(node.inputs[0]) if node.op_type == "QuantizeLinear" else None
        if real is None or node.outputs[0].is_graph_output():
            continue
        result, params = node.outputs[0], _params(node)
        along = [-1 if axis == params.axis else 1 for axis in range(real.ndim)]
        steps = np.rint(real.astype(np.float32) / params.scale.reshape(along))
        limits = np.iinfo(params.dtype)
        data = np.clip(steps + params.zero_point.reshape(along), limits.min, limits.max).astype(params.dtype)
        folded = add_initializer(graph, f"{result.name}/folded", data)
        folded.meta[PARAMS] = params
        result.replace_all_uses_with(folded)
        graph.remove(node, safe=True)


def _dequantizer(value: ir.Value | None) -> ir.Node | None:
    node = value.producer() if value is not None else None
    return node if node is not None and node.op_type == "DequantizeLinear" else None


def _quantizers(value: ir.Value) -> list[ir.Node] | None:
    """Return the Q nodes that are the only readers of a value, if they agree on the parameters; else None."""
    readers = [use.node for use in value.uses()]
    if not readers or value.is_graph_output() or any(node.op_type != "QuantizeLinear" for node in readers):
        return None
    params: list[QuantParams] = [node.outputs[0].meta[PARAMS] for node in readers]
    return readers if all(p.same_as(params[0]) for p in params) else None


def _join_to_integers(node: ir.Node, has_integer_form: HasIntegerForm) -> None:
    """Join a node to the integers around it if it can compute on them as a whole, else leave it."""
    types: set[np.dtype[Any]] = set()
    for value in node.inputs:
        if value is None or constant(value) is not None:
            continue
        dequantizer = _dequantizer(value)
        if dequantizer is None:
            return
        if (integers := dequantizer.inputs[0]) is not None and constant(integers) is None:
            types.add(integers.meta[PARAMS].dtype)
    quantizers = [_quantizers(value) for value in node.outputs]
    if not types or any(readers is None for readers in quantizers):
        return
    types |= {readers[0].outputs[0].meta[PARAMS].dtype for readers in quantizers if readers}
    if len(types) > 1 or not has_integer_form(node, *types):
        return
    for index, value in enumerate(node.inputs):
        if (dequantizer := _dequantizer(value)) is not None:
            node.replace_input_with(index, dequantizer.inputs[0])
    for value, readers in zip(node.outputs, map(required, quantizers), strict=True):
        value.meta[PARAMS] = readers[0].outputs[0].meta[PARAMS]
        # A new type object: the old one may be shared with the model this one was cloned from.
        value.type = ir.TensorType(ir.DataType.from_numpy(value.meta[PARAMS].dtype))
        for reader in readers:
            _take_over(reader.outputs[0], value)


def _take_over(old: ir.Value, new: ir.Value) -> None:
    """Replace a value everywhere; an output of the model keeps its name."""
    if old.is_graph_output():
        name, old.name = old.name, f"{old.name}/integers"
        old.replace_all_uses_with(new, replace_graph_outputs=True)
        new.name = name
    else:
        old.replace_all_uses_with(new)


def _requantize_directly(quantizer: ir.Node, dequantizer: ir.Node) -> None:
    """Q(DQ(q)) -> Q(q), or q itself if the parameters are the same."""
    integers, requantized = required(dequantizer.inputs[0]), quantizer.outputs[0]
    quantizer.replace_input_with(0, integers)
    same = integers.meta[PARAMS].same_as(requantized.meta[PARAMS])
    if same and not requantized.is_graph_output():
        requantized.replace_all_uses_with(integers)


def _drop_unused(graph: ir.Graph) -> None:
    outputs = set(graph.outputs)
    for node in reversed(list(graph)):
        if not any(value.uses() or value in outputs for value in node.outputs):
            graph.remove(node, safe=True)


def _fold_constants(graph: ir.Graph) -> None:
    """Make constants signed integers, and float where an op in float reads them."""
    for value in list(graph.initializers.values()):
        if (params := value.meta.get(PARAMS)) is not None:
            value.const_value = ir.tensor(_signed(array_of(value)))
            value.type = ir.TensorType(value.const_value.dtype)
            for node in [use.node for use in value.uses() if use.node.op_type == "DequantizeLinear"]:
                folded = node.outputs[0]
                if folded.is_graph_output():
                    continue
                data = dequantize(value.const_value.numpy(), params)
                replacement = add_initializer(graph, name_of(folded), data)
                folded.replace_all_uses_with(replacement)
                graph.remove(node, safe=True)


def _signed(array: NDArray[Any]) -> NDArray[Any]:
    if array.dtype not in _SIGNED:
        return array
    dtype, between = _SIGNED[array.dtype]
    signed: NDArray[Any] = (array.astype(np.int32) - between).astype(dtype)
    return signed
