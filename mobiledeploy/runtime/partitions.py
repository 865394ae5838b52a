"""Tells how XNNPACK cuts a .tflite file into partitions: by the target's table, and by the interpreter."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mobiledeploy.runtime.runtimes import TfliteSession
from mobiledeploy.runtime.targets import OpUse, Precision, Target
from mobiledeploy.runtime.tflite_ops import FileGraph, FileOp, read_graph

__all__ = [
    "UNEXPLAINED",
    "OutsideOp",
    "Partitions",
    "execution_groups",
    "forecast_partitions",
    "measure_partitions",
]

UNEXPLAINED = "delegates it by our table, yet the interpreter does not: please report this"
"""How the reason ends for an op that is outside and that the target's table would have inside."""


@dataclass(frozen=True)
class OutsideOp:
    """An op that the delegate leaves to the builtin kernels.

    Attributes:
        op: TFLite builtin name.
        output: Name of its first output.
        reason: Why, from the target's table.
    """

    op: str
    output: str
    reason: str


@dataclass(frozen=True)
class Partitions:
    """A graph as the delegate cuts it.

    Attributes:
        count: Number of delegated partitions; 1 is what a fast artifact has.
        ops: Number of ops in the file.
        outside: The ops that are left outside, in execution order.
    """

    count: int
    ops: int
    outside: tuple[OutsideOp, ...]


def forecast_partitions(path: Path, target: Target) -> Partitions:
    """Say by the target's table what the delegate will do, without running anything.

    Raises:
        InputError: The file cannot be read.
    """
    graph = read_graph(path)
    reasons = _reasons(graph, target)
    groups = execution_groups(graph.ops, [reason is None for reason in reasons])
    outside = [_outside(op, reason) for op, reason in zip(graph.ops, reasons, strict=True) if reason]
    return Partitions(sum(delegated for delegated, _ in groups), len(graph.ops), tuple(outside))


def measure_partitions(path: Path, target: Target) -> Partitions:
    """Say what LiteRT's interpreter does with the file; the target's table only explains it.

    Raises:
        InputError: The file cannot be loaded.
    """
    kernels = [node for node in TfliteSession(path).nodes() if node["op_name"] == "DELEGATE"]
    graph = read_graph(path)
    delegated = _delegated(graph.ops, kernels)
    unexplained = f"{target.name} {UNEXPLAINED}"
    outside = [
        _outside(op, reason or unexplained)
        for op, reason in zip(graph.ops, _reasons(graph, target), strict=True)
        if op.index not in delegated
    ]
    return Partitions(len(kernels), len(graph.ops), tuple(outside))


def _outside(op: FileOp, reason: str) -> OutsideOp:
    return OutsideOp(op.op, op.output, reason)


def _reasons(graph: FileGraph, target: Target) -> list[str | None]:
    """Why each op stays outside, by the target's table; None for those that it delegates.

    What only dequantizes a constant goes with the ops that read it.
    """
    reasons = [target.why_not(_op_use(op, graph)) for op in graph.ops]
    outside = {i for op, reason in zip(graph.ops, reasons, strict=True) if reason for i in op.inputs}

    def unpacks_for_outside(op: FileOp) -> bool:
        unpacks = op.op == "DEQUANTIZE" and op.inputs[0] not in graph.activations
        return unpacks and bool(outside.intersection(op.outputs))

    return [
        "unpacks a constant for an op outside" if reason is None and unpacks_for_outside(op) else reason
        for op, reason in zip(graph.ops, reasons, strict=True)
    ]


def _delegated(ops: Sequence[FileOp], kernels: Sequence[dict[str, Any]]) -> set[int]:
    """Indices of the ops that lie between the inputs and outputs of a partition."""
    producers = {output: op for op in ops for output in op.outputs}
    found: set[int] = set()
    for kernel in kernels:
        boundaries = {int(i) for i in kernel["inputs"]}
        pending = [int(i) for i in kernel["outputs"]]
        while pending:
            op = producers.get(pending.pop())
            if op is not None and op.index not in found:
                found.add(op.index)
                pending += [i for i in op.inputs if i not in boundaries]
    return found


def execution_groups(ops: Sequence[FileOp], delegated: Sequence[bool]) -> list[tuple[bool, list[int]]]:
    """Partition as TFLite does: in turn all ops that are ready and delegated, all that are ready and not.

    After tensorflow/lite/graph_info.cc (PartitionGraphIntoIndependentNodeSubsets).

    Args:
        ops: In the file's order.
        delegated: Which of them the delegate takes.

    Returns:
        Groups in the order in which they run: whether the delegate has it, and positions in `ops`.
    """
    waiting = dict(enumerate(ops))
    unmade = {output for op in ops for output in op.outputs}
    groups = []

    def ready(op: FileOp) -> bool:
        return not unmade.intersection(op.inputs)

    while waiting:
        kind = next(delegated[i] for i, op in waiting.items() if ready(op))
        group = []
        for i, op in list(waiting.items()):
            if delegated[i] is kind and ready(op):
                del waiting[i]
                unmade.difference_update(op.outputs)
                group.append(i)
        groups.append((kind, group))
    return groups


_WEIGHTED = frozenset({"CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "TRANSPOSE_CONV"})
"""Ops whose second input is their weights."""


def _op_use(op: FileOp, graph: FileGraph) -> OpUse:
    """Describe an op as the target's table asks for it."""
    inputs = [graph.tensors[i] for i in op.inputs if i >= 0]
    active = [graph.tensors[i] for i in op.inputs if i in graph.activations]
    outputs = [graph.tensors[i] for i in op.outputs]
    first, output = (active or inputs)[0], outputs[0]
    weights = inputs[1].scales if op.op in _WEIGHTED else ()
    types = {first.dtype, output.dtype}
    steps = np.frombuffer(inputs[3].content, inputs[3].dtype.lower()) if op.op == "STRIDED_SLICE" else ()
    return OpUse(
        op=op.op,
        precision=_precision(types, bool(weights)),
        inputs=len(inputs),
        outputs=len(outputs),
        equal_outputs=len({tensor.shape for tensor in outputs}) == 1,
        steps=tuple(int(step) for step in steps),
        changes_signedness=types == {"INT8", "UINT8"},
        input_scales=tuple(
            tensor.scales[0] for tensor in (active if op.op in _WEIGHTED else inputs) if tensor.scales
        ),
        weight_scales=(min(weights), max(weights)) if weights else None,
        output_scale=next(iter(output.scales), None),
    )


def _precision(types: Collection[str], integer_weights: bool) -> Precision:
    """Tell what an op computes in, by the types of its activations and whether its weights are integers."""
    if "INT16" in types:
        return "int16"
    if any("INT" in dtype for dtype in types):
        return "int8"
    return "dynamic" if integer_weights else "float32"
