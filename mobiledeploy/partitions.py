"""Into how many XNNPACK partitions a .tflite file is cut: as the target table forecasts it, and as the interpreter does it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mobiledeploy.runtimes import TfliteSession
from mobiledeploy.targets import OpUse, Target

__all__ = ["OutsideOp", "Partitions", "forecast_partitions", "measure_partitions"]


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
    reasons = [target.why_not(op.use) for op in ops]
    outside = tuple(_outside(op, reason) for op, reason in zip(ops, reasons, strict=True) if reason)
    return Partitions(_count_partitions(ops, [reason is None for reason in reasons]), len(ops), outside)


def measure_partitions(path: Path, target: Target) -> Partitions:
    """What LiteRT's interpreter does with the file; the target's table only explains it.

    Raises:
        InputError: The file cannot be loaded.
    """
    ops = _read_ops(TfliteSession(path, delegate=False))
    nodes = TfliteSession(path).interpreter._get_ops_details()
    kernels = [node for node in nodes if node["op_name"] == "DELEGATE"]
    producers = {int(output): op for op in ops for output in op.outputs}
    delegated: set[int] = set()
    for kernel in kernels:
        borders = {int(i) for i in kernel["inputs"]}
        pending = [int(i) for i in kernel["outputs"]]
        while pending:
            op = producers.get(pending.pop())
            if op is not None and op.index not in delegated:
                delegated.add(op.index)
                pending += [i for i in op.inputs if i not in borders]
    unexplained = f"{target.name} delegates it by our table, yet the interpreter does not: please report this"
    outside = tuple(
        _outside(op, target.why_not(op.use) or unexplained) for op in ops if op.index not in delegated
    )
    return Partitions(len(kernels), len(ops), outside)


@dataclass(frozen=True)
class _FileOp:
    index: int
    name: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    output_name: str
    use: OpUse


def _outside(op: _FileOp, reason: str) -> OutsideOp:
    return OutsideOp(op.name, op.output_name, reason)


def _count_partitions(ops: Sequence[_FileOp], delegated: Sequence[bool]) -> int:
    """TFLite's greedy partitioning: alternately all ops that are ready and delegated, all that are ready and not.

    After tensorflow/lite/graph_info.cc (PartitionGraphIntoIndependentNodeSubsets).
    """
    waiting = dict(enumerate(ops))
    unmade = {output for op in ops for output in op.outputs}
    count = 0

    def ready(op: _FileOp) -> bool:
        return not unmade.intersection(op.inputs)

    while waiting:
        kind = next(delegated[i] for i, op in waiting.items() if ready(op))
        count += kind
        for i, op in list(waiting.items()):
            if delegated[i] is kind and ready(op):
                del waiting[i]
                unmade.difference_update(op.outputs)
    return count


def _read_ops(session: TfliteSession) -> list[_FileOp]:
    """The ops of a file as the table sees them. The session must not delegate."""
    interpreter = session.interpreter
    details = {detail["index"]: detail for detail in interpreter.get_tensor_details()}
    nodes = interpreter._get_ops_details()
    computed = {int(i) for node in nodes for i in node["outputs"]}
    computed |= {detail["index"] for detail in interpreter.get_input_details()}
    ops = []
    for node in nodes:
        inputs = tuple(int(i) for i in node["inputs"] if i >= 0)
        outputs = tuple(int(i) for i in node["outputs"])
        use = _op_use(node["op_name"], [details[i] for i in inputs], [details[i] for i in outputs], computed)
        if node["op_name"] == "MEAN":
            use = _with_axes(use, [int(axis) for axis in np.ravel(interpreter.get_tensor(inputs[1]))])
        ops.append(
            _FileOp(node["index"], node["op_name"], inputs, outputs, details[outputs[0]]["name"], use)
        )
    return ops


def _with_axes(use: OpUse, axes: list[int]) -> OpUse:
    from dataclasses import replace

    return replace(use, reduced_axes=tuple(axis % use.rank for axis in axes))


_WEIGHTED = {"CONV_2D": 1, "DEPTHWISE_CONV_2D": 1, "FULLY_CONNECTED": 1, "TRANSPOSE_CONV": 1}


def _op_use(
    name: str, inputs: list[dict[str, Any]], outputs: list[dict[str, Any]], computed: set[int]
) -> OpUse:
    activations = [detail for detail in inputs if detail["index"] in computed]
    first = activations[0] if activations else inputs[0]
    integers = [d for d in (first, outputs[0]) if np.dtype(d["dtype"]).kind in "iu"]
    weights = inputs[_WEIGHTED[name]] if name in _WEIGHTED else None
    scale: Callable[[dict[str, Any]], list[float]] = lambda d: [float(s) for s in _scales(d)]  # noqa: E731
    operands = activations if weights is not None else [d for d in inputs if _is_quantized(d)]
    return OpUse(
        op=name,
        precision="int8" if integers else "float32",
        activation_inputs=len(activations),
        outputs=len(outputs),
        equal_outputs=len({tuple(d["shape"]) for d in outputs}) == 1,
        input_scales=tuple(s for d in operands if _is_quantized(d) for s in scale(d)[:1]),
        weight_scales=(min(scale(weights)), max(scale(weights)))
        if weights is not None and _is_quantized(weights)
        else None,
        output_scale=scale(outputs[0])[0] if _is_quantized(outputs[0]) else None,
        rank=len(inputs[0]["shape"]),
    )


def _scales(detail: dict[str, Any]) -> Any:
    return detail["quantization_parameters"]["scales"]


def _is_quantized(detail: dict[str, Any]) -> bool:
    return len(_scales(detail)) > 0
