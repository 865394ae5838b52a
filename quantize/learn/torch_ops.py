"""ONNX ops in PyTorch, on batches: a graph of batch 1 computes any number of samples at once.

The registry maps an op type to a function of the node that returns a function of tensors. What a node says
about itself (attributes, constants of integers, bounds of a Clip) is read and checked once; the tensors are
the node's inputs, None for those that are absent or hold no floats.

To add an op: write its function, register it with ``computes``, and refuse the forms that it does not know.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from types import MappingProxyType
from typing import Any

import onnx_ir as ir
import torch
from torch import Tensor
from torch.nn import functional

from mobiledeploy.base.errors import UnsupportedModelError
from mobiledeploy.exporters.rewrites.clamp import clamp_bounds
from mobiledeploy.graph.onnx_graph import constant, describe, input_at, required, shape_of

__all__ = ["Computation", "computation", "computes"]

Computation = Callable[..., "Tensor | Sequence[Tensor]"]
"""Tensors in (batch first), tensor out; a sequence of them for an op of several outputs."""

Maker = Callable[[ir.Node], Computation]

_MAKERS: dict[str, Maker] = {}


def computes(*op_types: str) -> Callable[[Maker], Maker]:
    """Register the function that makes an ONNX op's computation."""

    def register(function: Maker) -> Maker:
        _MAKERS.update(dict.fromkeys(op_types, function))
        return function

    return register


def computation(node: ir.Node) -> Computation:
    """Make what a node computes.

    Raises:
        UnsupportedModelError: No function computes the op, or not in this form; the message names the node.
    """
    make = None if node.domain else _MAKERS.get(node.op_type)
    if make is None:
        raise UnsupportedModelError(
            f"{describe(node)} cannot be computed in PyTorch, expected one of {', '.join(sorted(_MAKERS))}; "
            "quantize without high effort and without training, or add the op to quantize/learn/torch_ops.py"
        )
    return make(node)


def _refuse(node: ir.Node, what: str) -> UnsupportedModelError:
    return UnsupportedModelError(
        f"{describe(node)} {what}, expected a form that computes each sample of a batch alone; "
        "quantize without high effort and without training"
    )


def _ints(node: ir.Node, index: int) -> list[int] | None:
    """The integers of a constant input, or None where it is absent."""
    value = input_at(node, index)
    array = constant(value)
    if value is not None and array is None:
        raise _refuse(node, f"computes {value.name!r} at run time")
    return None if array is None else [int(number) for number in array.reshape(-1)]


def _shape(node: ir.Node, index: int) -> tuple[int, ...]:
    return shape_of(required(node.inputs[index]))


def _axis(node: ir.Node, axis: int) -> int:
    """An axis counted from the front.

    Raises:
        UnsupportedModelError: It is the batch.
    """
    axis %= len(_shape(node, 0))
    if axis == 0:
        raise _refuse(node, "works along the first axis")
    return axis


def _pads(node: ir.Node) -> tuple[list[int], tuple[int, int] | None]:
    """The pads (left, right, top, bottom), and (height, width) of each end where both ends are alike.

    Raises:
        UnsupportedModelError: The op pads automatically.
    """
    if node.attributes.get_string("auto_pad", "NOTSET") not in ("NOTSET", "VALID"):
        raise _refuse(node, "pads automatically")
    top, left, bottom, right = node.attributes.get_ints("pads", [0] * 4)
    return [left, right, top, bottom], (top, left) if (top, left) == (bottom, right) else None


# Linear ops


@computes("Conv")
def _conv(node: ir.Node) -> Computation:
    attributes = node.attributes
    spatial = len(_shape(node, 1)) - 2
    if spatial != 2:
        raise _refuse(node, f"has {spatial} spatial dimensions")
    edges, padding = _pads(node)
    options: dict[str, Any] = {
        "stride": tuple(attributes.get_ints("strides", [1, 1])),
        "dilation": tuple(attributes.get_ints("dilations", [1, 1])),
        "groups": attributes.get_int("group", 1),
    }
    if padding is not None:
        return lambda x, w, b=None: functional.conv2d(x, w, b, padding=padding, **options)
    return lambda x, w, b=None: functional.conv2d(functional.pad(x, edges), w, b, **options)


@computes("Gemm")
def _gemm(node: ir.Node) -> Computation:
    attributes = node.attributes
    if attributes.get_int("transA", 0):
        raise _refuse(node, "transposes its input")
    alpha, beta = attributes.get_float("alpha", 1.0), attributes.get_float("beta", 1.0)
    transposed = bool(attributes.get_int("transB", 0))

    def gemm(x: Tensor, w: Tensor, b: Tensor | None = None) -> Tensor:
        product = x @ (w.T if transposed else w)
        product = product if alpha == 1.0 else product * alpha
        return product if b is None else product + (b if beta == 1.0 else b * beta)

    return gemm


# Ops whose attributes say nothing, and elementwise ops


_PLAIN: MappingProxyType[str, Computation] = MappingProxyType(
    {
        "Identity": lambda x: x,
        "MatMul": lambda x, w, _=None: x @ w,
        "GlobalAveragePool": lambda x: x.mean(list(range(2, x.ndim)), keepdim=True),
        "Add": torch.add,
        "Sub": torch.sub,
        "Mul": torch.mul,
        "Relu": functional.relu,
        "Sigmoid": torch.sigmoid,
        "Tanh": torch.tanh,
        "HardSwish": functional.hardswish,
    }
)


