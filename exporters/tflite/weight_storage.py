"""Weights stored in fewer bits than the op computes in, once a float graph has been lowered.

float16: the weights of linear ops lie behind a DEQUANTIZE, which XNNPACK does away with on loading.

int8: symmetric per output channel. Where the target runs an op on int8 weights and float activations, the op
reads them as they are and rounds its input at run time, to a scale that each input gets for itself (dynamic
range quantization). Other ops have them behind a DEQUANTIZE and compute in float.

Weights of fewer than 1024 elements stay as they are, as with TensorFlow's converter: little is to be gained.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Literal

import numpy as np

from mobiledeploy.exporters.tflite.graph import Op, Tensor, TfliteGraph
from mobiledeploy.graph.onnx_graph import required
from mobiledeploy.graph.params import quantize, weight_params
from mobiledeploy.runtime.targets import OpUse, Target

__all__ = ["StorageType", "store_weights"]

StorageType = Literal["float16", "int8"]

_CHANNEL_AXIS = {"CONV_2D": 0, "DEPTHWISE_CONV_2D": 3, "FULLY_CONNECTED": 0, "TRANSPOSE_CONV": 0}
"""Ops whose second input is weights -> their output channel axis."""

_SMALL = 1024

# Of a normal number, rounding to float16 loses 2^-11 at most; of one that overflows or underflows, more.
_MOST_LOST = 2.0**-10


def store_weights(graph: TfliteGraph, stored_as: StorageType, target: Target) -> list[str]:
    """Store the float32 weights of linear ops in fewer bits, in place.

    Returns:
        Which ops keep their weights, or compute in float on int8 ones, and why: one line for each kind.
    """
    notes: Counter[str] = Counter()
    ops: list[Op] = []
    for op in graph.ops:
        weights = op.inputs[1] if op.name in _CHANNEL_AXIS else None
        if weights is not None and weights.data is not None and weights.dtype == np.float32:
            narrow = _narrow(weights, stored_as, _CHANNEL_AXIS[op.name])
            refusal = target.why_not(OpUse(op.name, "dynamic"))
            if isinstance(narrow, str):
                notes[f"{op.name} with float32 weights: {narrow}"] += 1
            elif stored_as == "int8" and refusal is None:
                op.inputs[1] = narrow
                if op.name == "FULLY_CONNECTED":  # what XNNPACK does anyway, and convolutions always do
                    op.options["asymmetric_quantize_inputs"] = True
            else:
                op.inputs[1] = unpacked = replace(weights, data=None)
                ops.append(Op("DEQUANTIZE", [narrow], [unpacked], source=op.source))
                if stored_as == "int8":
                    notes[f"{op.name} in float, its int8 weights unpacked on loading: {refusal}"] += 1
        ops.append(op)
    graph.ops = ops
    return [f"{count} {note}" for note, count in notes.items()]


def _narrow(weights: Tensor, stored_as: StorageType, axis: int) -> Tensor | str:
    """Return the weights as they are stored, int8 ones per channel along ``axis``; or why they stay."""
    data, params = required(weights.data), None
    if data.size < _SMALL:
        return f"fewer than {_SMALL} elements"
    if stored_as == "int8":
        params = weight_params(data, axis)
        stored = quantize(data, params)
    else:
        with np.errstate(over="ignore"):
            stored = data.astype(np.float16)
        lost = np.linalg.norm(stored.astype(np.float64) - data)
        if lost > _MOST_LOST * np.linalg.norm(data.astype(np.float64)):
            return "outside the range of float16"
    return replace(
        weights, name=f"{weights.name}/{stored_as}", dtype=stored.dtype, params=params, data=stored
    )
