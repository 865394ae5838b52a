"""Widen ranges until the target delegates every op that computes with them.

A runtime encodes the ratio of an op's scales as a fixed-point number of few bits. Where calibration leaves
a ratio outside of what it can encode, the op would stay outside the delegate and cut the graph in two.
Widening a range to the limit costs that op nothing: one of its values is then far finer than a step of the
other. The limits are those of the target's table.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import onnx_ir as ir

from mobiledeploy.graph.onnx_graph import float_array, name_of, result_of
from mobiledeploy.graph.op_traits import SCALED_AS, WEIGHTED
from mobiledeploy.graph.params import activation_params
from mobiledeploy.quantize.qdq.plan import Plan
from mobiledeploy.quantize.qdq.points import fused_activation
from mobiledeploy.runtime.targets import OpUse, Target

__all__ = ["refused", "widen_ranges"]

_ROUNDS = 8  # Widening a range for one op may take another op out of its limits.
_MAX_EXPONENT = 64


def widen_ranges(graph: ir.Graph, plan: Plan, target: Target) -> list[str]:
    """Change an int8 plan in place so that the target takes every scaled op, if widening a range does that.

    Returns:
        One line for each range that was widened.
    """
    if not target.delegates_any("int8"):
        return []
    params = plan.activations
    group_of = {name: group for group in plan.points.groups for name in group}
    log: list[str] = []
    for _ in range(_ROUNDS):
        before = len(log)
        for node in graph:
            used = _use(node, plan, target)
            if used is None or (reason := target.why_not(used[0])) is None:
                continue
            for name, factor in _remedies(*used, target):
                if name in group_of and name not in plan.fixed:
                    for member in group_of[name]:
                        params[member] = replace(
                            params[member], scale=params[member].scale * np.float32(factor)
                        )
                    log.append(f"{name}: range widened {factor:g} times, since {reason}")
                    break
        if len(log) == before:
            break
    return log


def refused(graph: ir.Graph, plan: Plan, target: Target) -> set[ir.Node]:
    """The scaled ops in int8 that the target does not take with the scales of a plan."""
    uses = {node: _use(node, plan, target) for node in graph}
    return {node for node, used in uses.items() if used is not None and target.why_not(used[0]) is not None}


def _use(node: ir.Node, plan: Plan, target: Target) -> tuple[OpUse, list[str]] | None:
    """Return the use of a scaled op in int8 and the names of its result and inputs; None for other ops."""
    if node.op_type not in SCALED_AS or result_of(node) not in plan.points.integer_nodes:
        return None
    result = (fused_activation(node, target) or node).outputs[0]
    linear = plan.linear(node)
    inputs = [value for value in node.inputs[: 1 if node.op_type in WEIGHTED else 2] if value is not None]
    scales = [_scale(value, plan) for value in (result, *inputs)]
    if any(scale == 0 for scale in scales):
        return None
    own = None if linear is None else linear.params.scale
    use = OpUse(
        SCALED_AS[node.op_type],
        "int8",
        input_scales=tuple(scales[1:]),
        weight_scales=None if own is None else (float(own.min()), float(own.max())),
        output_scale=scales[0],
    )
    return use, [name_of(value) for value in (result, *inputs)]


def _scale(value: ir.Value, plan: Plan) -> float:
    """The scale of an activation or a constant operand; 0 for what stays in float."""
    params, array = plan.params_of(value), float_array(value)
    if params is None and array is not None:
        params = activation_params(float(array.min()), float(array.max()))
    return 0.0 if params is None else float(params.scale[0])


def _remedies(use: OpUse, names: Sequence[str], target: Target) -> Iterator[tuple[str, float]]:
    """What to widen, the result first, and by which power of two, so that the target takes the op."""
    scales = [use.output_scale or 0.0, *use.input_scales]
    for index in (0, *sorted(range(1, len(scales)), key=scales.__getitem__)):
        for exponent in range(1, _MAX_EXPONENT):
            wider = [scale * 2.0**exponent if i == index else scale for i, scale in enumerate(scales)]
            changed = replace(use, output_scale=wider[0], input_scales=tuple(wider[1:]))
            if target.why_not(changed) is None:
                yield names[index], 2.0**exponent
                break
