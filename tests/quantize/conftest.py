"""What several tests of quantization begin with."""

from __future__ import annotations

from collections.abc import Callable

import onnx_ir as ir
import pytest

from mobiledeploy.exporters.tflite.lowerings.registry import has_int8_form
from mobiledeploy.graph.params import QuantParams, activation_params
from mobiledeploy.quantize.qdq.plan import Plan
from mobiledeploy.quantize.qdq.points import find_points
from mobiledeploy.runtime.runtimes import OnnxSession
from mobiledeploy.runtime.targets import LITERT_2_3
from mobiledeploy.testing import random_sample


@pytest.fixture
def planned() -> Callable[[ir.Model], Plan]:
    """Makes a plan whose ranges are those of one random input."""
    return _planned


def _planned(model: ir.Model) -> Plan:
    points = find_points(model.graph, LITERT_2_3, has_int8_form)
    if not points.values:
        return Plan(points, {})
    names = [value.name or "" for value in points.values]
    arrays = OnnxSession(model, names).values(random_sample(model, 0, 1.0), names)
    ranges = {v: (float(a.min()), float(a.max())) for v, a in zip(points.values, arrays, strict=True)}
    params: dict[ir.Value, QuantParams] = {}
    for group in points.groups:
        low, high = min(ranges[v][0] for v in group), max(ranges[v][1] for v in group)
        params.update(dict.fromkeys(group, activation_params(low, high)))
    return Plan(points, params)
