"""The lowest version of each TFLite op that covers the form in which it is used.

An older runtime refuses a file that states a higher version than it knows, so each op states the lowest that
is true of it. The facts are those of tflite/tools/versioning/op_version.cc in google-ai-edge/LiteRT.
"""

from __future__ import annotations

from collections.abc import Callable
from types import MappingProxyType

import numpy as np

from mobiledeploy.exporters.tflite.graph import Op

__all__ = ["op_version"]

# Version for int8 where it is not 2. Float takes version 1.
_INT8 = MappingProxyType(
    {
        "CONV_2D": 3,
        "DEPTHWISE_CONV_2D": 3,
        "FULLY_CONNECTED": 4,
        "ELU": 1,
        "HARD_SWISH": 1,
        "LEAKY_RELU": 1,
        "NEG": 1,
        "PRELU": 1,
        "QUANTIZE": 1,
        "RELU_N1_TO_1": 1,
        "RESHAPE": 1,
        "SQRT": 1,
    }
)

# Version for int16 activations, where it is not 1.
_INT16 = MappingProxyType(
    {
        "ADD": 3,
        "AVERAGE_POOL_2D": 3,
        "BATCH_MATMUL": 3,
        "CONCATENATION": 3,
        "CONV_2D": 4,
        "DEPTHWISE_CONV_2D": 5,
        "DEQUANTIZE": 3,
        "FULLY_CONNECTED": 7,
        "GATHER": 4,
        "LEAKY_RELU": 2,
        "LOGISTIC": 3,
        "MAXIMUM": 4,
        "MAX_POOL_2D": 3,
        "MEAN": 3,
        "MINIMUM": 4,
        "MUL": 4,
        "PAD": 3,
        "PADV2": 3,
        "QUANTIZE": 2,
        "RELU": 3,
        "RELU6": 3,
        "RESIZE_BILINEAR": 4,
        "RESIZE_NEAREST_NEIGHBOR": 4,
        "SLICE": 4,
        "SOFTMAX": 3,
        "SPLIT": 4,
        "SUB": 5,
        "TANH": 3,
        "TRANSPOSE": 5,
    }
)

# Version for int8 weights per channel with float activations.
_DYNAMIC = MappingProxyType({"CONV_2D": 5, "FULLY_CONNECTED": 12, "TRANSPOSE_CONV": 2})


def _is_grouped(op: Op) -> bool:
    x, weights = op.inputs[:2]
    return x is not None and weights is not None and x.shape[3] != weights.shape[3]


def _is_dilated(op: Op) -> bool:
    return (op.options.get("dilation_h_factor", 1), op.options.get("dilation_w_factor", 1)) != (1, 1)


def _has_bias(op: Op) -> bool:
    return len(op.inputs) > 3 and op.inputs[3] is not None


def _has_scale_per_channel(op: Op) -> bool:
    x = op.inputs[0]
    return x is not None and x.params is not None and x.params.axis is not None


def _fuses(op: Op) -> bool:
    return str(op.options.get("fused_activation_function", "NONE")) != "NONE"


def _scales_up(op: Op) -> bool:
    scales = [float(t.params.scale[0]) for t in (*op.inputs, *op.outputs) if t is not None and t.params]
    return len(scales) == 3 and scales[0] * scales[1] / scales[2] >= 1


def _rank_above(rank: int) -> Callable[[Op], bool]:
    return lambda op: any(t is not None and len(t.shape) > rank for t in op.inputs)


def _broadcasts_above_rank_4(op: Op) -> bool:
    return _rank_above(4)(op) and len({t.shape for t in op.inputs if t is not None}) > 1


# Forms that need a version of their own, in float and int8 alike: (condition, version).
_FORMS: MappingProxyType[str, tuple[tuple[Callable[[Op], bool], int], ...]] = MappingProxyType(
    {
        "CONV_2D": ((_is_grouped, 6),),
        "DEPTHWISE_CONV_2D": ((_is_dilated, 2),),
        "DEQUANTIZE": ((_has_scale_per_channel, 5),),
        "DIV": ((_broadcasts_above_rank_4, 2),),
        "FULLY_CONNECTED": ((lambda op: bool(op.options.get("keep_num_dims")), 5),),
        "MAXIMUM": ((_broadcasts_above_rank_4, 3),),
        "MINIMUM": ((_broadcasts_above_rank_4, 3),),
        "MUL": ((_scales_up, 3),),
        "PAD": ((_rank_above(4), 4),),
        "PADV2": ((_rank_above(4), 4),),
        "RESIZE_BILINEAR": ((lambda op: bool(op.options.get("half_pixel_centers")), 3),),
        "SLICE": ((_rank_above(4), 5),),
        "STRIDED_SLICE": ((_rank_above(4), 4),),
        "SUB": ((_broadcasts_above_rank_4, 3),),
        "TRANSPOSE": ((_rank_above(4), 4), (_rank_above(5), 6)),
        "TRANSPOSE_CONV": ((_has_bias, 3), (_fuses, 4)),
    }
)


def op_version(op: Op) -> int:
    """Return the lowest version of the builtin that runs this use of it."""
    return max([_base(op), *(version for holds, version in _FORMS.get(op.name, ()) if holds(op))])


def _base(op: Op) -> int:
    # Not the first input alone: that is the axis of SPLIT and the shape of TRANSPOSE_CONV.
    read = {t.dtype for t in op.inputs if t is not None}
    written = {t.dtype for t in op.outputs}
    if np.dtype(np.int16) in read | written:
        return _INT16.get(op.name, 1)
    if op.name == "DEQUANTIZE" and np.dtype(np.float16) in read:
        return 3
    if np.dtype(np.int8) not in read:
        return 1
    if np.dtype(np.float32) in written and op.name in _DYNAMIC:
        return _DYNAMIC[op.name]
    return _INT8.get(op.name, 2)
