"""Fold a BatchNormalization that the exporter left into the linear op before it.

gamma * (linear(x) - mean) / sqrt(var + eps) + beta = factor * linear(x) + offset
    with  factor = gamma / sqrt(var + eps),  offset = beta - mean * factor
"""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from mobiledeploy.exporters.rewrites.rule import Rule
from mobiledeploy.graph.constants import initializer
from mobiledeploy.graph.linear import scale_and_shift, why_not_constant
from mobiledeploy.graph.onnx_graph import float_array, producer_of, rank, required

__all__ = ["FOLD_BATCH_NORM", "BatchNormToAffine", "why_not_fixed"]


def why_not_fixed(normed: ir.Value) -> str | None:
    """Return why a BatchNormalization is no fixed scaling and shift per channel."""
    node = producer_of(normed)
    if node.attributes.get_int("training_mode", 0):
        return "it normalises by the batch's own statistics (training_mode=1), export the model in eval mode"
    if any(float_array(value) is None for value in node.inputs[1:5]):
        return "the statistics are computed at run time"
    return None


def _factor_and_offset(normed: ir.Value) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return what a BatchNormalization multiplies by and adds, (channels,) each."""
    node = producer_of(normed)
    arrays = [float_array(value) for value in node.inputs[1:5]]
    gamma, beta, mean, var = (array.astype(np.float64) for array in arrays if array is not None)
    factor = gamma / np.sqrt(var + node.attributes.get_float("epsilon", 1e-5))
    return factor, beta - mean * factor


class _FoldBatchNorm(Rule):
    """BatchNormalization(Linear(x, w, b)) -> Linear(x, w * factor, b * factor + offset)."""

    op_type: ClassVar[str]

    def pattern(self, op: Any, x: Any) -> Any:
        linear = getattr(op, self.op_type)(x, _allow_other_inputs=True, _outputs=["linear"])
        return op.BatchNormalization(linear, _allow_other_inputs=True, _outputs=["normed"])

    def refuse(self, linear: ir.Value, normed: ir.Value, **_: Any) -> str | None:
        return why_not_constant(linear) or why_not_fixed(normed)

    def rewrite(self, op: Any, x: ir.Value, linear: ir.Value, normed: ir.Value) -> Any:
        beta = producer_of(normed).inputs[2]
        return scale_and_shift(op, x, linear, *_factor_and_offset(normed), bias_name=beta)


FOLD_BATCH_NORM: tuple[type[Rule], ...] = (
    _FoldBatchNorm.variant("FoldBatchNormIntoConv", op_type="Conv"),
    _FoldBatchNorm.variant("FoldBatchNormIntoConvTranspose", op_type="ConvTranspose"),
    _FoldBatchNorm.variant("FoldBatchNormIntoGemm", op_type="Gemm"),
)


class BatchNormToAffine(Rule):
    """BatchNormalization(x) -> x * factor + offset, where no linear op can take it."""

    def pattern(self, op: Any, x: Any) -> Any:
        return op.BatchNormalization(x, _allow_other_inputs=True, _outputs=["normed"])

    def refuse(self, x: ir.Value, normed: ir.Value) -> str | None:
        return why_not_fixed(normed) or (None if rank(x) else "the shape of the input is not known")

    def rewrite(self, op: Any, x: ir.Value, normed: ir.Value) -> Any:
        node, dimensions = producer_of(normed), required(rank(x))
        factor, offset = (v.reshape(-1, *[1] * (dimensions - 2)) for v in _factor_and_offset(normed))
        scaled = op.Mul(x, initializer(op, node.inputs[1], factor))
        return op.Add(scaled, initializer(op, node.inputs[2], offset))
