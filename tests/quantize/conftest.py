"""What several tests of quantization begin with."""

from __future__ import annotations

from collections.abc import Callable

import onnx_ir as ir
import pytest

from mobiledeploy.exporters.tflite.lowerings.registry import has_int8_form
from mobiledeploy.quantize.calibrate.choose_ranges import plan_ranges
from mobiledeploy.quantize.calibrate.observe import collect_histograms
from mobiledeploy.quantize.qdq.plan import Plan
from mobiledeploy.quantize.qdq.points import find_points
from mobiledeploy.runtime.targets import LITERT_2_3
from mobiledeploy.testing import random_sample


@pytest.fixture
def planned() -> Callable[[ir.Model], Plan]:
    """Makes a plan whose ranges are those of one random input."""
    return _planned


def _planned(model: ir.Model) -> Plan:
    points = find_points(model.graph, LITERT_2_3, has_int8_form)
    statistics = collect_histograms(model, points.groups, [random_sample(model, 0, 1.0)])
    return plan_ranges(model.graph, points, statistics, "min-max")
