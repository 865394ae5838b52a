"""What a runtime's XNNPACK delegate takes, as data.

Rewrites, the partition forecast and the explanation of a refusal all read these tables; nothing else in the
project knows which op a runtime likes. To describe another runtime version, make a Target, often of an
existing one with `dataclasses.replace`, and pass it on or `register_target` it under its name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Literal

from mobiledeploy.base.errors import InputError
from mobiledeploy.graph.op_traits import FUSING

__all__ = [
    "LITERT_2_3",
    "TARGETS",
    "Delegated",
    "OpCosts",
    "OpUse",
    "Precision",
    "Target",
    "get_target",
    "register_target",
]

Precision = Literal["float32", "int8", "dynamic", "int16"]
"""What an op computes in. "dynamic": float activations, which it rounds itself, and int8 weights."""


@dataclass(frozen=True)
class OpUse:
    """One op of an artifact, as far as delegation depends on it.

    Attributes:
        op: TFLite builtin name, such as CONV_2D.
        precision: What it computes in.
        inputs: Number of inputs, constants included.
        outputs: Number of outputs.
        equal_outputs: Whether all outputs have one shape (SPLIT).
        steps: Steps of a STRIDED_SLICE.
        changes_signedness: Whether uint8 goes in and int8 comes out, or the other way round.
        input_scales: Per-tensor scales of the inputs that carry one, constants included; empty in float.
        weight_scales: (smallest, largest) scale of the weights of a convolution or fully connected op.
        output_scale: Scale of the first output; None in float.
    """

    op: str
    precision: Precision
    inputs: int = 1
    outputs: int = 1
    equal_outputs: bool = True
    steps: tuple[int, ...] = ()
    changes_signedness: bool = False
    input_scales: tuple[float, ...] = ()
    weight_scales: tuple[float, float] | None = None
    output_scale: float | None = None


Condition = Callable[[OpUse], str | None]


@dataclass(frozen=True)
class Delegated:
    """In which precisions an op is delegated, and under which conditions; each returns a reason to refuse."""

    precisions: frozenset[Precision]
    conditions: tuple[Condition, ...] = ()


@dataclass(frozen=True)
class OpCosts:
    """What ops take in one precision: enough to weigh one precision against another.

    Attributes:
        dense: Arm instructions for one multiply-add of a convolution or fully connected op.
        depthwise: Instructions for one multiply-add of a depthwise convolution.
        element: Instructions for one element that another op computes.
    """

    dense: float
    depthwise: float
    element: float


@dataclass(frozen=True)
class Target:
    """A runtime version: its delegation table and the activations it can fuse.

    Attributes:
        ops: TFLite builtin name -> delegation; an op that is not listed is never delegated.
        fused_activations: Activations an op can carry.
        fusing_ops: ONNX ops whose TFLite form can carry a fused activation.
        depthwise_taps: Most taps (kernel height times width) for which there is a fast depthwise kernel.
        channels_per_group: Most channels of a group when a larger int8 depthwise kernel runs in groups.
        costs: What ops take in each precision.
        boundary: Instructions for one element that QUANTIZE or DEQUANTIZE takes from one to the other.
    """

    name: str
    description: str
    ops: MappingProxyType[str, Delegated]
    fused_activations: frozenset[str] = frozenset({"RELU", "RELU6", "RELU_N1_TO_1"})
    fusing_ops: frozenset[str] = FUSING
    depthwise_taps: int = 25
    channels_per_group: int = 16
    costs: MappingProxyType[Precision, OpCosts] = field(default_factory=lambda: _CORTEX_A76)
    boundary: float = 1.0

    def delegates_any(self, precision: Precision) -> bool:
        """Return whether there is an op that is delegated in that precision."""
        return any(precision in entry.precisions for entry in self.ops.values())

    def delegates(self, op: str, precision: Precision) -> bool:
        """Return whether the op is delegated in that precision, conditions on its use aside."""
        return op in self.ops and precision in self.ops[op].precisions

    def why_not(self, use: OpUse) -> str | None:
        """Return why this use of an op stays outside the delegate, or None when it is delegated."""
        entry = self.ops.get(use.op)
        if not self.delegates_any(use.precision):
            return f"nothing is delegated in {use.precision} by {self.name}"
        if entry is None:
            return f"{use.op} is never delegated by {self.name}"
        if use.precision not in entry.precisions:
            return f"{use.op} is not delegated in {use.precision} by {self.name}"
        return next((reason for check in entry.conditions if (reason := check(use))), None)

    def taking(self, op: str, precision: Precision) -> Target:
        """Return the target as if it delegated that op in that precision: rewrites then leave it alone."""
        entry = self.ops.get(op, Delegated(frozenset()))
        taken = replace(entry, precisions=entry.precisions | {precision})
        return replace(self, ops=MappingProxyType({**self.ops, op: taken}))


_CORTEX_A76: MappingProxyType[Precision, OpCosts] = MappingProxyType(
    {"float32": OpCosts(0.34, 1.1, 1.0), "int8": OpCosts(0.13, 0.6, 1.0)}
)
"""Instructions on an emulated Cortex-A76. The int8 figures of multiply-adds were counted; those of float32
solve the counts of whole MobileNetV2 (120.5 M for 280 M dense and 20 M depthwise multiply-adds) and
MobileNetV3-Small (27.5 M for 48 M and 8.5 M) in float. An element costs about one instruction in either
precision and between them: float32 has four in a register where int8 has sixteen, and int8 rescales."""


def get_target(target: str | Target) -> Target:
    """Return the target of that name, or the target itself.

    Raises:
        InputError: No such target; the message lists those there are.
    """
    if isinstance(target, Target):
        return target
    if target not in TARGETS:
        raise InputError(f"unknown target {target!r}, expected one of {', '.join(TARGETS)}")
    return TARGETS[target]


def register_target(target: Target) -> None:
    """Let users name a target, as in ``--target NAME``.

    Raises:
        ValueError: Another target has the name.
    """
    if target.name in _TARGETS:
        other = _TARGETS[target.name].description
        raise ValueError(f"the target {target.name} ({other}) is registered already; choose another name")
    _TARGETS[target.name] = target


# Conditions. Bounds are powers of two because XNNPACK encodes the ratio as a fixed-point shift.


def _ratio(low: int, high: int, scales: Callable[[OpUse], Sequence[float]]) -> Condition:
    """Return the condition on an op's scales relative to that of its output; in float there are none."""

    def check(use: OpUse) -> str | None:
        if not use.output_scale:
            return None
        for ratio in (scale / use.output_scale for scale in scales(use)):
            if not 2.0**low <= ratio < 2.0**high:
                return f"scale ratio {ratio:.3g} of {use.op} is outside [2^{low}, 2^{high})"
        return None

    return check


