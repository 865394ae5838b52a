"""Attributes the instructions of XNNPACK's kernels to the ops of the file.

XNNPACK names its operators by what they do, and runs them in the order in which the file has the ops. But it
makes one of several: a padding goes into the convolution behind it (xnn_subgraph_fusion), and a chain of
element-wise int8 ops on one tensor and constants becomes one table of 256 entries
(xnn_subgraph_fuse_unary_quantized_into_lut). And it adds some: a clamp for a fused activation, a reshape. So
ops and operators are aligned like two texts, where what matches by name costs nothing, and what may vanish or
be added costs little.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from mobiledeploy.bench.devices.arm.op_kinds import kind_of
from mobiledeploy.bench.devices.arm.profile_events import KernelCount
from mobiledeploy.runtime.partitions import execution_groups
from mobiledeploy.runtime.tflite_ops import FileOp

__all__ = ["OpCount", "attribute"]

# Beginning of an operator's name in XNNPACK (src/xnnpack/operator-type-defs.inc,
# xnn_operator_type_to_string_v2) where it is not the op's own.
_OPERATORS = {
    "AVERAGE_POOL_2D": ("Average Pooling", "Mean"),
    "BATCH_MATMUL": ("Batch Matrix Multiply",),
    "CONCATENATION": ("Copy",),
    "CONV_2D": ("Convolution", "Fully Connected"),  # the latter for kernels of 1x1
    "DEPTHWISE_CONV_2D": ("Convolution",),
    "DEQUANTIZE": ("Convert",),
    "DIV": ("Divide",),
    "EXPAND_DIMS": ("Static Expand Dims", "Static Reshape", "Copy"),
    "FULLY_CONNECTED": ("Fully Connected", "Dynamic Fully Connected"),
    "LOGISTIC": ("Sigmoid",),
    "MAX_POOL_2D": ("Max Pooling",),
    "MUL": ("Multiply",),
    "NEG": ("Negate",),
    "PAD": ("Constant Pad",),
    "PADV2": ("Constant Pad",),
    "QUANTIZE": ("Convert",),
    "RELU": ("Clamp",),
    "RELU6": ("Clamp",),
    "RELU_N1_TO_1": ("Clamp",),
    "RESHAPE": ("Static Reshape", "Copy"),
    "ROUND": ("Bankders Rounding",),  # as XNNPACK spells it
    "RSQRT": ("Reciprocal Square Root",),
    "SPLIT": ("Slice", "Copy"),
    "SQRT": ("Square Root",),
    "SQUEEZE": ("Static Reshape", "Copy"),
    "STRIDED_SLICE": ("Slice",),
    "SUB": ("Subtract",),
    "TRANSPOSE_CONV": ("Deconvolution",),
}

# What XNNPACK calls an operator that is only a table.
_TABLE = "Invalid Unary Op"
# What XNNPACK adds before or behind the operator that an op is.
_HELPERS = ("Clamp", "Convert", "Copy", "Fuse Dims", "Pack LH", "Split Dims", "Static", "Transpose")

_USUAL, _WRONG = 1, 1000


@dataclass(frozen=True)
class OpCount:
    """Instructions of an op, or of several that ran as one.

    Attributes:
        ops: Places in the file.
        types: Their builtin names.
        output: Name of the tensor that the last of them writes.
        shape: shape of that tensor, images NHWC.
        multiply_adds: multiply-adds of all of them.
        kind: kind of the op that gave the kernel its name, which is the one whose work is done.
        delegated: Whether XNNPACK ran it, rather than a builtin kernel of the interpreter.
        kernels: What ran.
    """

    ops: tuple[int, ...]
    types: tuple[str, ...]
    output: str
    shape: tuple[int, ...]
    multiply_adds: int
    kind: str
    delegated: bool
    kernels: tuple[str, ...]
    instructions: int


def attribute(kernels: Sequence[KernelCount], ops: Sequence[FileOp]) -> list[OpCount]:
    """Return the instructions of each op, alone or with those that it runs as one with, in file order.

    A partition whose operators cannot be told apart is one entry.

    Raises:
        ValueError: The kernels are not those of these ops.
    """
    own = {kernel.op: kernel for kernel in kernels if kernel.op is not None}
    partitions = [
        [ops[i] for i in group]
        for delegated, group in execution_groups(ops, [op.index not in own for op in ops])
        if delegated
    ]
    operators = _by_partition(kernels)
    if len(operators) != len(partitions):
        raise ValueError(f"{len(operators)} partitions ran, {len(partitions)} are in the file")
    counts = [_count([ops[i]], ops[i], [kernel], delegated=False) for i, kernel in own.items()]
    for part, its_operators in zip(partitions, operators, strict=True):
        counts += _attribute_partition(part, its_operators)
    return sorted(counts, key=lambda count: count.ops)


def _by_partition(kernels: Sequence[KernelCount]) -> list[list[KernelCount]]:
    found: list[list[KernelCount]] = []
    for kernel in kernels:
        if kernel.partition is not None:
            while len(found) <= kernel.partition:
                found.append([])
            found[kernel.partition].append(kernel)
    return found


def _attribute_partition(ops: Sequence[FileOp], kernels: Sequence[KernelCount]) -> list[OpCount]:
    owners = _align(ops, kernels)
    if owners is None:
        return [replace(_count(ops, ops[-1], kernels, delegated=True), kind="other")]
    leaders = sorted(set(owners))
    groups: dict[int, list[int]] = {leader: [leader] for leader in leaders}
    led_by = {leader: leader for leader in leaders}
    for position, leader in _absorbed(ops, leaders):
        led_by[position] = led_by[leader]
        groups[led_by[leader]].append(position)
    return [
        _count(
            [ops[i] for i in sorted(group)],
            ops[leader],
            [kernel for kernel, owner in zip(kernels, owners, strict=True) if owner == leader],
            delegated=True,
        )
        for leader, group in groups.items()
    ]


def _count(
    ops: Sequence[FileOp], leader: FileOp, kernels: Sequence[KernelCount], *, delegated: bool
) -> OpCount:
    return OpCount(
        ops=tuple(op.index for op in ops),
        types=tuple(op.op for op in ops),
        output=ops[-1].output,
        shape=ops[-1].shape,
        multiply_adds=sum(op.multiply_adds for op in ops),
        kind=kind_of(leader.op),
        delegated=delegated,
        kernels=tuple("Look-up Table" if kernel.name == _TABLE else kernel.name for kernel in kernels),
        instructions=sum(kernel.instructions for kernel in kernels),
    )


def _absorbed(ops: Sequence[FileOp], leaders: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Yield for each op without an operator its position, and that of the op it runs as one with.

    That is what reads its output; where nothing in the partition does, what wrote its input. The latter's
    place is told before it is used.
    """
    rest = [i for i in range(len(ops)) if i not in set(leaders)]
    placed = set(leaders)
    readers = {tensor: j for j in reversed(range(len(ops))) for tensor in ops[j].inputs}
    writers = {tensor: j for j, op in enumerate(ops) for tensor in op.outputs}
    for i in reversed(rest):
        reader = next((readers[t] for t in ops[i].outputs if t in readers), None)
        if reader is not None and reader in placed:
            placed.add(i)
            yield i, reader
    for i in rest:
        if i not in placed:
            writer = next((writers[t] for t in ops[i].inputs if writers.get(t) in placed), None)
            placed.add(i)
            yield i, leaders[0] if writer is None else writer


