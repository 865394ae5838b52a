"""What a lowering builds with: it names, shapes, types and lays out, so that a lowering need not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from mobiledeploy.base.errors import UnsupportedModelError
from mobiledeploy.exporters.tflite.graph import Op, Tensor, TfliteGraph
from mobiledeploy.exporters.tflite.layout import TO_NHWC, Layout, nhwc_shape
from mobiledeploy.graph.onnx_graph import describe, required
from mobiledeploy.graph.params import QuantParams, activation_params, dequantize, quantize, weight_params
from mobiledeploy.runtime.targets import Precision, Target

__all__ = ["Builder"]

_TO_NCHW = (0, 3, 1, 2)


class Builder:
    """Appends ops to a TfliteGraph on behalf of the ONNX node that is being lowered.

    Attributes:
        target: Runtime that the graph is for.
        node: The ONNX node being lowered.
        results: Tensors that stand for the node's outputs: shape, type, parameters and
            layout are decided already.
    """

    def __init__(self, graph: TfliteGraph, target: Target) -> None:
        self.graph, self.target = graph, target
        self.node: ir.Node
        self.results: list[Tensor] = []
        self._onnx_order: dict[Tensor, Tensor] = {}

    @property
    def op_type(self) -> str:
        """The ONNX op that is being lowered."""
        return self.node.op_type

    @property
    def result(self) -> Tensor:
        """The tensor that stands for the node's only output."""
        return self.results[0]

    @property
    def is_quantized(self) -> bool:
        """Whether the node computes on integers that stand for real numbers."""
        return self.result.params is not None

    @property
    def is_int8(self) -> bool:
        """Whether the node computes in int8."""
        return self.result.dtype == np.int8

    @property
    def precision(self) -> Precision:
        """What the target's table calls the type that the node computes in."""
        if not self.is_quantized:
            return "float32"
        return "int8" if self.is_int8 else "int16"

    def op(
        self, name: str, *inputs: Tensor | None, to: Tensor | Sequence[Tensor] | None = None, **options: Any
    ) -> Tensor:
        """Append an op and return its first output.

        Args:
            name: TFLite builtin, such as "CONV_2D".
            inputs: Tensors in the builtin's order; None for an absent optional input.
            to: Where the result goes; the node's own output when left out.
            options: Fields of the builtin's option table in snake case; enumerations by name.
        """
        outputs = [self.result] if to is None else [to] if isinstance(to, Tensor) else list(to)
        self.graph.ops.append(Op(name, list(inputs), outputs, options, describe(self.node)))
        return outputs[0]

    def constant(self, array: NDArray[Any], suffix: str, params: QuantParams | None = None) -> Tensor:
        """Make a constant that belongs to the node, such as paddings (int32) or repacked weights."""
        return Tensor(f"{self.results[0].name}/{suffix}", array.shape, array.dtype, params=params, data=array)

    def refuse(self, what: str, remedy: str) -> UnsupportedModelError:
        """Return the error to raise when the node cannot be expressed in TFLite."""
        return UnsupportedModelError(f"{describe(self.node)} has {what}; {remedy}")

    # Weights and biases

    def weights(self, value: Tensor, order: Sequence[int], axis: int) -> Tensor:
        """Return constant weights in TFLite's order of axes, symmetric int8 ones when the node is quantized.

        Args:
            value: The tensor that the ONNX node was given.
            order: TFLite's axes, counted as in ONNX.
            axis: The output channel axis in TFLite's order.
        """
        array, params = np.ascontiguousarray(required(value.data).transpose(order)), value.params
        if params is not None:
            if params.dtype != np.int8:
                raise self.refuse(
                    f"weights in {params.dtype}", "TFLite's kernels need int8, quantize them so"
                )
            if np.any(params.zero_point):
                raise self.refuse(
                    "asymmetric weights (zero point other than 0)",
                    "TFLite's int8 kernels need symmetric weights, quantize them with zero point 0",
                )
            if params.axis is not None and params.axis % array.ndim != order[axis]:
                raise self.refuse(
                    f"weights with one scale per slice of axis {params.axis}",
                    f"quantize them per output channel, which is axis {order[axis]}",
                )
            params = replace(params, axis=None if params.axis is None else axis)
        elif self.is_quantized:
            params = weight_params(array, axis)
            array = quantize(array, params)
        return Tensor(value.name, array.shape, array.dtype, params=params, data=array)

    def bias(self, value: Tensor | None, channels: int, x: Tensor, weights: Tensor) -> Tensor:
        """Return the bias of a linear op, (channels,): float32, or integers of scale input * weight scale.

        They are int32 beside int8 activations and int64 beside int16 ones.
        """
        if value is None:
            value = self.constant(np.zeros(channels, np.float32), "bias")
        if value.data is None:
            raise self.refuse("a bias that is computed at run time", "make it a constant")
        if value.data.size not in (1, channels):
            raise self.refuse(
                f"a bias of shape {value.data.shape}", f"use one number for each of {channels} outputs"
            )
        data = np.broadcast_to(value.data.reshape(-1), channels)
        if weights.params is None or x.params is None:
            return Tensor(value.name, data.shape, data.dtype, data=data)
        per_channel = weights.params.axis is not None
        scale = (x.params.scale * weights.params.scale).astype(np.float32)
        dtype = np.dtype(np.int64 if x.dtype == np.int16 else np.int32)
        params = QuantParams(scale, np.zeros(scale.shape, np.int64), 0 if per_channel else None, dtype)
        if (
            value.params is None
            or value.dtype != dtype
            or not np.allclose(value.params.scale, scale, rtol=1e-6, atol=0)
        ):
            real = data if value.params is None else dequantize(data, replace(value.params, axis=0))
            data = quantize(real, params)
        return Tensor(value.name, data.shape, data.dtype, params=params, data=data)

    # Shape and layout

    def reshape(self, x: Tensor, shape: tuple[int, ...], to: Tensor | None = None) -> Tensor:
        """RESHAPE, or nothing where the shape is there already; chains collapse into one."""
        x = self._before(x, "RESHAPE")
        if x.shape == shape and x.layout is (Layout.ONNX if to is None else to.layout):
            return x
        if to is None:
            to = replace(x.with_shape(shape, "reshape"), layout=Layout.ONNX)
        target = self.constant(np.array(shape, np.int32), "shape")
        return self.op("RESHAPE", x, target, to=to, new_shape=list(shape))

    def transpose(self, x: Tensor, order: Sequence[int], to: Tensor | None = None) -> Tensor:
        """TRANSPOSE; where it only moves axes of size 1, a RESHAPE. Chains collapse into one."""
        while (before := self.graph.producer(x)) is not None and before.name == "TRANSPOSE":
            x, earlier = required(before.inputs[0]), required(required(before.inputs[1]).data)
            order = [int(earlier[axis]) for axis in order]
        shape = tuple(x.shape[axis] for axis in order)
        moved = [axis for axis in order if x.shape[axis] != 1]
        if moved == sorted(moved):
            return self.reshape(x, shape, to=to)
        if to is None:
            to = replace(x.with_shape(shape, "transpose"), layout=Layout.ONNX)
        return self.op("TRANSPOSE", x, self.constant(np.array(order, np.int32), "order"), to=to)

    def _before(self, x: Tensor, name: str) -> Tensor:
        """Return what ``x`` was before the op of that name, applied once or several times over."""
        while (op := self.graph.producer(x)) is not None and op.name == name:
            x = required(op.inputs[0])
        return x

    @property
    def onnx_result(self) -> Tensor:
        """Where an op puts the node's result that computes it in ONNX's order of axes."""
        result = self.result
        if result.layout is Layout.ONNX:
            return result
        shape = tuple(result.shape[axis] for axis in _TO_NCHW)
        return replace(result.with_shape(shape, "nchw"), layout=Layout.ONNX)

    def onnx_order(self, x: Tensor) -> Tensor:
        """Return the tensor with its axes in memory as ONNX orders them."""
        if x.layout is Layout.ONNX:
            return x
        if x not in self._onnx_order:
            self._onnx_order[x] = self.transpose(x, _TO_NCHW)
        return self._onnx_order[x]

    def to_layout(self, x: Tensor, wanted: Tensor) -> Tensor:
        """Return the tensor in the layout of ``wanted``, under whose name it goes on."""
        if x is wanted or x.layout is wanted.layout:
            return x
        return self.transpose(x, TO_NHWC if wanted.layout is Layout.NHWC else _TO_NCHW, to=wanted)

    def broadcastable(self, x: Tensor) -> Tensor:
        """Return an operand of an element-wise op, its axes aligned with the result as broadcasting needs."""
        result = self.result
        if result.layout is not Layout.NHWC or x.layout is Layout.NHWC or x.shape in ((), (1,)):
            return x
        rank4 = (1,) * (4 - len(x.shape)) + x.shape
        if x.data is not None:
            data = np.ascontiguousarray(x.data.reshape(rank4).transpose(TO_NHWC))
            return replace(x, shape=data.shape, data=data)
        aligned = self.reshape(x, rank4)
        return self.transpose(aligned, TO_NHWC, to=replace(aligned.with_shape(nhwc_shape(rank4), "nhwc")))

    # Quantization

    def operand(self, x: Tensor) -> Tensor:
        """Return an input that may have parameters of its own; a float constant gets them here."""
        wanted = self.result.params
        if wanted is None or x.data is None or x.params is not None:
            return x
        params = activation_params(float(x.data.min()), float(x.data.max()), wanted.dtype)
        return replace(x, dtype=params.dtype, params=params, data=quantize(x.data, params))

    def same_params(self, x: Tensor) -> Tensor:
        """Return an input with the result's parameters, as ops that move data need; by QUANTIZE if not."""
        wanted = self.result.params
        if wanted is None or (x.params is not None and x.params.same_as(wanted)):
            return x
        if x.data is not None:
            real = x.data if x.params is None else dequantize(x.data, x.params)
            return replace(x, dtype=wanted.dtype, params=wanted, data=quantize(real, wanted))
        requantized = replace(x.with_shape(x.shape, "requantized"), params=wanted)
        return self.op("QUANTIZE", x, to=requantized)
