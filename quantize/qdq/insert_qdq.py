"""The one writer of quantization parameters into graphs: QuantizeLinear / DequantizeLinear pairs."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from mobiledeploy.graph.onnx_graph import activations_of, float_array, name_of, required, result_of
from mobiledeploy.graph.op_traits import CONSTANT_OPERANDS
from mobiledeploy.graph.params import QuantParams, activation_params, quantize
from mobiledeploy.quantize.qdq.plan import Plan

__all__ = ["QdqWriter", "insert_qdq"]

_FIRST_OPSET_WITH_INT16 = 21


def insert_qdq(model: ir.Model, plan: Plan) -> None:
    """Write a plan into its float graph, in place, as the TFLite specification wants it.

    Activations get a Q/DQ pair. Weights become int8 constants behind a DQ, symmetric per output channel;
    biases int32 constants behind a DQ with scale = input scale * weight scale; other constants are quantized
    as activations are, per tensor. Beside int16 activations biases stay in float.
    """
    if plan.dtype == np.int16:
        model.opset_imports[""] = max(model.opset_imports.get("", 0), _FIRST_OPSET_WITH_INT16)
    writer = QdqWriter(model.graph)
    values = activations_of(model.graph)
    for node in list(model.graph):
        if result_of(node) in plan.points.integer_nodes:
            _quantize_constants(writer, node, plan)
    for name in plan.points.values:
        writer.insert_pair(values[name], plan.activations[name])


class QdqWriter:
    """Adds quantization parameters and Q/DQ nodes to a graph."""

    def __init__(self, graph: ir.Graph) -> None:
        self.graph = graph

    def constant(self, name: str, array: NDArray[Any]) -> ir.Value:
        """The constant of that name, a new one if there is none."""
        value = self.graph.initializers.get(name)
        if value is None:
            value = ir.Value(name=name, const_value=ir.Tensor(array, name=name))
            self.graph.initializers[name] = value
        return value

    def _parameters(self, name: str, params: QuantParams) -> tuple[ir.Value, ir.Value]:
        per_tensor = params.axis is None
        scale = params.scale[0] if per_tensor else params.scale
        zero_point = (params.zero_point[0] if per_tensor else params.zero_point).astype(params.dtype)
        return (
            self.constant(f"{name}/scale", np.asarray(scale, np.float32)),
            self.constant(f"{name}/zero_point", np.asarray(zero_point)),
        )

    def add_pair(self, value: ir.Value, params: QuantParams) -> ir.Value:
        """Put value -> Q -> DQ into the graph; what comes out of DQ."""
        name = name_of(value)
        scale, zero_point = self._parameters(name, params)
        q = ir.Node("", "QuantizeLinear", [value, scale, zero_point], name=f"{name}/Q")
        dq = ir.Node("", "DequantizeLinear", [q.outputs[0], scale, zero_point], name=f"{name}/DQ")
        (integers,), (real,) = q.outputs, dq.outputs
        integers.name, integers.dtype = f"{name}/{params.dtype}", ir.DataType.from_numpy(params.dtype)
        real.name, real.dtype = f"{name}/real", ir.DataType.FLOAT
        integers.shape = real.shape = value.shape
        producer = value.producer()
        if producer is not None:
            self.graph.insert_after(producer, [q, dq])
        else:
            self.graph.insert_before(self.graph[0], [q, dq])
        return real

    def insert_pair(self, value: ir.Value, params: QuantParams) -> None:
        """value -> Q -> DQ -> the readers of value, which keeps its name if it is an output of the model."""
        name, readers = name_of(value), list(value.uses())
        real = self.add_pair(value, params)
        for use in readers:
            use.node.replace_input_with(use.idx, real)
        if value.is_graph_output():
            for index, output in enumerate(self.graph.outputs):
                if output is value:
                    self.graph.outputs[index] = real
            value.name, real.name = f"{name}/float", name

    def replace_constant(
        self, node: ir.Node, index: int, real: NDArray[np.float32], params: QuantParams
    ) -> None:
        """Give a node its constant as integers -> DQ."""
        array = quantize(real, params)
        name = f"{name_of(required(node.inputs[index]))}/{result_of(node)}"
        scale, zero_point = self._parameters(name, params)
        integers = self.constant(f"{name}/{params.dtype}", array)
        axis = [] if params.axis is None else [ir.AttrInt64("axis", params.axis)]
        dq = ir.Node("", "DequantizeLinear", [integers, scale, zero_point], axis, name=f"{name}/DQ")
        dq.outputs[0].name, dq.outputs[0].dtype = f"{name}/real", ir.DataType.FLOAT
        dq.outputs[0].shape = ir.Shape(array.shape)
        self.graph.insert_before(node, dq)
        node.replace_input_with(index, dq.outputs[0])


def _quantize_constants(writer: QdqWriter, node: ir.Node, plan: Plan) -> None:
    linear = plan.linear(node)
    if linear is not None:
        if linear.bias is not None and linear.bias_params is not None:
            writer.replace_constant(node, 2, linear.bias, linear.bias_params)
        writer.replace_constant(node, 1, linear.weights, linear.params)
    elif node.op_type in CONSTANT_OPERANDS:
        for index, value in enumerate(node.inputs):
            if (array := float_array(value)) is not None:
                own = activation_params(float(array.min()), float(array.max()), plan.dtype)
                writer.replace_constant(node, index, array, own)