def _align(ops: Sequence[FileOp], kernels: Sequence[KernelCount]) -> list[int] | None:
    """Return for each kernel the position of the op it belongs to; None if they do not fit together.

    The cheapest way through the table of (ops so far, kernels so far): an op and a kernel match, a kernel is
    one more of the op before it, or an op has none. At equal cost the last of some ops matches, for that is
    the one that XNNPACK keeps of those that it makes one of.
    """
    matched, added, skipped = range(3)
    best = [[(0, matched)] * (len(kernels) + 1) for _ in range(len(ops) + 1)]
    for i in range(len(ops) + 1):
        for j in range(len(kernels) + 1):
            choices = []
            if i and j:
                match = 0 if _matches(ops[i - 1].op, kernels[j - 1].name) else _WRONG
                choices.append((best[i - 1][j - 1][0] + match, matched))
            if j:
                helps = kernels[j - 1].name.startswith(_HELPERS)
                choices.append((best[i][j - 1][0] + (_USUAL if helps else _WRONG), added))
            if i:
                vanishes = kind_of(ops[i - 1].op) in ("element-wise", "data movement")
                choices.append((best[i - 1][j][0] + (_USUAL if vanishes else _WRONG), skipped))
            best[i][j] = min(choices, default=(0, matched))
    if best[-1][-1][0] >= _WRONG:
        return None
    owners: list[int] = []
    i, j, waiting = len(ops), len(kernels), 0
    while i or j:
        move = best[i][j][1]
        if move == added:
            waiting += 1
        elif move == matched:
            owners += [i - 1] * (1 + waiting)
            waiting = 0
        i, j = i - (move != added), j - (move != skipped)
    owners += owners[-1:] * waiting  # what comes before the first op is the first op's
    return owners[::-1]


def _matches(op: str, kernel: str) -> bool:
    """Whether a kernel does what an op is for.

    >>> _matches("HARD_SWISH", "HardSwish (NC)"), _matches("CONV_2D", "Copy (NC, X8)")
    (True, False)
    """
    if kernel == _TABLE:
        return kind_of(op) == "element-wise"
    if op in _OPERATORS:
        return kernel.startswith(_OPERATORS[op])
    return kernel.replace(" ", "").lower().startswith(op.replace("_", "").lower())
