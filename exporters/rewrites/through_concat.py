"""Move what follows a concatenation of channels to its parts, where the ops that compute them can take it in.

    F(Concat(a, b, ...)) = Concat(F(a), F(b), ...)     for F that treats every channel by itself

MixConv (arXiv:1907.09595) has one batch norm and one activation after depthwise convolutions side by side.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, ClassVar

import numpy as np
import onnx_ir as ir

from mobiledeploy.exporters.rewrites.fold_batch_norm import why_not_fixed
from mobiledeploy.exporters.rewrites.fuse_activation import why_not_fused
from mobiledeploy.exporters.rewrites.rule import Rule
from mobiledeploy.graph.constants import initializer
from mobiledeploy.graph.onnx_graph import float_array, producer_of, required, shape_of
from mobiledeploy.graph.op_traits import LINEAR_OPS

__all__ = ["THROUGH_CONCAT"]


class _ThroughConcat(Rule):
    """Base: an op on the concatenation ``joined``, whose parts all come from ops that can take it in."""

    @property
    def takers(self) -> Collection[str]:
        """Ops that can take it in."""
        return LINEAR_OPS

    def matches(self, joined: ir.Value, **_: Any) -> bool:
        return producer_of(joined).attributes["axis"].as_int() == 1

    def refuse(self, joined: ir.Value, **values: Any) -> str | None:
        for part in _parts(joined):
            node = part.producer()
            if node is None or node.op_type not in self.takers:
                return f"{part.name!r}, a part of {joined.name!r}, is computed by no op that could take it in"
            if len(part.uses()) > 1 or part.is_graph_output():
                return f"{part.name!r}, a part of {joined.name!r}, has other readers"
        return None


class BatchNormThroughConcat(_ThroughConcat):
    """BatchNormalization(Concat(a, b)) -> Concat(BatchNormalization(a), BatchNormalization(b))."""

    def pattern(self, op: Any) -> Any:
        joined = op.Concat(_allow_other_inputs=True, _outputs=["joined"])
        return op.BatchNormalization(joined, _allow_other_inputs=True, _outputs=["normed"])

    def matches(self, joined: ir.Value, **_: Any) -> bool:
        # A part that another rule has just made has no shape yet; the next round knows it.
        return super().matches(joined) and all(part.shape is not None for part in _parts(joined))

    def refuse(self, joined: ir.Value, **values: Any) -> str | None:
        return why_not_fixed(values["normed"]) or super().refuse(joined)

    def rewrite(self, op: Any, joined: ir.Value, normed: ir.Value) -> Any:
        node, parts = producer_of(normed), _parts(joined)
        ends = np.cumsum([shape_of(part)[1] for part in parts])
        constants = [(value, required(float_array(value))) for value in node.inputs[1:5]]
        statistics = [(value, np.split(array, ends[:-1])) for value, array in constants]
        normed_parts = [
            op.BatchNormalization(
                part, *(initializer(op, value, pieces[i]) for value, pieces in statistics), **node.attributes
            )
            for i, part in enumerate(parts)
        ]
        return op.Concat(*normed_parts, axis=1)


class _ActivationThroughConcat(_ThroughConcat):
    """F(Concat(a, b)) -> Concat(F(a), F(b)), for an activation F that ops can carry."""

    op_type: ClassVar[str]

    @property
    def takers(self) -> Collection[str]:
        return self.target.fusing_ops

    def pattern(self, op: Any) -> Any:
        joined = op.Concat(_allow_other_inputs=True, _outputs=["joined"])
        return getattr(op, self.op_type)(joined, _allow_other_inputs=True, _outputs=["result"])

    def refuse(self, joined: ir.Value, **values: Any) -> str | None:
        return why_not_fused(values["result"], self.target) or super().refuse(joined)

    def rewrite(self, op: Any, joined: ir.Value, result: ir.Value) -> Any:
        node, activation = producer_of(result), getattr(op, self.op_type)
        parts = [activation(part, *node.inputs[1:], **node.attributes) for part in _parts(joined)]
        return op.Concat(*parts, axis=1)


def _parts(joined: ir.Value) -> list[ir.Value]:
    return [value for value in producer_of(joined).inputs if value is not None]


THROUGH_CONCAT: tuple[type[Rule], ...] = (
    BatchNormThroughConcat,
    _ActivationThroughConcat.variant("ReluThroughConcat", op_type="Relu"),
    _ActivationThroughConcat.variant("ClipThroughConcat", op_type="Clip"),
)