def _each(use: OpUse) -> Sequence[float]:
    return use.input_scales


def _product(use: OpUse) -> Sequence[float]:
    return [use.input_scales[0] * use.input_scales[1]]


def _with_weights(use: OpUse) -> Sequence[float]:
    return [use.input_scales[0] * scale for scale in use.weight_scales or ()]


def _two_to_five_inputs(use: OpUse) -> str | None:
    return None if 2 <= use.inputs <= 5 else f"{use.op} of {use.inputs} inputs, 2 to 5 are delegated"


def _unit_steps(use: OpUse) -> str | None:
    steps = list(use.steps)
    return None if set(steps) <= {1} else f"{use.op} with the steps {steps}, only steps of 1 are delegated"


def _same_signedness(use: OpUse) -> str | None:
    return f"{use.op} between uint8 and int8 is not delegated" if use.changes_signedness else None


def _two_to_four_equal_outputs(use: OpUse) -> str | None:
    if 2 <= use.outputs <= 4 and use.equal_outputs:
        return None
    return f"{use.op} into {use.outputs} outputs, 2 to 4 of equal size are delegated"


def _table(
    ops: Mapping[Precision, str], conditions: Mapping[str, tuple[Condition, ...]]
) -> MappingProxyType[str, Delegated]:
    """Return a delegation table for lists of ops by precision."""
    precisions: dict[str, set[Precision]] = {}
    for precision, names in ops.items():
        for op in names.split():
            precisions.setdefault(op, set()).add(precision)
    return MappingProxyType(
        {op: Delegated(frozenset(found), conditions.get(op, ())) for op, found in precisions.items()}
    )


_FLOAT_AND_INT8 = """CONV_2D DEPTHWISE_CONV_2D FULLY_CONNECTED TRANSPOSE_CONV ADD SUB MUL PAD MEAN MAX_POOL_2D
    CONCATENATION SPLIT SLICE STRIDED_SLICE RESHAPE TRANSPOSE RESIZE_BILINEAR SPACE_TO_DEPTH DEPTH_TO_SPACE
    QUANTIZE DEQUANTIZE ELU LEAKY_RELU LOGISTIC TANH """
_FLOAT = """HARD_SWISH AVERAGE_POOL_2D SOFTMAX RELU RELU6 RELU_N1_TO_1 ABS NEG EXP SQRT RSQRT SQUARE GELU DIV
    PRELU BATCH_MATMUL MAXIMUM MINIMUM """
_CONVOLUTION = (_ratio(-32, 8, _with_weights),)
_SUM = (_ratio(-10, 8, _each),)

LITERT_2_3 = Target(
    name="litert-2.3",
    description="LiteRT 2.3 (ai-edge-litert) with its built-in XNNPACK delegate",
    ops=_table(
        {
            "float32": _FLOAT_AND_INT8 + _FLOAT,
            "int8": _FLOAT_AND_INT8,
            "dynamic": "CONV_2D FULLY_CONNECTED TRANSPOSE_CONV",
        },
        conditions={
            "CONV_2D": _CONVOLUTION,
            "DEPTHWISE_CONV_2D": _CONVOLUTION,
            "TRANSPOSE_CONV": _CONVOLUTION,
            "FULLY_CONNECTED": _CONVOLUTION,
            "ADD": _SUM,
            "SUB": _SUM,
            "MUL": (_ratio(-16, 8, _product),),
            "QUANTIZE": (_same_signedness, _ratio(-8, 7, _each)),
            "LEAKY_RELU": (_ratio(-8, 7, _each),),
            "CONCATENATION": (_two_to_five_inputs,),
            "STRIDED_SLICE": (_unit_steps,),
            "SPLIT": (_two_to_four_equal_outputs,),
        },
    ),
)

_TARGETS = {LITERT_2_3.name: LITERT_2_3}
TARGETS: Mapping[str, Target] = MappingProxyType(_TARGETS)
"""Name -> target, those that have been registered among them."""
