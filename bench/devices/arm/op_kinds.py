"""The kind of work that each TFLite op is, for the shares of a count."""

from __future__ import annotations

from typing import Literal

__all__ = ["OP_KINDS", "OpKind", "kind_of"]

OpKind = Literal[
    "convolution", "depthwise", "fully connected", "element-wise", "pooling", "data movement", "other"
]


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


OP_KINDS: dict[OpKind, frozenset[str]] = {
    "convolution": _names("CONV_2D TRANSPOSE_CONV"),
    "depthwise": _names("DEPTHWISE_CONV_2D"),
    "fully connected": _names("BATCH_MATMUL FULLY_CONNECTED"),
    "element-wise": _names(
        """ABS ADD ADD_N CAST CEIL COS DEQUANTIZE DIV ELU EXP FLOOR GELU HARD_SWISH LEAKY_RELU LOG LOGISTIC
        MAXIMUM MINIMUM MUL NEG POW PRELU QUANTIZE RELU RELU6 RELU_0_TO_1 RELU_N1_TO_1 ROUND RSQRT SIN SQRT
        SQUARE SQUARED_DIFFERENCE SUB TANH"""
    ),
    "pooling": _names("AVERAGE_POOL_2D L2_POOL_2D MAX_POOL_2D MEAN REDUCE_MAX REDUCE_MIN REDUCE_PROD SUM"),
    "data movement": _names(
        """BATCH_TO_SPACE_ND BROADCAST_TO CONCATENATION DEPTH_TO_SPACE EXPAND_DIMS FILL GATHER GATHER_ND
        MIRROR_PAD PACK PAD PADV2 RESHAPE RESIZE_NEAREST_NEIGHBOR REVERSE_V2 SLICE SPACE_TO_BATCH_ND
        SPACE_TO_DEPTH SPLIT SPLIT_V SQUEEZE STRIDED_SLICE TILE TRANSPOSE UNPACK"""
    ),
}
"""Kind -> builtin names; all others are "other"."""

_KIND_OF: dict[str, OpKind] = {name: kind for kind, names in OP_KINDS.items() for name in names}


def kind_of(op: str) -> OpKind:
    """Return the kind of work that an op does, by its builtin name."""
    return _KIND_OF.get(op, "other")
