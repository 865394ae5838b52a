"""New constants for a graph: in the replacement that a rewrite builds, or in place of another constant."""

from __future__ import annotations

import itertools
from collections.abc import Container, Sequence
from typing import Any

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from mobiledeploy.graph.onnx_graph import name_of, required

__all__ = [
    "add_initializer",
    "axes_list",
    "free_name",
    "initializer",
    "number",
    "replace_constant",
    "settle_names",
]


def initializer(op: Any, like: ir.Value | None, array: NDArray[np.floating[Any]]) -> ir.Value:
    """Make a float32 constant for a replacement graph, named after the constant that it replaces."""
    return _new(op, np.asarray(array, np.float32), like.name if like is not None else None)


def number(op: Any, value: float) -> ir.Value:
    """Make a float32 scalar constant for a replacement graph."""
    return _new(op, np.float32(value), f"{value:.6g}")


def axes_list(op: Any, axes: Sequence[int]) -> ir.Value:
    """Make an int64 constant of shape (len(axes),) for a replacement graph."""
    return _new(op, np.array(axes, np.int64), "axes")


_MARK = "~rewritten~"
_serial = itertools.count(1)


def _new(op: Any, array: Any, stem: str | None) -> ir.Value:
    """Make a constant whose name cannot be taken yet; `settle_names` makes it readable and reproducible."""
    name = f"{stem or 'constant'}{_MARK}{next(_serial)}"
    value: ir.Value = op.initializer(ir.tensor(array, name=name), name=name)
    return value


def settle_names(graph: ir.Graph) -> None:
    """Name new constants after what they replace, in graph order, so that two runs give the same names."""
    taken = {value.name for value in graph.inputs} | set(graph.initializers)
    taken |= {value.name for node in graph for value in node.outputs}
    used = dict.fromkeys(value for node in graph for value in node.inputs if value is not None)
    for value in used:
        if value.is_initializer() and value.name is not None and _MARK in value.name:
            value.name = free_name(value.name.split(_MARK)[0], taken)
            taken.add(value.name)


def free_name(stem: str, taken: Container[str | None]) -> str:
    """Return the first of stem, stem:1, stem:2, ... that is not taken."""
    names = itertools.chain([stem], (f"{stem}:{i}" for i in itertools.count(1)))
    return next(name for name in names if name not in taken)


def replace_constant(graph: ir.Graph, node: ir.Node, index: int, array: NDArray[np.generic]) -> None:
    """Give a node another array of the same shape as its constant input; other readers keep the old one."""
    value = required(node.inputs[index])
    if len(value.uses()) == 1 and not value.is_graph_output():
        value.const_value = ir.tensor(array, name=value.name)
    else:
        name = free_name(name_of(value), graph.initializers)
        node.replace_input_with(index, add_initializer(graph, name, array))


def add_initializer(graph: ir.Graph, name: str, array: NDArray[np.generic]) -> ir.Value:
    """Make a constant of a graph with that name."""
    value = ir.Value(name=name, const_value=(tensor := ir.tensor(array, name=name)))
    value.shape, value.dtype = ir.Shape(array.shape), tensor.dtype
    graph.initializers[name] = value
    return value
