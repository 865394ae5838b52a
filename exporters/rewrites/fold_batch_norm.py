"""Fold a BatchNormalization that the exporter left into the convolution or fully connected layer before it.

gamma * (conv(x) + b - mean) / sqrt(var + eps) + beta
  = (gamma / sqrt(var + eps)) * conv(x) + ((b - mean) * gamma / sqrt(var + eps) + beta)
"""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx_ir as ir

from mobiledeploy.exporters.onnx_graph import float_array
from mobiledeploy.exporters.rewrites.rule import Rule, initializer

__all__ = ["BatchNormToAffine", "FoldBatchNorm"]


def _factor_and_offset(
    normed: ir.Value, statistics: tuple[ir.Value, ...]
) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    node = normed.producer()
    arrays = [float_array(value) for value in statistics]
    assert node is not None and all(array is not None for array in arrays)
    gamma, beta, mean, var = (array.astype(np.float64) for array in arrays if array is not None)
    factor = gamma / np.sqrt(var + node.attributes.get_float("epsilon", 1e-5))
    return factor, beta - mean * factor


class FoldBatchNorm(Rule):
    """BatchNormalization(Conv(x, w, b)) -> Conv(x, w * factor, b * factor + offset)."""

    def pattern(self, op: Any, x: Any, w: Any, gamma: Any, beta: Any, mean: Any, var: Any) -> Any:
        conv = op.Conv(x, w, _allow_other_inputs=True, _outputs=["conv"])
        return op.BatchNormalization(conv, gamma, beta, mean, var, _outputs=["normed"])

    def refuse(self, **values: ir.Value) -> str | None:
        node = values["conv"].producer()
        assert node is not None
        needed = [values[name] for name in ("w", "gamma", "beta", "mean", "var")] + list(node.inputs[2:3])
        if any(value is not None and float_array(value) is None for value in needed):
            return "the weights or statistics are computed at run time"
        return None

    def rewrite(
        self,
        op: Any,
        x: ir.Value,
        w: ir.Value,
        gamma: ir.Value,
        beta: ir.Value,
        mean: ir.Value,
        var: ir.Value,
        conv: ir.Value,
        normed: ir.Value,
    ) -> Any:
        node, weights = conv.producer(), float_array(w)
        assert node is not None and weights is not None
        factor, offset = _factor_and_offset(normed, (gamma, beta, mean, var))
        bias = float_array(node.inputs[2]) if len(node.inputs) > 2 else None
        folded_weights = weights * factor.reshape(-1, *[1] * (weights.ndim - 1))
        folded_bias = offset if bias is None else bias * factor + offset
        return op.Conv(
            x, initializer(op, w, folded_weights), initializer(op, beta, folded_bias), **node.attributes
        )


class BatchNormToAffine(Rule):
    """BatchNormalization(x) -> x * factor + offset, where no convolution precedes it."""

    def pattern(self, op: Any, x: Any, gamma: Any, beta: Any, mean: Any, var: Any) -> Any:
        return op.BatchNormalization(x, gamma, beta, mean, var, _outputs=["normed"])

    def refuse(self, gamma: ir.Value, beta: ir.Value, mean: ir.Value, var: ir.Value, **_: Any) -> str | None:
        if any(float_array(value) is None for value in (gamma, beta, mean, var)):
            return "the statistics are computed at run time"
        return None

    def rewrite(
        self,
        op: Any,
        x: ir.Value,
        gamma: ir.Value,
        beta: ir.Value,
        mean: ir.Value,
        var: ir.Value,
        normed: ir.Value,
    ) -> Any:
        factor, offset = _factor_and_offset(normed, (gamma, beta, mean, var))
        channels = (-1, *[1] * ((x.shape.rank() if x.shape else 4) - 2))
        scaled = op.Mul(x, initializer(op, gamma, factor.reshape(channels)))
        return op.Add(scaled, initializer(op, beta, offset.reshape(channels)))
