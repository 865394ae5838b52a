"""Ops that move elements and change none: what each does, computed on the numbers of the elements."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from mobiledeploy.graph.onnx_graph import array_of, constant, shape_of

__all__ = ["Elements", "move", "moved", "whole_channels"]

Elements = NDArray[np.int64]
"""For each element of a value the number of the source element that it holds."""


def _reshape(node: ir.Node, x: Elements) -> list[Elements]:
    return [x.reshape(shape_of(node.outputs[0]))]


def _split(node: ir.Node, x: Elements) -> list[Elements]:
    axis = node.attributes.get_int("axis", 0)
    sizes = [shape_of(value)[axis] for value in node.outputs]
    return np.split(x, np.cumsum(sizes)[:-1], axis)


def _slice(node: ir.Node, x: Elements) -> list[Elements]:
    starts, ends = _ints(node.inputs[1]), _ints(node.inputs[2])
    axes, steps = ([_ints(value) for value in node.inputs[3:]] + [[], []])[:2]
    axes, steps = axes or list(range(len(starts))), steps or [1] * len(starts)
    taken = [slice(None)] * x.ndim
    for axis, start, end, step in zip(axes, starts, ends, steps, strict=True):
        if step < 0:  # from before the first element ONNX starts at it, down to there Python ends at None
            taken[axis] = slice(max(start, -x.shape[axis]), None if end < -x.shape[axis] else end, step)
        else:
            taken[axis] = slice(start, end, step)
    return [x[tuple(taken)]]


def _ints(value: ir.Value | None) -> list[int]:
    """Return the numbers of a constant, none if it is absent."""
    array = constant(value)
    return [] if array is None else [int(i) for i in array.reshape(-1)]


def _gather(node: ir.Node, x: Elements) -> list[Elements]:
    return [np.take(x, array_of(node.inputs[1]), node.attributes.get_int("axis", 0))]


def _transpose(node: ir.Node, x: Elements) -> list[Elements]:
    return [x.transpose(node.attributes.get_ints("perm", range(x.ndim)[::-1]))]


_MOVES: dict[str, Callable[[ir.Node, Elements], list[Elements]]] = {
    "Flatten": _reshape,
    "Gather": _gather,
    "Identity": lambda node, x: [x],
    "Reshape": _reshape,
    "Slice": _slice,
    "Split": _split,
    "Squeeze": _reshape,
    "Transpose": _transpose,
    "Unsqueeze": _reshape,
}
"""What the ops that move one activation do to it; Concat moves several."""


def moved(node: ir.Node) -> list[ir.Value]:
    """Return the activations that a node moves and does not change; none for unknown shapes."""
    if not all(_is_static(value) for value in (*node.inputs, *node.outputs) if value is not None):
        return []
    if node.op_type == "Concat":
        values = [value for value in node.inputs if value is not None]
        return values if all(constant(value) is None for value in values) else []
    if node.op_type not in _MOVES or constant(node.inputs[0]) is not None:
        return []
    if any(constant(value) is None for value in node.inputs[1:] if value is not None):
        return []
    return [value for value in node.inputs[:1] if value is not None]


def _is_static(value: ir.Value) -> bool:
    return constant(value) is not None or (value.shape is not None and value.shape.is_static())


def move(node: ir.Node, inputs: Sequence[Elements]) -> list[Elements]:
    """Return the outputs of a node that moves ``inputs``, the elements of what `moved` names."""
    if node.op_type == "Concat":
        return [np.concatenate(inputs, node.attributes["axis"].as_int())]
    return _MOVES[node.op_type](node, inputs[0])


def whole_channels(held: Elements, sources: Sequence[Elements]) -> NDArray[np.int64] | None:
    """Return which channels of which sources a value holds.

    Args:
        held: Elements of the value.
        sources: (N, C, H, W) each, numbered on from one to the next.

    Returns:
        (channels, 2): source and channel, both from 0; None if the value holds other things than the channels
        of images as they are.
    """
    if held.ndim != 4:
        return None
    channels = []
    for channel in held.transpose(1, 0, 2, 3):
        index = next(i for i, source in enumerate(sources) if channel.flat[0] <= source.flat[-1])
        source = sources[index]
        number = int(channel.flat[0] - source.flat[0]) // source[0, 0].size % source.shape[1]
        if not np.array_equal(channel, source[:, number]):
            return None
        channels.append((index, number))
    return np.array(channels)
