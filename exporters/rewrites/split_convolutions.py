"""What a convolution computes only to be split is computed by a convolution for each part.

    Split(F(Conv(x, w, b))) = F(Conv(x, w1, b1)), F(Conv(x, w2, b2)), ...   for F that is element-wise

with w1, w2, ... the weights of each part's output channels. Nothing is copied then. MixConv
(arXiv:1907.09595) splits what an expansion has made among its kernels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import onnx_ir as ir

from mobiledeploy.exporters.rewrites.rule import Applied, Refusal, RewriteLog
from mobiledeploy.graph.constants import add_initializer
from mobiledeploy.graph.onnx_graph import array_of, constant, describe, rank, shape_of, tidy
from mobiledeploy.graph.op_traits import BROADCASTING, ELEMENTWISE
from mobiledeploy.runtime.targets import Precision, Target

__all__ = ["split_convolutions"]

_NAME = "SplitConvolutions"
_NARROWEST = 16  # output channels; matrix products of fewer leave part of every instruction idle


def split_convolutions(model: ir.Model, target: Target, precision: Precision) -> RewriteLog:
    """Split convolutions whose outputs are split, in place.

    Returns:
        How many were split, and why others were not.
    """
    graph = model.graph
    refused: list[Refusal] = []
    done = 0
    for node in [node for node in graph if node.op_type == "Split"]:
        if (path := _path(node)) is None:
            continue
        if reason := _why_not(node, path):
            refused.append(Refusal(_NAME, describe(node), reason))
        else:
            _rebuild(node, path, graph)
            done += 1
    if done:
        tidy(model)
    return RewriteLog((Applied(_NAME, done),) if done else (), tuple(refused))


@dataclass(frozen=True)
class _Path:
    """From a convolution to a Split.

    Attributes:
        between: Element-wise nodes that compute what is split from what the convolution gives, in order.
    """

    conv: ir.Node
    between: Sequence[ir.Node]


def _path(split: ir.Node) -> _Path | None:
    """Return the way to a Split of channels from the one convolution that it comes from, if there is one."""
    graph, source = split.graph, split.inputs[0]
    if graph is None or source is None or rank(source) != 4 or split.attributes.get_int("axis", 0) != 1:
        return None
    between: set[ir.Node] = set()
    convolutions: set[ir.Node] = set()
    pending = [source]
    while pending:
        node = pending.pop().producer()
        if node is None:  # an input of the model
            return None
        if node in between:
            continue
        if node.op_type == "Conv":
            convolutions.add(node)
        elif node.op_type in ELEMENTWISE | BROADCASTING and _takes_only_numbers(node):
            between.add(node)
            pending += [value for value in node.inputs if value is not None and constant(value) is None]
        else:
            return None
    if len(convolutions) != 1:
        return None
    conv = convolutions.pop()
    if any(constant(value) is None for value in conv.inputs[1:]) or conv.attributes.get_int("group", 1) > 1:
        return None
    return _Path(conv, [node for node in graph if node in between])


def _takes_only_numbers(node: ir.Node) -> bool:
    """Return whether every constant operand is one number, the same for all channels."""
    arrays = [constant(value) for value in node.inputs]
    return all(array is None or array.size == 1 for array in arrays)


def _why_not(split: ir.Node, path: _Path) -> str | None:
    inner = {*path.between, path.conv}
    for value in (node.outputs[0] for node in inner):
        if value.is_graph_output() or any(use.node not in {*inner, split} for use in value.uses()):
            return f"{value.name!r} has other readers"
    if (narrowest := min(np.diff(_bounds(split)))) < _NARROWEST:
        return f"a convolution to {narrowest} channels is too narrow to be worth while"
    return None


def _bounds(split: ir.Node) -> list[int]:
    """Return where each part starts, and at the end the number of channels."""
    return [0, *np.cumsum([shape_of(part)[1] for part in split.outputs]).tolist()]


def _rebuild(split: ir.Node, path: _Path, graph: ir.Graph) -> None:
    """Insert a convolution for each part; the old nodes die for want of readers."""
    for number, (part, (start, stop)) in enumerate(zip(split.outputs, pairwise(_bounds(split)), strict=True)):
        suffix = f"~part{number}"
        constants = [
            _constant(graph, value, start, stop, suffix)
            for value in path.conv.inputs[1:]
            if value is not None
        ]
        conv = ir.Node("", "Conv", [path.conv.inputs[0], *constants], list(path.conv.attributes.values()))
        made = {path.conv.outputs[0]: conv.outputs[0]}
        new = [conv]
        for node in path.between:
            operands = [value if value is None else made.get(value, value) for value in node.inputs]
            new.append(ir.Node("", node.op_type, operands, list(node.attributes.values())))
            made[node.outputs[0]] = new[-1].outputs[0]
        for old, node in zip([path.conv, *path.between], new, strict=True):
            node.outputs[0].name = f"{old.outputs[0].name}{suffix}"
        graph.insert_before(split, new)
        result = new[-1].outputs[0]
        result.name, part.name = part.name, f"{part.name}~split"
        part.replace_all_uses_with(result, replace_graph_outputs=True)


def _constant(graph: ir.Graph, value: ir.Value, start: int, stop: int, suffix: str) -> ir.Value:
    """Return the rows of weights or bias that make some output channels."""
    name = f"{value.name}{suffix}"
    while name in graph.initializers:  # two convolutions may share weights
        name += "'"
    return add_initializer(graph, name, array_of(value)[start:stop])
