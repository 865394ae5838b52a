"""What has been decided about quantizing a float graph, before anything of it is written into the graph."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from mobiledeploy.graph.onnx_graph import float_array, input_at, name_of, result_of
from mobiledeploy.graph.op_traits import WEIGHT_RANK, WEIGHTED, channel_axis
from mobiledeploy.graph.params import QuantParams, weight_params, with_room_for_bias
from mobiledeploy.quantize.qdq.points import QuantizationPoints

__all__ = ["INT8", "LinearOp", "Plan", "weights_of"]

_MOST_STEPS_OF_INT64 = 2.0**46  # TFLite's kernels scale 48 bits


INT8 = np.dtype(np.int8)


@dataclass
class Plan:
    """Steps of quantization read and change it; ``insert_qdq`` carries it out. It fits any copy of its graph.

    Attributes:
        points: Which values get parameters, which of them share, and which nodes compute on integers.
        activations: Name of a value -> its int8 or int16 parameters, for every value in ``points``.
        fixed: Names of the values among them whose parameters the ops that compute them demand.
        weights: Name of a linear node's result -> parameters of its weights, where a step has chosen others
            than those that cover the largest weight of each output channel.
        dtype: Type of the activations, int8 or int16.
    """

    points: QuantizationPoints
    activations: dict[str, QuantParams]
    fixed: frozenset[str] = frozenset()
    weights: dict[str, QuantParams] = field(default_factory=dict)
    dtype: np.dtype[Any] = INT8

    def params_of(self, value: ir.Value | None) -> QuantParams | None:
        """The parameters of an activation; None if it carries none."""
        return None if value is None else self.activations.get(name_of(value))

    def linear(self, node: ir.Node) -> LinearOp | None:
        """What becomes of the constants of a node that applies int8 weights; None for any other node."""
        name = result_of(node)
        weights = weights_of(node) if name in self.points.integer_nodes else None
        if weights is None:
            return None
        axis, source = channel_axis(node), self.params_of(node.inputs[0])
        params = self.weights.get(name) or weight_params(weights, axis)
        bias = float_array(input_at(node, 2))
        if bias is None or source is None or bias.size not in (1, weights.shape[axis]):
            return LinearOp(weights, params)
        bias, input_scale = np.broadcast_to(bias.reshape(-1), weights.shape[axis]), source.scale
        if self.dtype == np.int16:
            return LinearOp(weights, with_room_for_bias(params, bias, input_scale, _MOST_STEPS_OF_INT64))
        params = with_room_for_bias(params, bias, input_scale)
        scale = (input_scale * params.scale).astype(np.float32)
        return LinearOp(
            weights,
            params,
            bias,
            QuantParams(scale, np.zeros(scale.shape, np.int64), 0, np.dtype(np.int32)),
        )


@dataclass(frozen=True, eq=False)
class LinearOp:
    """The constants of a linear op in float, and the parameters that they get.

    Attributes:
        weights: Weights in the layout of the ONNX node.
        params: int8, symmetric, per output channel.
        bias: (output channels,); None where there is none, or it stays in float, as it does beside int16
            activations: ONNX cannot dequantize int64.
        bias_params: int32 with scale = input scale * weight scale.
    """

    weights: NDArray[np.float32]
    params: QuantParams
    bias: NDArray[np.float32] | None = None
    bias_params: QuantParams | None = None


def weights_of(node: ir.Node) -> NDArray[np.float32] | None:
    """The constant weights of a convolution, fully connected op or matrix product; None for other nodes."""
    weights = float_array(node.inputs[1]) if node.op_type in WEIGHTED else None
    return weights if weights is not None and weights.ndim == WEIGHT_RANK[node.op_type] else None
