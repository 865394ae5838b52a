"""ONNX (float or QDQ) -> TFLite: the visible list of steps from graph to flatbuffer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal

import numpy as np
import onnx_ir as ir

from mobiledeploy.base.errors import UnsupportedModelError
from mobiledeploy.exporters.rewrites.fuse_activation import FUSED_ACTIVATION, fusion_rules
from mobiledeploy.exporters.rewrites.rule import apply_rules
from mobiledeploy.exporters.tflite.builder import Builder
from mobiledeploy.exporters.tflite.fold_qdq import PARAMS, fold_qdq
from mobiledeploy.exporters.tflite.graph import Op, Tensor, TfliteGraph
from mobiledeploy.exporters.tflite.layout import TO_NHWC, Layout, choose_layouts, nhwc_shape
from mobiledeploy.exporters.tflite.lowerings import lowering_for, supported_ops
from mobiledeploy.exporters.tflite.lowerings.registry import accepted_attributes, has_integer_form
from mobiledeploy.graph.onnx_graph import array_of, describe, name_of, required, shape_of, tidy
from mobiledeploy.graph.params import QuantParams
from mobiledeploy.runtime.targets import Target

__all__ = ["IoType", "lower", "set_io_type"]

IoType = Literal["float32", "int8", "uint8", "int16"]


def lower(model: ir.Model, target: Target, io: IoType = "float32") -> TfliteGraph:
    """Lower a float or QDQ model to a TFLite graph. Rank-4 image inputs and outputs become NHWC.

    Args:
        model: Not changed.
        io: Type of the inputs and outputs of a quantized model.

    Raises:
        UnsupportedModelError: A node has no lowering, or a form that TFLite cannot express.
    """
    model = tidy(model.clone())
    apply_rules(model, fusion_rules(target), target, "float32")
    fold_qdq(model, has_integer_form)
    _require_lowerings(model.graph)
    graph = _lower_nodes(model.graph, choose_layouts(model.graph), target)
    set_io_type(graph, io)
    graph.remove_dead_ops()
    return graph


def _require_lowerings(graph: ir.Graph) -> None:
    missing = {node.op_type: node for node in graph if lowering_for(node.op_type) is None or node.domain}
    if missing:
        nodes = "; ".join(describe(node) for node in missing.values())
        raise UnsupportedModelError(
            f"no TFLite lowering for {nodes}; replace the op in the model, or add a lowering "
            f"(docs/add_an_op.md). Supported: {', '.join(supported_ops())}"
        )


def _lower_nodes(graph: ir.Graph, layouts: dict[ir.Value, Layout], target: Target) -> TfliteGraph:
    result = TfliteGraph()
    tensors: dict[ir.Value, Tensor] = {}
    for value in graph.inputs:
        tensors[value] = _activation_tensor(value, layouts[value])
        result.inputs[name_of(value)] = tensors[value]
    for value in graph.initializers.values():
        tensors[value] = _constant_tensor(value)

    b = Builder(result, target)
    for node in graph:
        b.node = node
        b.results = [_activation_tensor(value, layouts[value]) for value in node.outputs]
        lowering = required(lowering_for(node.op_type))
        inputs = [None if value is None else tensors[value] for value in node.inputs]
        lowered = lowering(b, *inputs, **_attributes(node, accepted_attributes(lowering)))
        outputs = lowered if isinstance(lowered, list) else [lowered]
        _fuse_activation(node, outputs, result.ops)
        for value, tensor, expected in zip(node.outputs, outputs, b.results, strict=True):
            tensors[value] = b.to_layout(tensor, expected)
    for value in graph.outputs:
        result.outputs[name_of(value)] = _output_tensor(tensors[value])
    return result


def _output_tensor(tensor: Tensor) -> Tensor:
    """Return an output in its layout: a constant of rank 4 becomes NHWC, too."""
    if tensor.data is None or tensor.data.ndim != 4:
        return tensor
    data = np.ascontiguousarray(tensor.data.transpose(TO_NHWC))
    return replace(tensor, shape=data.shape, layout=Layout.NHWC, data=data)


def _activation_tensor(value: ir.Value, layout: Layout) -> Tensor:
    shape = nhwc_shape(shape_of(value)) if layout is Layout.NHWC else shape_of(value)
    params: QuantParams | None = value.meta.get(PARAMS)
    dtype = params.dtype if params is not None else _numpy_dtype(value)
    return Tensor(name_of(value), shape, dtype, layout, params)


def _numpy_dtype(value: ir.Value) -> np.dtype[Any]:
    dtype = value.dtype.numpy() if value.dtype is not None else np.dtype(np.float32)
    if dtype.kind == "f" and dtype != np.float32:
        raise UnsupportedModelError(
            f"{value.name!r} has type {dtype}, expected float32; export the model in it"
        )
    return dtype


def _constant_tensor(value: ir.Value) -> Tensor:
    data = array_of(value)
    if data.dtype.kind == "f":
        data = data.astype(np.float32, copy=False)
    return Tensor(name_of(value), data.shape, data.dtype, params=value.meta.get(PARAMS), data=data)


def _attributes(node: ir.Node, accepted: frozenset[str]) -> dict[str, Any]:
    unknown = set(node.attributes) - accepted
    if unknown:
        raise UnsupportedModelError(
            f"{describe(node)} has the attributes {', '.join(sorted(unknown))}, which its lowering does not "
            "handle; export the model without them"
        )
    return {name: attribute.value for name, attribute in node.attributes.items()}


def _fuse_activation(node: ir.Node, outputs: Sequence[Tensor], ops: list[Op]) -> None:
    if (activation := node.meta.get(FUSED_ACTIVATION)) is not None:
        assert outputs[0] in ops[-1].outputs, "a fused activation belongs to the node's last op"
        ops[-1].options["fused_activation_function"] = activation


def set_io_type(graph: TfliteGraph, io: IoType) -> None:
    """Let a quantized graph take and give integers instead of float32, in place. Those in float stay.

    int8 and int16 drop the QUANTIZE and DEQUANTIZE at the boundaries; uint8 puts a QUANTIZE to or from uint8
    there, whose parameters are those of int8 with 128 added to the zero point.
    """
    if io == "float32":
        return
    for name, tensor in graph.inputs.items():
        readers = [op for op in graph.ops if tensor in op.inputs]
        if readers and all(op.name == "QUANTIZE" for op in readers):
            graph.inputs[name] = _bare_input(graph, name, readers)
            if io == "uint8":
                graph.inputs[name].name = f"{name}/int8"
                outer = _uint8(graph.inputs[name], name)
                graph.ops.insert(0, Op("QUANTIZE", [outer], [graph.inputs[name]]))
                graph.inputs[name] = outer
    for name, tensor in graph.outputs.items():
        producer = graph.producer(tensor)
        if producer is not None and producer.name == "DEQUANTIZE" and producer.inputs[0] is not None:
            inner = graph.outputs[name] = producer.inputs[0]
            if io == "uint8":
                graph.outputs[name] = _uint8(inner, name)
                graph.ops.append(Op("QUANTIZE", [inner], [graph.outputs[name]]))


def _bare_input(graph: TfliteGraph, name: str, readers: list[Op]) -> Tensor:
    """Return the int8 tensor that the first QUANTIZE makes of an input; the others, if any, requantize it."""
    inner = readers[0].outputs[0]
    graph.ops.remove(readers[0])
    inner.name = name
    for op in readers[1:]:
        op.inputs[0] = inner
    return inner


def _uint8(tensor: Tensor, name: str) -> Tensor:
    dtype, signed = np.dtype(np.uint8), required(tensor.params)
    params = replace(signed, zero_point=signed.zero_point + 128, dtype=dtype)
    return replace(tensor, name=name, dtype=dtype, params=params)
