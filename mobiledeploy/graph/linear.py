"""Moving constants into the weights and the bias of a linear op, for the rules that do so.

factor * Linear(x, w, b) + offset = Linear(x, factor * w, factor * b + offset)
Linear(factor * x, w, b)          = Linear(x, factor * w, b)
"""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from mobiledeploy.graph.constants import initializer
from mobiledeploy.graph.onnx_graph import float_array, input_at, producer_of, required
from mobiledeploy.graph.op_traits import channel_axis

__all__ = [
    "by_channels",
    "output_channels",
    "per_input",
    "per_output",
    "scale_and_shift",
    "scale_input",
    "why_not_constant",
]


def why_not_constant(result: ir.Value) -> str | None:
    """Return why the constants of the linear op that computes ``result`` cannot be changed, or None."""
    node = producer_of(result)
    if float_array(node.inputs[1]) is None:
        return "the weights are computed at run time"
    bias = input_at(node, 2)
    if bias is not None and float_array(bias) is None:
        return "the bias is computed at run time"
    return None


def scale_and_shift(
    op: Any, x: ir.Value, result: ir.Value, factor: Any, offset: Any, bias_name: ir.Value | None = None
) -> Any:
    """Return ``factor * result + offset`` as one linear op on ``x``.

    Args:
        result: Output of a linear op that `why_not_constant` has nothing against.
        factor: A number, or one per output channel: (channels,), float64.
        offset: The same.
        bias_name: What to name a bias after, should the op have none yet.
    """
    node, bias = producer_of(result), input_at(producer_of(result), 2)
    weights, old = required(float_array(node.inputs[1])), float_array(bias)
    inputs = [x, initializer(op, node.inputs[1], weights * per_output(node, weights.shape, factor))]
    attributes = dict(node.attributes)
    if old is not None or np.any(offset):
        real = 0.0 if old is None else old.astype(np.float64) * node.attributes.get_float("beta", 1.0)
        new = np.asarray(real * factor + offset)
        if new.ndim < 2:  # Gemm takes a scalar or a matrix, too
            new = np.broadcast_to(new, output_channels(node, weights.shape))
        inputs.append(initializer(op, bias if bias is not None else bias_name, new))
        attributes.pop("beta", None)
    return getattr(op, node.op_type)(*inputs, **attributes)


def scale_input(op: Any, x: ir.Value, result: ir.Value, factor: float) -> Any:
    """Return the linear op or matrix product that computes ``result``, on ``factor * x``."""
    node = producer_of(result)
    weights = required(float_array(node.inputs[1]))
    scaled = initializer(op, node.inputs[1], weights.astype(np.float64) * factor)
    return getattr(op, node.op_type)(x, scaled, *node.inputs[2:], **node.attributes)


# Weights are (out, in/groups, ...) where the output channel axis is 0, (in, out/groups, ...) where it is 1.


def output_channels(node: ir.Node, weights: tuple[int, ...]) -> int:
    """Return the number of output channels."""
    axis = channel_axis(node)
    return weights[axis] * (_groups(node) if axis == 1 else 1)


def per_output(node: ir.Node, weights: tuple[int, ...], factor: Any) -> NDArray[np.float64]:
    """Return a number, or one for each output channel (channels,), shaped to multiply weights."""
    factors = np.asarray(factor, np.float64)
    return factors if factors.ndim == 0 else _along(channel_axis(node), factors, weights, _groups(node))


def per_input(node: ir.Node, weights: tuple[int, ...], factor: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return a factor for each input channel, (channels,), shaped to multiply weights."""
    return _along(1 - channel_axis(node), factor, weights, _groups(node))


def _along(
    axis: int, factors: NDArray[np.float64], weights: tuple[int, ...], groups: int
) -> NDArray[np.float64]:
    """Shape factors to multiply weights along axis 0, or along axis 1, where every group has its own part."""
    taps = [1] * (len(weights) - 2)
    if axis == 0:
        return factors.reshape(-1, 1, *taps)
    rows = np.repeat(factors.reshape(groups, weights[1]), weights[0] // groups, axis=0)
    return rows.reshape(*weights[:2], *taps)


def by_channels(node: ir.Node, weights: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return weights of a linear op as (groups, outputs of a group, inputs of a group, taps)."""
    groups, (first, second) = _groups(node), weights.shape[:2]
    grouped = weights.reshape(groups, first // groups, second, -1)
    return grouped.transpose(0, 2, 1, 3) if channel_axis(node) else grouped


def _groups(node: ir.Node) -> int:
    return node.attributes.get_int("group", 1)
