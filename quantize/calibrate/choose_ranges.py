"""From statistics to a plan: a range for each group of values by one method."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import onnx_ir as ir

from mobiledeploy.base.errors import InputError
from mobiledeploy.graph.onnx_graph import activations_of
from mobiledeploy.graph.op_traits import SAME_SCALE
from mobiledeploy.graph.params import QuantParams, activation_params, fixed_output
from mobiledeploy.quantize.calibrate.histogram import Histogram
from mobiledeploy.quantize.calibrate.ranges import methods
from mobiledeploy.quantize.qdq.plan import INT8, Plan
from mobiledeploy.quantize.qdq.points import QuantizationPoints

__all__ = ["params_by", "plan_ranges"]

# Inputs go beyond what calibration saw. int16 has a bit to spare for them, int8 has none.
_ROOM_IN_INT16 = 2.0


def plan_ranges(
    graph: ir.Graph,
    points: QuantizationPoints,
    statistics: Iterable[Histogram],
    method: str,
    dtype: np.dtype[Any] = INT8,
) -> Plan:
    """A plan with the ranges of one method, and those that are fixed.

    Args:
        points: Quantization points of that graph.
        statistics: One histogram for each group of ``points``.
        method: Name of a calibration method.
        dtype: Type of the activations, int8 or int16.

    Raises:
        InputError: The method gives no range for what was seen.
    """
    values = activations_of(graph)
    chosen: dict[str, QuantParams] = {}
    fixed: set[str] = set()
    for group, histogram in zip(points.groups, statistics, strict=True):
        demanded = _demanded([values[name].producer() for name in group], dtype)
        if demanded is not None:
            fixed.update(group)
        chosen.update(dict.fromkeys(group, demanded or params_by(method, histogram, dtype)))
    return Plan(points, chosen, frozenset(fixed), dtype=dtype)


def params_by(method: str, histogram: Histogram, dtype: np.dtype[Any] = INT8) -> QuantParams:
    """The parameters of the range that a calibration method chooses.

    Raises:
        InputError: The method gives no range for what was seen.
    """
    chosen = methods()[method](histogram)
    if not isinstance(chosen, tuple) or len(chosen) != 2:  # of a function that users registered
        raise InputError(
            f"calibrator {method!r} returns {chosen!r}, expected a pair (low, high); correct that function"
        )
    low, high = chosen
    if histogram.width and not -math.inf < low <= high < math.inf:
        raise InputError(
            f"calibrator {method!r} chooses the range [{low}, {high}] for values in [{histogram.low:g}, "
            f"{histogram.high:g}], expected two finite numbers, the smaller first; correct that function"
        )
    room = _ROOM_IN_INT16 if dtype == np.int16 else 1.0
    return activation_params(low * room, high * room, dtype)


def _demanded(sources: Sequence[ir.Node | None], dtype: np.dtype[Any]) -> QuantParams | None:
    """The parameters that the ops which compute a group's values demand, if all of them demand the same."""
    demands = {
        fixed_output(node.op_type, dtype) if node else None
        for node in sources
        if node is None or node.op_type not in SAME_SCALE
    }
    return demands.pop() if len(demands) == 1 else None
