"""What a lowering builds with: it names, shapes, types, lays out and deduplicates, so that a lowering need not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from mobiledeploy.errors import UnsupportedModelError
from mobiledeploy.exporters.layout import TO_NHWC, Layout, nhwc_shape
from mobiledeploy.exporters.onnx_graph import describe
from mobiledeploy.exporters.tflite_graph import Op, Tensor, TfliteGraph
from mobiledeploy.quantize.params import QuantParams, dequantize, quantize, weight_params

__all__ = ["Builder"]

_TO_NCHW = (0, 3, 1, 2)


class Builder:
    """Appends ops to a TfliteGraph on behalf of the ONNX node that is being lowered.

    Attributes:
        node: The ONNX node being lowered.
        results: Tensors that stand for the node's outputs: shape, type, parameters and layout already decided.
    """

    def __init__(self, graph: TfliteGraph) -> None:
        self.graph = graph
        self.node: ir.Node | None = None
        self.results: list[Tensor] = []
        self._onnx_order: dict[Tensor, Tensor] = {}

    @property
    def result(self) -> Tensor:
        """The tensor that stands for the node's only output."""
        return self.results[0]

    @property
    def is_int8(self) -> bool:
        """Whether the node computes in int8."""
        return self.result.dtype == np.int8

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
        source = describe(self.node) if self.node is not None else ""
        self.graph.ops.append(Op(name, list(inputs), outputs, options, source))
        return outputs[0]

    def constant(self, array: NDArray[Any], suffix: str, params: QuantParams | None = None) -> Tensor:
        """A constant that belongs to the node, such as paddings (int32) or repacked weights."""
        return Tensor(f"{self.results[0].name}/{suffix}", array.shape, array.dtype, params=params, data=array)

    def refuse(self, what: str, remedy: str) -> UnsupportedModelError:
        """The error to raise when the node cannot be expressed in TFLite."""
        node = describe(self.node) if self.node is not None else "the model"
        return UnsupportedModelError(f"{node} has {what}; {remedy}")

    # Weights and biases

    def weights(self, value: Tensor, array: NDArray[Any], axis: int) -> Tensor:
        """Weights repacked for TFLite, quantized symmetrically when the node is int8.

        Args:
            value: The tensor that the ONNX node was given, for its name and parameters.
            array: Its data in TFLite's order.
            axis: The output channel axis of ``array``.
        """
        params = value.params
        if params is not None:
            if np.any(params.zero_point):
                raise self.refuse(
                    "asymmetric weights (zero point other than 0)",
                    "TFLite's int8 kernels need symmetric weights, quantize them with zero point 0",
                )
            params = replace(params, axis=None if params.axis is None else axis)
        elif self.is_int8:
            params = weight_params(array, axis)
            array = quantize(array, params)
        array = np.ascontiguousarray(array)
        return Tensor(value.name, array.shape, array.dtype, params=params, data=array)

    def bias(self, value: Tensor | None, channels: int, x: Tensor, weights: Tensor) -> Tensor:
        """The bias of a linear op: float32, or int32 with scale = input scale * weight scale."""
        name = value.name if value is not None else f"{self.result.name}/bias"
        if value is None:
            real: NDArray[np.float32] = np.zeros(channels, np.float32)
        elif value.data is None:
            raise self.refuse("a bias that is computed at run time", "make it a constant")
        else:
            real = dequantize(value.data, value.params) if value.params is not None else value.data
        if weights.params is None or x.params is None:
            return Tensor(name, real.shape, np.dtype(np.float32), data=real)
        scale = np.broadcast_to(x.params.scale * weights.params.scale, real.shape).astype(np.float32)
        if value is not None and value.params is not None and value.data is not None:
            if value.data.dtype == np.int32 and np.allclose(value.params.scale, scale, rtol=1e-6, atol=0):
                real_int = value.data
            else:
                real_int = np.rint(real / scale.astype(np.float64))
        else:
            real_int = np.rint(real / scale.astype(np.float64))
        per_channel = weights.params.axis is not None
        params = QuantParams(
            scale if per_channel else scale[:1],
            np.zeros(channels if per_channel else 1, np.int64),
            0 if per_channel else None,
            np.dtype(np.int32),
        )
        limits = np.iinfo(np.int32)
        data = np.clip(real_int, limits.min, limits.max).astype(np.int32)
        return Tensor(name, data.shape, data.dtype, params=params, data=data)

    # Shape and layout

    def reshape(self, x: Tensor, shape: tuple[int, ...], to: Tensor | None = None) -> Tensor:
        """RESHAPE, or nothing where the shape is there already; chains collapse into one."""
        while (
            (op := self.graph.producer(x)) is not None and op.name == "RESHAPE" and op.inputs[0] is not None
        ):
            x = op.inputs[0]
        if to is None:
            if x.shape == shape:
                return x
            to = replace(x.with_shape(shape, "reshape"), layout=Layout.ONNX)
        target = self.constant(np.array(shape, np.int32), "shape")
        return self.op("RESHAPE", x, target, to=to, new_shape=list(shape))

    def transpose(self, x: Tensor, order: Sequence[int], to: Tensor | None = None) -> Tensor:
        """TRANSPOSE; where it only moves axes of size 1, a RESHAPE."""
        order = tuple(order)
        shape = tuple(x.shape[axis] for axis in order)
        if to is None:
            to = replace(x.with_shape(shape, "transpose"), layout=Layout.ONNX)
        moved = [axis for axis in order if x.shape[axis] != 1]
        if moved == sorted(moved):
            return self.reshape(x, shape, to=to)
        return self.op("TRANSPOSE", x, self.constant(np.array(order, np.int32), "order"), to=to)

    def onnx_order(self, x: Tensor) -> Tensor:
        """The tensor with its axes in memory as ONNX orders them."""
        if x.layout is Layout.ONNX:
            return x
        if x not in self._onnx_order:
            self._onnx_order[x] = self.transpose(x, _TO_NCHW)
        return self._onnx_order[x]

    def to_layout(self, x: Tensor, wanted: Tensor) -> Tensor:
        """The tensor in the layout of ``wanted``, under whose name it goes on."""
        if x is wanted or x.layout is wanted.layout:
            return x
        if wanted.layout is Layout.NHWC:
            return self.transpose(x, TO_NHWC, to=wanted)
        return self.transpose(x, _TO_NCHW, to=wanted)

    def broadcastable(self, x: Tensor) -> Tensor:
        """An operand of an element-wise op, its axes aligned with the node's result as broadcasting needs."""
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

    def same_params(self, x: Tensor) -> Tensor:
        """The input with the node's output parameters, as ops that only move data need; QUANTIZE if they differ."""
        wanted = self.result.params
        if x.params is None or wanted is None or x.params.same_as(wanted):
            return x
        requantized = replace(x.with_shape(x.shape, "requantized"), params=wanted)
        return self.op("QUANTIZE", x, to=requantized)
