"""Fuse Relu, Clip(0, 6) and Clip(-1, 1) into the op that computes their input.

TFLite ops carry a fused activation and ONNX ops do not, so this is the last rewrite before lowering: the node
keeps its ONNX op type and notes the activation in ``node.meta[FUSED_ACTIVATION]``. It works on float and on
QDQ graphs alike, since QDQ puts no Q/DQ pair between an op and the activation that follows it.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import MappingProxyType
from typing import Any, ClassVar

import onnx_ir as ir

from mobiledeploy.exporters.rewrites.clamp import clamp_bounds
from mobiledeploy.exporters.rewrites.rule import Rule
from mobiledeploy.graph.onnx_graph import producer_of
from mobiledeploy.graph.op_traits import CLAMPING
from mobiledeploy.runtime.targets import Target

__all__ = ["CLAMPS_OF_TFLITE", "FUSED_ACTIVATION", "fusion_rules", "why_not_fused", "will_fuse"]

FUSED_ACTIVATION = "fused_activation"
"""Key of ``onnx_ir.Node.meta`` under which the TFLite name of the activation stands."""

CLAMPS_OF_TFLITE = MappingProxyType(
    {(0.0, 6.0): "RELU6", (-1.0, 1.0): "RELU_N1_TO_1", (0.0, float("inf")): "RELU"}
)
"""(low, high) -> TFLite's activation that clamps to it."""


def _activation(result: ir.Value) -> str | None:
    """Return the TFLite name of the activation that computes ``result``, if it has one."""
    bounds = clamp_bounds(result)
    return CLAMPS_OF_TFLITE.get(bounds) if bounds is not None else None


def why_not_fused(result: ir.Value, target: Target) -> str | None:
    """Return why no op of the target can carry the activation that computes ``result``, or None."""
    if _activation(result) in target.fused_activations:
        return None
    return f"{target.name} fuses only {', '.join(sorted(target.fused_activations))}"


def will_fuse(node: ir.Node, reader: ir.Node, target: Target) -> bool:
    """Return whether ``reader`` is an activation that the rules will fuse into ``node``."""
    result = node.outputs[0]
    return (
        node.op_type in target.fusing_ops
        and FUSED_ACTIVATION not in node.meta
        and reader.op_type in CLAMPING
        and reader.inputs[0] is result
        and len(result.uses()) == 1
        and not result.is_graph_output()
        and why_not_fused(reader.outputs[0], target) is None
    )


def fusion_rules(target: Target) -> Sequence[type[Rule]]:
    """Return one rule per op that can carry an activation and per ONNX form of the activation."""
    return [
        _Fuse.variant(f"Fuse{activation}Into{op_type}", op_type=op_type, activation=activation)
        for op_type in sorted(target.fusing_ops)
        for activation in sorted(CLAMPING)
    ]


class _Fuse(Rule):
    """F(Op(x)) -> Op(x) with a note of the activation F."""

    op_type: ClassVar[str]
    activation: ClassVar[str]

    def pattern(self, op: Any) -> Any:
        linear = getattr(op, self.op_type)(_allow_other_inputs=True, _outputs=["linear"])
        return getattr(op, self.activation)(linear, _allow_other_inputs=True, _outputs=["result"])

    def refuse(self, linear: ir.Value, result: ir.Value) -> str | None:
        carried = producer_of(linear).meta.get(FUSED_ACTIVATION)
        if carried is not None:
            return f"the {self.op_type} carries {carried} already"
        return why_not_fused(result, self.target)

    def rewrite(self, op: Any, linear: ir.Value, result: ir.Value) -> Any:
        node = producer_of(linear)
        fused = getattr(op, self.op_type)(*node.inputs, **node.attributes)
        fused.producer().meta[FUSED_ACTIVATION] = _activation(result)
        fused.producer().metadata_props.update(node.metadata_props)
        return fused