@computes(*_PLAIN)
def _plain(node: ir.Node) -> Computation:
    return _PLAIN[node.op_type]


@computes("Clip")
def _clip(node: ir.Node) -> Computation:
    bounds = clamp_bounds(node.outputs[0])
    if bounds is None:
        raise _refuse(node, "computes its bounds at run time")
    low, high = bounds
    return lambda x, *_: torch.clamp(x, low, high)


@computes("HardSigmoid")
def _hard_sigmoid(node: ir.Node) -> Computation:
    alpha, beta = node.attributes.get_float("alpha", 0.2), node.attributes.get_float("beta", 0.5)
    return lambda x: torch.clamp(x * alpha + beta, 0.0, 1.0)


@computes("LeakyRelu")
def _leaky_relu(node: ir.Node) -> Computation:
    slope = node.attributes.get_float("alpha", 0.01)
    return lambda x: functional.leaky_relu(x, slope)


@computes("Softmax")
def _softmax(node: ir.Node) -> Computation:
    axis = _axis(node, node.attributes.get_int("axis", -1))
    return lambda x: torch.softmax(x, axis)


# Pooling


@computes("ReduceMean")
def _reduce_mean(node: ir.Node) -> Computation:
    axes = _ints(node, 1)
    if not axes:
        raise _refuse(node, "takes the mean over all axes")
    along = [_axis(node, axis) for axis in axes]
    keep = bool(node.attributes.get_int("keepdims", 1))
    return lambda x, _=None: x.mean(along, keepdim=keep)


@computes("MaxPool", "AveragePool")
def _pool(node: ir.Node) -> Computation:
    attributes = node.attributes
    kernel = list(attributes.get_ints("kernel_shape", []))
    if (
        len(kernel) != 2
        or len(node.outputs) != 1
        or attributes.get_int("ceil_mode", 0) != 0
        or any(step != 1 for step in attributes.get_ints("dilations", [1, 1]))
    ):
        raise _refuse(node, "pools in a way that is not known here")
    edges, padding = _pads(node)
    strides = list(attributes.get_ints("strides", [1, 1]))
    if node.op_type == "MaxPool":
        return lambda x: functional.max_pool2d(functional.pad(x, edges, value=-math.inf), kernel, strides)
    if attributes.get_int("count_include_pad", 0):
        return lambda x: functional.avg_pool2d(functional.pad(x, edges), kernel, strides)
    if padding is None:
        raise _refuse(node, f"has the uneven pads {list(attributes.get_ints('pads', []))}")
    return lambda x: functional.avg_pool2d(x, kernel, strides, padding, count_include_pad=False)


# Shapes


@computes("Concat")
def _concat(node: ir.Node) -> Computation:
    axis = _axis(node, node.attributes.get_int("axis", 1))
    return lambda *parts: torch.cat(parts, axis)


@computes("Split")
def _split(node: ir.Node) -> Computation:
    axis = _axis(node, node.attributes.get_int("axis", 0))
    sizes = [shape_of(value)[axis] for value in node.outputs]
    return lambda x, _=None: torch.split(x, sizes, axis)


@computes("Slice")
def _slice(node: ir.Node) -> Computation:
    starts, ends, axes, steps = (_ints(node, index) for index in range(1, 5))
    starts, ends = required(starts), required(ends)
    axes, steps = axes or list(range(len(starts))), steps or [1] * len(starts)
    if any(step < 1 for step in steps):
        raise _refuse(node, f"has the steps {steps}")
    cuts = {_axis(node, axis): slice(*cut) for axis, *cut in zip(axes, starts, ends, steps, strict=True)}
    index = tuple(cuts.get(axis, slice(None)) for axis in range(len(_shape(node, 0))))
    return lambda x, *_: x[index]


@computes("Gather")
def _gather(node: ir.Node) -> Computation:
    axis = _axis(node, node.attributes.get_int("axis", 0))
    if len(_shape(node, 1)) != 1:
        raise _refuse(node, "gathers by indices of another rank than 1")
    chosen = torch.tensor(_ints(node, 1))
    return lambda x, _=None: x.index_select(axis, chosen.to(x.device))


@computes("Pad")
def _pad(node: ir.Node) -> Computation:
    rank = len(_shape(node, 0))
    pads, axes = _ints(node, 1), _ints(node, 3)
    filled = constant(input_at(node, 2))
    if pads is None or axes is not None or pads[0] or pads[rank]:
        raise _refuse(node, f"pads the axes {axes or 'with the first'}")
    if node.attributes.get_string("mode", "constant") != "constant":
        raise _refuse(node, "pads with other than a constant")
    edges = [amount for axis in reversed(range(1, rank)) for amount in (pads[axis], pads[rank + axis])]
    number = 0.0 if filled is None else float(filled.reshape(-1)[0])
    return lambda x, *_: functional.pad(x, edges, value=number)


@computes("Reshape", "Flatten", "Squeeze", "Unsqueeze")
def _reshape(node: ir.Node) -> Computation:
    before, after = _shape(node, 0), shape_of(node.outputs[0])
    if not before or not after or before[0] != 1 or after[0] != 1:
        raise _refuse(node, f"makes {list(before)} into {list(after)}")
    return lambda x, *_: x.reshape(x.shape[0], *after[1:])


@computes("Transpose")
def _transpose(node: ir.Node) -> Computation:
    order = tuple(node.attributes.get_ints("perm", []))
    if not order or order[0] != 0:
        raise _refuse(node, f"has the order {list(order)}")
    return lambda x: x.permute(order)
