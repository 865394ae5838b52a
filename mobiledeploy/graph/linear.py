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
from mobiledeploy.graph.onnx_graph import float_array

__all__ = [
    "LINEAR_OPS",
    "by_channels",
    "output_channels",
    "per_input",
    "per_output",
    "scale_and_shift",
    "scale_input",
    "why_not_constant",
]

LINEAR_OPS = ("Conv", "ConvTranspose", "Gemm")
"""Ops with weights as second input and, optionally, a bias as third."""


def why_not_constant(result: ir.Value) -> str | None:
    """Why the constants of the linear op that computes ``result`` cannot be changed, or None."""
    node = _producer(result)
    if float_array(node.inputs[1]) is None:
        return "the weights are computed at run time"
    bias = _bias(node)
    if bias is not None and float_array(bias) is None:
        return "the bias is computed at run time"
    return None


def scale_and_shift(
    op: Any, x: ir.Value, result: ir.Value, factor: Any, offset: Any, bias_name: ir.Value | None = None
) -> Any:
    """``factor * result + offset`` as one linear op on ``x``.

    Args:
        result: Output of a linear op that `why_not_constant` has nothing against.
        factor: A number, or one per output channel: (channels,), float64.
        offset: The same.
        bias_name: What to name a bias after, should the op have none yet.
    """
    node, bias = _producer(result), _bias(_producer(result))
    weights, old = float_array(node.inputs[1]), float_array(bias)
    assert weights is not None
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
    """The linear op or matrix product that computes ``result``, with ``factor * x`` as its first input."""
    node = _producer(result)
    weights = float_array(node.inputs[1])
    assert weights is not None
    scaled = initializer(op, node.inputs[1], weights.astype(np.float64) * factor)
    return getattr(op, node.op_type)(x, scaled, *node.inputs[2:], **node.attributes)


def _producer(result: ir.Value) -> ir.Node:
    node = result.producer()
    assert node is not None
    return node


def _bias(node: ir.Node) -> ir.Value | None:
    return node.inputs[2] if len(node.inputs) > 2 else None


def output_channels(node: ir.Node, weights: tuple[int, ...]) -> int:
    """Number of output channels."""
    if node.op_type == "ConvTranspose":
        return weights[1] * node.attributes.get_int("group", 1)
    if node.op_type == "Gemm" and not node.attributes.get_int("transB", 0):
        return weights[1]
    return weights[0]


def per_output(node: ir.Node, weights: tuple[int, ...], factor: Any) -> NDArray[np.float64]:
    """The factor, shaped to multiply weights of that shape along their output channels."""
    per_channel = np.asarray(factor, np.float64)
    if per_channel.ndim == 0:
        return per_channel
    transposed = node.op_type == "Gemm" and node.attributes.get_int("transB", 0) == 1
    if node.op_type == "Conv" or transposed:
        return per_channel.reshape(-1, *[1] * (len(weights) - 1))  # (out, in/groups, kh, kw) or (out, in)
    if node.op_type == "Gemm":
        return per_channel  # (in, out)
    # ConvTranspose, (in, out/groups, kh, kw): an input channel feeds the outputs of its own group.
    groups = node.attributes.get_int("group", 1)
    rows = np.repeat(per_channel.reshape(groups, weights[1]), weights[0] // groups, axis=0)
    return rows.reshape(*weights[:2], *[1] * (len(weights) - 2))


def per_input(node: ir.Node, weights: tuple[int, ...], factor: NDArray[np.float64]) -> NDArray[np.float64]:
    """A factor for each input channel, (channels,), shaped to multiply weights of that shape."""
    if node.op_type == "Gemm":
        return factor if node.attributes.get_int("transB", 0) else factor[:, None]
    if node.op_type == "ConvTranspose":
        return factor.reshape(-1, *[1] * (len(weights) - 1))  # (in, out/groups, kh, kw)
    # Conv, (out, in/groups, kh, kw): an output channel reads the inputs of its own group.
    groups = node.attributes.get_int("group", 1)
    rows = np.repeat(factor.reshape(groups, weights[1]), weights[0] // groups, axis=0)
    return rows.reshape(*weights[:2], *[1] * (len(weights) - 2))


def by_channels(node: ir.Node, weights: NDArray[np.float32]) -> NDArray[np.float32]:
    """Weights of a linear op as (groups, outputs of a group, inputs of a group, taps)."""
    groups = node.attributes.get_int("group", 1)
    if node.op_type == "Gemm":
        return (weights if node.attributes.get_int("transB", 0) else weights.T)[None, :, :, None]
    if node.op_type == "ConvTranspose":
        inputs, outputs = weights.shape[:2]
        return weights.reshape(groups, inputs // groups, outputs, -1).transpose(0, 2, 1, 3)
    return weights.reshape(groups, weights.shape[0] // groups, weights.shape[1], -1)
