"""What is known of each ONNX op: one table, from which all sets of ops in the project are derived.

An op that is not listed works in any layout, passes no constant factor or order of channels on, and is
quantized the standard way: inputs and outputs in int8 (or int16), each with parameters of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import onnx_ir as ir

__all__ = [
    "BOUNDARY",
    "BROADCASTING",
    "BY_CONSTANT",
    "CLAMPING",
    "CONSTANT_OPERANDS",
    "CONVOLUTIONS",
    "ELEMENTWISE",
    "FIXED_OUTPUT",
    "FUSING",
    "HOMOGENEOUS",
    "IMAGE_OPS",
    "LAYOUT_BOUND",
    "LINEAR_OPS",
    "PERMUTING",
    "PER_CHANNEL",
    "REDUCTIONS",
    "SAME_SCALE",
    "SCALED_AS",
    "TRAITS",
    "WEIGHTED",
    "WEIGHT_RANK",
    "OpTraits",
    "Weights",
    "channel_axis",
]


@dataclass(frozen=True)
class Weights:
    """Constant weights as the second input of an op.

    Attributes:
        channel_axis: Axis of the output channels (for Gemm with transB=1).
        rank: A constant of another rank is an operand like any other.
        bias: Whether the op takes a bias as third input.
    """

    channel_axis: int
    rank: int
    bias: bool = True


@dataclass(frozen=True)
class OpTraits:
    """A row of the table.

    Attributes:
        weights: What the weights of a convolution, fully connected op or matrix product are like.
        layout: "NHWC" if TFLite defines the op on NHWC images; "ONNX" if what it does depends on the order of
            the axes in memory, so that it must see ONNX's; None if it works in either.
        elementwise: Whether it treats every element of one activation by itself.
        broadcasting: Whether it joins activations and constants element by element.
        per_channel: Whether it treats every channel of one image alike and by itself. So do element-wise ops;
            of reductions and Pad that depends on the axes.
        reduction: Whether it reduces axes.
        permutes: Whether it moves elements and may put them into another order.
        homogeneous: Whether F(c*x) = c*F(x): for any number c ("linear"), for c > 0 ("positive"), or for
            c > 0 where the second operand is constant ("by constant").
        clamps: Whether it is an activation that TFLite has as a clamp.
        fuses: Whether its TFLite form can carry a fused activation.
        same_scale: Whether integer kernels demand that inputs and outputs share one scale and zero point.
        constant_operands: Whether constants are quantized as activations are: int8 (or int16) per tensor.
        fixed_output: (scale, zero point) in int8, where the TFLite specification fixes them.
        scaled_as: TFLite op that it becomes, if that is delegated only for some ratios of its scales.
        boundary: Whether it stands between float and integers.
    """

    weights: Weights | None = None
    layout: Literal["NHWC", "ONNX"] | None = None
    elementwise: bool = False
    broadcasting: bool = False
    per_channel: bool = False
    reduction: bool = False
    permutes: bool = False
    homogeneous: Literal["linear", "positive", "by constant"] | None = None
    clamps: bool = False
    fuses: bool = False
    same_scale: bool = False
    constant_operands: bool = False
    fixed_output: tuple[float, int] | None = None
    scaled_as: str | None = None
    boundary: bool = False


def _sum(tflite: str) -> OpTraits:
    return OpTraits(broadcasting=True, fuses=True, constant_operands=True, scaled_as=tflite)


_CONV = OpTraits(Weights(0, rank=4), "NHWC", fuses=True, scaled_as="CONV_2D")
_CONV_TRANSPOSE = OpTraits(Weights(1, rank=4), "NHWC", scaled_as="TRANSPOSE_CONV")
_GEMM = OpTraits(Weights(0, rank=2), "ONNX", fuses=True, scaled_as="FULLY_CONNECTED")
_RESHAPE = OpTraits(layout="ONNX", homogeneous="linear", same_scale=True)
_REARRANGE = OpTraits(layout="NHWC", homogeneous="linear", same_scale=True)
_CURVE = OpTraits(elementwise=True)
_PROBABILITY = (1 / 256, -128)

TRAITS: MappingProxyType[str, OpTraits] = MappingProxyType(
    {
        # Ops with weights
        "Conv": _CONV,
        "ConvTranspose": _CONV_TRANSPOSE,
        "Gemm": _GEMM,
        "MatMul": OpTraits(Weights(1, rank=2, bias=False), "ONNX", constant_operands=True),
        # Normalization
        "BatchNormalization": OpTraits(layout="NHWC"),
        "InstanceNormalization": OpTraits(layout="NHWC"),
        # Activations
        "Abs": OpTraits(elementwise=True, homogeneous="positive"),
        "Clip": OpTraits(elementwise=True, clamps=True),
        "Elu": _CURVE,
        "Exp": _CURVE,
        "Gelu": _CURVE,
        "HardSigmoid": _CURVE,
        "HardSwish": _CURVE,
        "LeakyRelu": OpTraits(elementwise=True, homogeneous="positive"),
        "Mish": _CURVE,
        "Neg": OpTraits(elementwise=True, homogeneous="linear"),
        "Relu": OpTraits(elementwise=True, homogeneous="positive", clamps=True),
        "Selu": _CURVE,
        "Sigmoid": OpTraits(elementwise=True, fixed_output=_PROBABILITY),
        "Softmax": OpTraits(fixed_output=_PROBABILITY),
        "Softplus": _CURVE,
        "Sqrt": _CURVE,
        "Tanh": OpTraits(elementwise=True, fixed_output=(1 / 128, 0)),
        # Arithmetic
        "Add": _sum("ADD"),
        "Sub": _sum("SUB"),
        "Mul": OpTraits(
            broadcasting=True, homogeneous="by constant", fuses=True, constant_operands=True, scaled_as="MUL"
        ),
        "Div": OpTraits(broadcasting=True, homogeneous="by constant"),
        "PRelu": OpTraits(broadcasting=True, homogeneous="by constant", constant_operands=True),
        "Max": OpTraits(broadcasting=True),
        "Min": OpTraits(broadcasting=True),
        "Pow": OpTraits(broadcasting=True),
        # Pools and reductions
        "AveragePool": OpTraits(layout="NHWC", per_channel=True, homogeneous="linear", same_scale=True),
        "GlobalAveragePool": OpTraits(layout="NHWC", per_channel=True, homogeneous="linear"),
        "GlobalMaxPool": OpTraits(layout="NHWC", per_channel=True, homogeneous="positive"),
        "MaxPool": OpTraits(layout="NHWC", per_channel=True, homogeneous="positive", same_scale=True),
        "ReduceMax": OpTraits(reduction=True, homogeneous="positive"),
        "ReduceMean": OpTraits(reduction=True, homogeneous="linear"),
        "ReduceMin": OpTraits(reduction=True, homogeneous="positive"),
        "ReduceSum": OpTraits(reduction=True, homogeneous="linear"),
        # Moving elements
        "Concat": OpTraits(same_scale=True),
        "DepthToSpace": _REARRANGE,
        "Expand": OpTraits(layout="ONNX", homogeneous="linear"),
        "Flatten": _RESHAPE,
        "Gather": OpTraits(permutes=True, homogeneous="linear", same_scale=True),
        "Pad": OpTraits(homogeneous="linear", same_scale=True),  # with zeros
        "Reshape": _RESHAPE,
        "Resize": OpTraits(layout="NHWC", per_channel=True, homogeneous="linear", same_scale=True),
        "Slice": OpTraits(homogeneous="linear", same_scale=True),
        "SpaceToDepth": _REARRANGE,
        "Split": OpTraits(homogeneous="linear", same_scale=True),
        "Squeeze": _RESHAPE,
        "Transpose": OpTraits(layout="ONNX", permutes=True, homogeneous="linear", same_scale=True),
        "Unsqueeze": _RESHAPE,
        # Between float and integers
        "DequantizeLinear": OpTraits(boundary=True),
        "QuantizeLinear": OpTraits(boundary=True),
    }
)
"""ONNX op -> what is known of it."""


def _those(holds: Callable[[OpTraits], object]) -> frozenset[str]:
    return frozenset(op for op, traits in TRAITS.items() if holds(traits))


WEIGHTED = _those(lambda op: op.weights)
"""Ops whose second input may be weights."""
_CHANNEL_AXIS = MappingProxyType({op: row.weights.channel_axis for op, row in TRAITS.items() if row.weights})
WEIGHT_RANK = MappingProxyType({op: row.weights.rank for op, row in TRAITS.items() if row.weights})
LINEAR_OPS = _those(lambda op: op.weights and op.weights.bias)
"""Ops with weights and, optionally, a bias: those that can take in a scale and a shift of their result."""
CONVOLUTIONS = _those(lambda op: op.weights and op.weights.rank == 4)

IMAGE_OPS = _those(lambda op: op.layout == "NHWC")
LAYOUT_BOUND = _those(lambda op: op.layout == "ONNX")

ELEMENTWISE = _those(lambda op: op.elementwise)
BROADCASTING = _those(lambda op: op.broadcasting)
PER_CHANNEL = _those(lambda op: op.per_channel or op.elementwise)
REDUCTIONS = _those(lambda op: op.reduction)
PERMUTING = _those(lambda op: op.permutes)
HOMOGENEOUS = _those(lambda op: op.homogeneous in ("linear", "positive"))
BY_CONSTANT = _those(lambda op: op.homogeneous == "by constant")

CLAMPING = _those(lambda op: op.clamps)
FUSING = _those(lambda op: op.fuses)

SAME_SCALE = _those(lambda op: op.same_scale)
CONSTANT_OPERANDS = _those(lambda op: op.constant_operands)
FIXED_OUTPUT = MappingProxyType({op: row.fixed_output for op, row in TRAITS.items() if row.fixed_output})
SCALED_AS = MappingProxyType({op: row.scaled_as for op, row in TRAITS.items() if row.scaled_as})
BOUNDARY = _those(lambda op: op.boundary)


def channel_axis(node: ir.Node) -> int:
    """Return the output channel axis of a node's weights."""
    if node.op_type == "Gemm" and not node.attributes.get_int("transB", 0):
        return 1
    return _CHANNEL_AXIS[node.op_type]
