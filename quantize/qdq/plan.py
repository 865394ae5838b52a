"""What has been decided about quantizing a float graph, before anything of it is written into the graph."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from mobiledeploy.graph.onnx_graph import float_array
from mobiledeploy.graph.op_traits import WEIGHT_RANK, WEIGHTED, channel_axis
from mobiledeploy.graph.params import QuantParams, weight_params, with_room_for_bias
from mobiledeploy.quantize.qdq.points import QuantizationPoints

__all__ = ["LinearOp", "Plan", "weights_of"]

_MOST_STEPS_OF_INT64 = 2.0**46  # TFLite's kernels scale 48 bits


@dataclass
class Plan:
    """Steps of quantization read and change it; ``insert_qdq`` carries it out.

    Attributes:
        points: Which values get parameters, which of them share, and which nodes compute on integers.
        activations: int8 or int16 parameters of every value in ``points``.
        weights: Parameters of the weights of linear nodes, where a step has chosen others than those that
            cover the largest weight of each output channel.
    """

    points: QuantizationPoints
    activations: dict[ir.Value, QuantParams]
    weights: dict[ir.Node, QuantParams] = field(default_factory=dict)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of the activations."""
        return next((params.dtype for params in self.activations.values()), np.dtype(np.int8))

    def linear(self, node: ir.Node) -> LinearOp | None:
        """What becomes of the constants of a node that applies int8 weights; None for any other node."""
        weights = weights_of(node) if node in self.points.integer_nodes else None
        if weights is None:
            return None
        axis, x = channel_axis(node), node.inputs[0]
        params = self.weights.get(node) or weight_params(weights, axis)
        bias = float_array(node.inputs[2]) if len(node.inputs) > 2 else None
        if bias is None or x not in self.activations or bias.size not in (1, weights.shape[axis]):
            return LinearOp(weights, params)
        bias = np.broadcast_to(bias.reshape(-1), weights.shape[axis])
        input_scale = self.activations[x].scale
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
        weights: As the ONNX node has them.
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
