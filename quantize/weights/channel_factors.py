"""Which channels of a graph may be scaled, which of them only together, and where that shows in weights.

A positive factor on a channel travels from the op that computes it to the ops that read it:

    Linear(x, w, b) * s      = Linear(x, s*w, s*b)        per output channel; here a factor may begin
    Linear(s * x, w, b)      = Linear(x, s*w, b)          per input channel; here it ends
    F(s * x)                 = s * F(x)                   for F positively homogeneous, channel by channel
    s*x + s*y                = s * (x + y)
    (s*x) * y                = s * (x*y)                  y being the gate of a squeeze-excite block

Slices and concatenations hand the factors of their inputs on. All else fixes the scale of what it reads:
inputs and outputs of the model, h-swish, and whatever is not homogeneous.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from mobiledeploy.exporters.rewrites.clamp import clamp_bounds
from mobiledeploy.graph.channel_order import channels_of, keeps_channels
from mobiledeploy.graph.linear import why_not_constant
from mobiledeploy.graph.moves import move, moved
from mobiledeploy.graph.onnx_graph import constant, describe, input_at, rank
from mobiledeploy.graph.op_traits import BY_CONSTANT, ELEMENTWISE, HOMOGENEOUS, LINEAR_OPS

__all__ = ["ChannelFactors", "Factors", "channel_factors"]

Factors = NDArray[np.int64]
"""For each channel of a value the number of the factor that it carries."""


@dataclass(frozen=True, eq=False)
class ChannelFactors:
    """Attributes:
    of: Activations of rank 2 or more -> the factors of their channels (axis 1).
    linear: The ops with constant weights, in graph order.
    fixed_by: Factor -> what demands that it be 1, in words; only factors for which something does.
    count: Number of all factors.
    """

    of: dict[ir.Value, Factors]
    linear: list[ir.Node]
    fixed_by: dict[int, str]
    count: int

    @property
    def movable(self) -> Factors:
        """The numbers of the factors that may differ from 1."""
        used = {factor for factors in self.of.values() for factor in factors.tolist()}
        return np.array(sorted(used - set(self.fixed_by)), np.int64)

    def why_fixed(self, value: ir.Value) -> str | None:
        """What fixes a channel of a value, if something does."""
        return next((why for factor in self.of[value].tolist() if (why := self.fixed_by.get(factor))), None)


def channel_factors(graph: ir.Graph) -> ChannelFactors:
    """Find the factors of a float graph that has been rewritten and tidied."""
    found = _Search()
    for value in graph.inputs:
        found.enter([], [value], f"{value.name!r} is an input of the model")
    for node in graph:
        found.visit(node)
    for value in graph.outputs:
        found.fix([value], f"{value.name!r} is an output of the model")
    return found.result()


class _Search:
    def __init__(self) -> None:
        self.of: dict[ir.Value, Factors] = {}
        self.linear: list[ir.Node] = []
        self.joined: list[int] = []  # the parents of a disjoint-set forest
        self.fixed: dict[int, str] = {}

    def visit(self, node: ir.Node) -> None:
        known = [value for value in node.inputs if value is not None and constant(value) is None]
        factors = self._handed_on(node, known)
        if factors is not None:
            self.of.update(zip(node.outputs, factors, strict=True))
        else:
            self.enter(known, node.outputs, _why_fixed(node))

    def enter(self, inputs: Iterable[ir.Value], outputs: Iterable[ir.Value], reason: str) -> None:
        """Values that enter and leave something which a factor cannot pass."""
        self.fix(inputs, reason)
        for value in outputs:
            if value.shape is not None and value.shape.is_static() and len(value.shape) > 1:
                self.of[value] = self._new(channels_of(value))
        self.fix(outputs, reason)

    def fix(self, values: Iterable[ir.Value], reason: str) -> None:
        for value in values:
            for factor in self.of.get(value, np.array([], np.int64)).tolist():
                self.fixed.setdefault(self._root(factor), reason)

    def result(self) -> ChannelFactors:
        roots = np.array([self._root(factor) for factor in range(len(self.joined))], np.int64)
        of = {value: roots[factors] for value, factors in self.of.items()}
        return ChannelFactors(
            of, self.linear, {self._root(f): why for f, why in self.fixed.items()}, len(roots)
        )

    def _new(self, channels: int) -> Factors:
        first = len(self.joined)
        self.joined.extend(range(first, first + channels))
        return np.arange(first, first + channels)

    def _root(self, factor: int) -> int:
        while self.joined[factor] != factor:
            self.joined[factor] = factor = self.joined[self.joined[factor]]
        return factor

    def _join(self, one: Factors, other: Factors) -> None:
        for a, b in zip(one.tolist(), other.tolist(), strict=True):
            kept, lost = self._root(a), self._root(b)
            self.joined[lost] = kept
            if lost in self.fixed:
                self.fixed.setdefault(kept, self.fixed[lost])

    def _handed_on(self, node: ir.Node, known: Sequence[ir.Value]) -> list[Factors] | None:
        """The factors of the outputs, if those of the inputs decide them or nothing does."""
        if not known or any(value not in self.of for value in known):
            return None
        x, result = known[0], node.outputs[0]
        if node.op_type in LINEAR_OPS:
            return self._of_linear(node, known, result)
        if moved(node):
            return self._of_move(node, moved(node))
        if result.shape is None or not result.shape.is_static() or len(node.outputs) > 1:
            return None
        if len(known) == 2 and _same_channels(*known, result) and known[0] is not known[1]:
            if node.op_type in ("Add", "Sub"):
                self._join(self.of[known[0]], self.of[known[1]])
                return [self.of[x]]
            return [self.of[self._scaled(*known)]] if node.op_type == "Mul" else None
        if len(known) > 1 or channels_of(x) != channels_of(result):
            return None
        by_constant = node.op_type == "Mul" or (node.op_type in BY_CONSTANT and node.inputs[0] is x)
        if by_constant and rank(x) == rank(result):
            return [self.of[x]]
        return [self.of[x]] if node.op_type in HOMOGENEOUS and _is_homogeneous(node, x) else None

    def _of_linear(self, node: ir.Node, known: Sequence[ir.Value], result: ir.Value) -> list[Factors] | None:
        transposed = node.attributes.get_int("transA", 0)
        if len(known) > 1 or node.inputs[0] is not known[0] or transposed or why_not_constant(result):
            return None
        self.linear.append(node)
        return [self._new(channels_of(result))]

    def _of_move(self, node: ir.Node, values: Sequence[ir.Value]) -> list[Factors] | None:
        """Move the numbers of the factors as the node moves elements."""
        spread = [_spread(self.of[value], value.shape.numpy()) for value in values if value.shape is not None]
        factors = []
        for held in move(node, spread):
            if held.ndim < 2 or not (held == _spread(first := _first(held), held.shape)).all():
                return None
            factors.append(first)
        return factors

    def _scaled(self, x: ir.Value, y: ir.Value) -> ir.Value:
        """The operand of a product that hands its factors on; that of the other, a gate, is fixed."""
        fixed = [self._is_fixed(value) for value in (x, y)]
        sizes = [int(np.prod(value.shape.numpy())) for value in (x, y) if value.shape is not None]
        gate, other = (x, y) if (fixed[0], -sizes[0]) > (fixed[1], -sizes[1]) else (y, x)
        self.fix([gate], f"{gate.name!r} is the gate of a product")
        return other

    def _is_fixed(self, value: ir.Value) -> bool:
        return all(self._root(factor) in self.fixed for factor in self.of[value].tolist())


def _same_channels(*values: ir.Value) -> bool:
    """Whether values have the same rank and the same number of channels."""
    return len({(rank(value), channels_of(value)) for value in values}) == 1


def _is_homogeneous(node: ir.Node, x: ir.Value) -> bool:
    if node.op_type == "Pad" and input_at(node, 2) is not None:
        filling = constant(input_at(node, 2))
        if filling is None or filling.any():
            return False
    return keeps_channels(node, x)


def _spread(factors: Factors, shape: Sequence[int]) -> Factors:
    """The factor of each element of a value of that shape."""
    return np.broadcast_to(factors.reshape(1, -1, *[1] * (len(shape) - 2)), shape)


def _first(held: Factors) -> Factors:
    firsts: Factors = held[0].reshape(held.shape[1], -1)[:, 0]
    return firsts


def _why_fixed(node: ir.Node) -> str:
    """Why a factor cannot pass a node."""
    name = describe(node)
    if node.op_type == "Clip" and (bounds := clamp_bounds(node.outputs[0])) is not None:
        return f"{name} has the bounds {bounds[0]:g} and {bounds[1]:g} for all channels"
    if node.op_type in ("Add", "Sub") and any(constant(value) is not None for value in node.inputs):
        return f"{name} adds a constant, as h-swish does"
    if node.op_type in ELEMENTWISE - HOMOGENEOUS:
        return f"{name} is a curve: its result does not grow with its input"
    return f"{name} hands no factor on"
