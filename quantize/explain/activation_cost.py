"""What an activation loses because int8 computes it in several ops, each of which rounds its result.

Such activations are products of a gate:

    swish             x * sigmoid(x)             h-swish              x * relu6(x + 3)
    sigmoid gate      x * sigmoid(z)             hard-sigmoid gate    x * relu6(z + 3)

A single op would round only the product. What is between its input and the product carries Q/DQ pairs for
the sake of int8 alone; without them the QDQ graph computes as if there were such an op.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from mobiledeploy.exporters.rewrites.clamp import clamp_bounds
from mobiledeploy.exporters.rewrites.rule import near
from mobiledeploy.graph.onnx_graph import constant, scalar
from mobiledeploy.graph.op_traits import SAME_SCALE
from mobiledeploy.runtime.runtimes import OnnxSession, Outputs, Sample
from mobiledeploy.verify.metrics import compare
from mobiledeploy.verify.verify import ActivationCost

__all__ = ["activation_costs"]

_NAMES = MappingProxyType({"Sigmoid": ("swish", "sigmoid gate"), "Clip": ("h-swish", "hard-sigmoid gate")})
"""Op that computes the gate -> what the product is if the gate is computed from the other factor; if not."""

Decibels = NDArray[np.float64]
"""Of one sample each."""

_RESHAPING = SAME_SCALE - {"Concat"}
"""Ops that may stand between a gate and its product, which need it in the shape of the other factor."""

_BORDERS = ("QuantizeLinear", "DequantizeLinear")


def activation_costs(model: ir.Model, qdq: ir.Model, samples: Sequence[Sample]) -> list[ActivationCost]:
    """The cost of each kind of activation that int8 computes in several ops; empty where there is none.

    Several runs of the QDQ graph in ONNX Runtime, one without the pairs of each kind.

    Args:
        model: The float graph.
        qdq: What it became, with the same outputs.
        samples: A few; every one is run through every graph.
    """
    kinds: dict[str, list[_Activation]] = {}
    for activation in _activations(qdq.graph):
        kinds.setdefault(activation.kind, []).append(activation)
    if not kinds:
        return []
    session = OnnxSession(model)
    wanted = [session.run(sample) for sample in samples]

    def sqnr_db(removed: Iterable[frozenset[str]]) -> dict[str, Decibels]:
        return _sqnr_db(_without_pairs(qdq, frozenset().union(*removed)), samples, wanted)

    as_is = sqnr_db([])
    output = min(as_is, key=lambda name: float(as_is[name].mean()))
    return [
        _cost(
            kind,
            len(found),
            output,
            as_is[output],
            sqnr_db(activation.inner for activation in found)[output],
            sqnr_db(activation.gate for activation in found)[output],
        )
        for kind, found in kinds.items()
    ]


def _sqnr_db(model: ir.Model, samples: Sequence[Sample], wanted: Sequence[Outputs]) -> dict[str, Decibels]:
    """Output name -> SQNR of the graph, as it is written, on each sample."""
    session = OnnxSession(model, optimize=False)
    found: dict[str, list[float]] = {name: [] for name in session.output_names}
    for sample, expected in zip(samples, wanted, strict=True):
        actual = session.run(sample)
        for (name, array), reference in zip(actual.items(), expected.values(), strict=True):
            found[name].append(compare([reference], [array]).sqnr_db)
    return {name: np.array(figures) for name, figures in found.items()}


def _cost(
    kind: str, count: int, output: str, as_is: Decibels, exact: Decibels, exact_gate: Decibels
) -> ActivationCost:
    """The figures of one kind, from the SQNR on each sample.

    Samples are compared one by one and their dB averaged: in one sum over all, the worst sample drowns the
    others.
    """
    cost, gate_cost = _gain(as_is, exact), _gain(as_is, exact_gate)
    return ActivationCost(
        activation=kind,
        count=count,
        output=output,
        samples=len(as_is),
        sqnr_db=float(as_is.mean()),
        exact_sqnr_db=float(exact.mean()),
        cost_db=float(cost.mean()),
        cost_error_db=_standard_error(cost),
        gate_cost_db=float(gate_cost.mean()),
        gate_cost_error_db=_standard_error(gate_cost),
    )


def _gain(before: Decibels, after: Decibels) -> Decibels:
    """after - before, and 0 where both are infinite."""
    return np.subtract(after, before, out=np.zeros_like(after), where=after != before)


def _standard_error(values: Decibels) -> float | None:
    if len(values) < 2:
        return None
    with np.errstate(invalid="ignore"):  # of infinite figures it is not a number
        return float(values.std(ddof=1) / np.sqrt(len(values)))


def _without_pairs(qdq: ir.Model, names: frozenset[str]) -> ir.Model:
    """A copy in which those values reach their readers as they were computed."""
    copy = qdq.clone()
    for node in copy.graph:
        result = node.outputs[0]
        if (value := _real(result)) is not result and value.name in names:
            result.replace_all_uses_with(value)
    return copy


@dataclass(frozen=True)
class _Activation:
    """Attributes:
    inner: Names of the values that carry a Q/DQ pair and that nothing but the activation reads.
    gate: Those among them that hold the gate.
    """

    kind: str
    inner: frozenset[str]
    gate: frozenset[str]


def _activations(graph: ir.Graph) -> Iterator[_Activation]:
    for node in graph:
        if node.op_type == "Mul" and (found := _gated(node, 0) or _gated(node, 1)) is not None:
            yield found


def _gated(product: ir.Node, side: int) -> _Activation | None:
    """The activation that ends in a product, if the operand on that side is a gate and int8 rounds in it."""
    x, gate = _operand(product, 1 - side), _operand(product, side)
    nodes, gates = {product}, [gate]
    while (node := gate.producer()) is not None and node.op_type in _RESHAPING:
        gate = _operand(node)
        nodes.add(node)
        gates.append(gate)
    computing = _gate_nodes(gate)
    if not computing or _is_constant(x):
        return None
    nodes |= set(computing)
    z = _operand(computing[-1])
    kind = _NAMES[computing[0].op_type][0 if z is x else 1]
    own_gates = _rounded(value for value in gates if _readers(value) <= nodes)
    inner = own_gates | _rounded(_read_only_by(nodes, z))
    return _Activation(kind, inner, own_gates) if inner else None


def _gate_nodes(gate: ir.Value) -> list[ir.Node]:
    """The ops that compute a gate, last first; empty if it is none."""
    node = gate.producer()
    if node is not None and node.op_type == "Sigmoid":
        return [node]
    if node is not None and node.op_type == "Clip" and clamp_bounds(gate) == (0.0, 6.0):
        shift = _operand(node).producer()
        if shift is not None and shift.op_type == "Add" and near(_number(shift.inputs[1]), 3.0):
            return [node, shift]
    return []


def _read_only_by(nodes: set[ir.Node], value: ir.Value) -> Iterator[ir.Value]:
    """The value, and those that reach it through ops which move data, as far as no other node reads them.

    A Concat and what it joins share one scale: to spare the value a rounding is to spare those.
    """
    producer = value.producer()
    if producer is None or not _readers(value) <= nodes:
        return
    yield value
    if producer.op_type in SAME_SCALE and len(producer.outputs) == 1:
        for operand in producer.inputs:
            if operand is not None:
                yield from _read_only_by({*nodes, producer}, _real(operand))


def _readers(value: ir.Value) -> set[ir.Node | None]:
    """The nodes that read a value, through Q and DQ or not; None if it is an output of the model."""
    found: set[ir.Node | None] = {None} if value.is_graph_output() else set()
    for use in value.uses():
        found |= _readers(use.node.outputs[0]) if use.node.op_type in _BORDERS else {use.node}
    return found


def _rounded(values: Iterable[ir.Value]) -> frozenset[str]:
    """The names of those values that carry a Q/DQ pair."""
    return frozenset(
        value.name or ""
        for value in values
        if any(use.node.op_type == "QuantizeLinear" for use in value.uses())
    )


def _operand(node: ir.Node, index: int = 0) -> ir.Value:
    value = node.inputs[index]
    assert value is not None
    return _real(value)


def _real(value: ir.Value) -> ir.Value:
    """The value before its Q/DQ pair, if it has one."""
    dequantizer = value.producer()
    if dequantizer is None or dequantizer.op_type != "DequantizeLinear":
        return value
    integers = dequantizer.inputs[0]
    quantizer = integers.producer() if integers is not None else None
    if quantizer is None or quantizer.op_type != "QuantizeLinear" or quantizer.inputs[0] is None:
        return value
    return quantizer.inputs[0]


def _is_constant(value: ir.Value) -> bool:
    """Whether the value is constant, as integers behind a DQ or as it is."""
    producer = value.producer()
    if producer is not None and producer.op_type == "DequantizeLinear":
        return constant(producer.inputs[0]) is not None
    return constant(value) is not None


def _number(value: ir.Value | None) -> float | None:
    """The number behind a constant of one element, as an integer behind a DQ or as it is."""
    producer = value.producer() if value is not None else None
    if producer is None or producer.op_type != "DequantizeLinear":
        return scalar(value)
    integer, scale, zero_point = (scalar(part) for part in producer.inputs)
    if integer is None or scale is None or zero_point is None:
        return None
    return (integer - zero_point) * scale
