"""The lowest version of each TFLite op that covers the form in which it is used.

An older runtime refuses a file that states a higher version than it knows, so each op states the lowest that
is true of it. The facts are those of tflite/tools/versioning/op_version.cc in google-ai-edge/LiteRT.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from mobiledeploy.exporters.tflite.graph import Op

__all__ = ["op_version"]


def _by_op(ops: Mapping[int, str]) -> dict[str, int]:
    """Return op -> version for lists of ops by version."""
    return {op: version for version, names in ops.items() for op in names.split()}


# Versions for int8, 2 for all other ops. Float takes version 1.
_INT8 = _by_op(
    {
        1: "ELU HARD_SWISH LEAKY_RELU NEG PRELU QUANTIZE RELU_N1_TO_1 RESHAPE SQRT",
        3: "CONV_2D DEPTHWISE_CONV_2D",
        4: "FULLY_CONNECTED",
    }
)

# Versions for int16 activations, 1 for all other ops.
_INT16 = _by_op(
    {
        2: "LEAKY_RELU QUANTIZE",
        3: """ADD AVERAGE_POOL_2D BATCH_MATMUL CONCATENATION DEQUANTIZE LOGISTIC MAX_POOL_2D MEAN PAD PADV2
            RELU RELU6 SOFTMAX TANH""",
        4: "CONV_2D GATHER MAXIMUM MINIMUM MUL RESIZE_BILINEAR RESIZE_NEAREST_NEIGHBOR SLICE SPLIT",
        5: "DEPTHWISE_CONV_2D SUB TRANSPOSE",
        7: "FULLY_CONNECTED",
    }
)

# Versions for int8 weights per channel with float activations.
_DYNAMIC = _by_op({2: "TRANSPOSE_CONV", 5: "CONV_2D", 12: "FULLY_CONNECTED"})


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
_FORMS: dict[str, tuple[tuple[Callable[[Op], bool], int], ...]] = {
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
