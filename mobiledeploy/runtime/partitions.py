"""Into how many XNNPACK partitions a .tflite file is cut: by the target's table, and by the interpreter."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from mobiledeploy.runtime.runtimes import TfliteSession
from mobiledeploy.runtime.targets import OpUse, Precision, Target

__all__ = [
    "UNEXPLAINED",
    "OutsideOp",
    "Partitions",
    "Wired",
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
    """How the delegate cuts a graph.

    Attributes:
        count: Number of delegated partitions; 1 is what a fast artifact has.
        ops: Number of ops in the file.
        outside: The ops that are left outside, in execution order.
    """

    count: int
    ops: int
    outside: tuple[OutsideOp, ...]


def forecast_partitions(path: Path, target: Target) -> Partitions:
    """What the target's table says the delegate will do, without running the delegate.

    Raises:
        InputError: The file cannot be loaded.
    """
    ops = _read_ops(TfliteSession(path, delegate=False))
    reasons = _reasons(ops, target)
    outside = tuple(op.outside(reason) for op, reason in zip(ops, reasons, strict=True) if reason)
    return Partitions(_count_partitions(ops, [reason is None for reason in reasons]), len(ops), outside)


def measure_partitions(path: Path, target: Target) -> Partitions:
    """What LiteRT's interpreter does with the file; the target's table only explains it.

    Raises:
        InputError: The file cannot be loaded.
    """
    ops = _read_ops(TfliteSession(path, delegate=False))
    kernels = [node for node in TfliteSession(path).nodes() if node["op_name"] == "DELEGATE"]
    delegated = _delegated(ops, kernels)
    unexplained = f"{target.name} {UNEXPLAINED}"
    outside = tuple(
        op.outside(reason or unexplained)
        for op, reason in zip(ops, _reasons(ops, target), strict=True)
        if op.index not in delegated
    )
    return Partitions(len(kernels), len(ops), outside)


@dataclass(frozen=True)
class _FileOp:
    """An op of a file; inputs and outputs are tensor indices. `unpacks`: it dequantizes a constant."""

    index: int
    name: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    output_name: str
    use: OpUse
    unpacks: bool

    def outside(self, reason: str) -> OutsideOp:
        return OutsideOp(self.name, self.output_name, reason)


def _reasons(ops: Sequence[_FileOp], target: Target) -> list[str | None]:
    """Why each op stays outside, by the target's table; None for those that it delegates.

    What only unpacks a constant goes with the ops that read it.
    """
    reasons = [target.why_not(op.use) for op in ops]
    outside = {i for op, reason in zip(ops, reasons, strict=True) if reason for i in op.inputs}
    unpacked = "unpacks a constant for an op outside"
    return [
        unpacked if reason is None and op.unpacks and outside.intersection(op.outputs) else reason
        for op, reason in zip(ops, reasons, strict=True)
    ]


def _delegated(ops: Sequence[_FileOp], kernels: Sequence[dict[str, Any]]) -> set[int]:
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


class Wired(Protocol):
    """An op with tensor indices."""

    @property
    def inputs(self) -> Sequence[int]:
        """What it reads, constants included; below 0: left out."""

    @property
    def outputs(self) -> Sequence[int]:
        """What it writes."""


def execution_groups(ops: Sequence[Wired], delegated: Sequence[bool]) -> list[tuple[bool, list[int]]]:
    """TFLite's greedy partitioning: in turn all ops that are ready and delegated, all that are ready and not.

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

    def ready(op: Wired) -> bool:
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


def _count_partitions(ops: Sequence[_FileOp], delegated: Sequence[bool]) -> int:
    return sum(kind for kind, _ in execution_groups(ops, delegated))


def _read_ops(session: TfliteSession) -> list[_FileOp]:
    """The ops of a file as the table sees them. The session must not delegate."""
    nodes, details = session.nodes(), session.tensors()
    activations = {int(i) for node in nodes for i in node["outputs"]}
    activations |= {detail["index"] for detail in session.inputs.values()}
    ops = []
    for node in nodes:
        inputs = tuple(int(i) for i in node["inputs"] if i >= 0)
        outputs = tuple(int(i) for i in node["outputs"])
        name, first_output = node["op_name"], details[outputs[0]]
        use = _op_use(name, [details[i] for i in inputs], [details[i] for i in outputs], activations)
        if name == "STRIDED_SLICE":
            steps = np.ravel(session.interpreter.get_tensor(inputs[3]))
            use = replace(use, steps=tuple(int(step) for step in steps))
        unpacks = name == "DEQUANTIZE" and inputs[0] not in activations
        ops.append(_FileOp(node["index"], name, inputs, outputs, first_output["name"], use, unpacks))
    return ops


# Place of the weights among the inputs.
_WEIGHTS = {"CONV_2D": 1, "DEPTHWISE_CONV_2D": 1, "FULLY_CONNECTED": 1, "TRANSPOSE_CONV": 1}

_INT8, _UINT8, _INT16 = np.dtype(np.int8), np.dtype(np.uint8), np.dtype(np.int16)

Detail = dict[str, Any]
"""What LiteRT says of a tensor."""


def _op_use(name: str, inputs: list[Detail], outputs: list[Detail], activations: set[int]) -> OpUse:
    active = [detail for detail in inputs if detail["index"] in activations]
    first, output = (active or inputs)[0], outputs[0]
    weights = _scales(inputs[_WEIGHTS[name]]) if name in _WEIGHTS else []
    types = {np.dtype(detail["dtype"]) for detail in (first, output)}
    operands = active if name in _WEIGHTS else inputs
    return OpUse(
        op=name,
        precision=_precision(types, bool(weights)),
        inputs=len(inputs),
        outputs=len(outputs),
        equal_outputs=len({tuple(detail["shape"]) for detail in outputs}) == 1,
        changes_signedness=types == {_INT8, _UINT8},
        input_scales=tuple(scales[0] for detail in operands if (scales := _scales(detail))),
        weight_scales=(min(weights), max(weights)) if weights else None,
        output_scale=next(iter(_scales(output)), None),
    )


def _precision(types: Collection[np.dtype[Any]], integer_weights: bool) -> Precision:
    """What an op computes in, from the types of its activations and whether its weights are integers."""
    if _INT16 in types:
        return "int16"
    if any(dtype.kind in "iu" for dtype in types):
        return "int8"
    return "dynamic" if integer_weights else "float32"


def _scales(detail: Detail) -> list[float]:
    """One for each channel, or one for the tensor; none in float."""
    return [float(scale) for scale in detail["quantization_parameters"]["scales"]]
