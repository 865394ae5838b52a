"""From statistics to a plan: a range for each group of values by one method."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import onnx_ir as ir

from mobiledeploy.graph.op_traits import SAME_SCALE
from mobiledeploy.graph.params import QuantParams, activation_params, fixed_output
from mobiledeploy.quantize.calibrate.histogram import Histogram
from mobiledeploy.quantize.calibrate.ranges import METHODS
from mobiledeploy.quantize.qdq.plan import Plan
from mobiledeploy.quantize.qdq.points import QuantizationPoints

__all__ = ["fixed_params", "merged_by_group", "plan_ranges"]

_INT8 = np.dtype(np.int8)

# Inputs go beyond what calibration saw. int16 has a bit to spare for them, int8 has none.
_ROOM_IN_INT16 = 2.0


def fixed_params(points: QuantizationPoints, dtype: np.dtype[Any] = _INT8) -> dict[ir.Value, QuantParams]:
    """Parameters that are not to be chosen: the ops which compute a group's values demand them."""
    demanded = ((group, _demanded(group, dtype)) for group in points.groups)
    return {value: shared for group, shared in demanded if shared for value in group}


def _demanded(group: Sequence[ir.Value], dtype: np.dtype[Any]) -> QuantParams | None:
    """The parameters that the ops which compute a group's values demand, if all of them demand the same."""
    sources = [value.producer() for value in group]
    demands = {
        fixed_output(node.op_type, dtype) if node else None
        for node in sources
        if node is None or node.op_type not in SAME_SCALE
    }
    return demands.pop() if len(demands) == 1 else None


def merged_by_group(points: QuantizationPoints, histograms: Mapping[ir.Value, Histogram]) -> list[Histogram]:
    """What all members of a group have seen, group by group."""
    merged = []
    for group in points.groups:
        seen = Histogram()
        for value in group:
            seen.merge(histograms[value])
        merged.append(seen)
    return merged


def plan_ranges(
    points: QuantizationPoints,
    statistics: Iterable[Histogram],
    method: str,
    dtype: np.dtype[Any] = _INT8,
) -> Plan:
    """A plan with the ranges of one method, and those that are fixed.

    Args:
        statistics: One histogram for each group of ``points``.
        method: One of ``METHODS``.
        dtype: Of the activations, int8 or int16.
    """
    chosen: dict[ir.Value, QuantParams] = {}
    room = _ROOM_IN_INT16 if dtype == np.int16 else 1.0
    for group, histogram in zip(points.groups, statistics, strict=True):
        low, high = METHODS[method](histogram)
        chosen.update(dict.fromkeys(group, activation_params(low * room, high * room, dtype)))
    return Plan(points, {**chosen, **fixed_params(points, dtype)})
