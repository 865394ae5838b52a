"""The table agrees with the ops that can be lowered, and with what the ops compute."""

from __future__ import annotations

import numpy as np
import pytest

from mobiledeploy.exporters.tflite.lowerings import supported_ops
from mobiledeploy.graph.op_traits import (
    CLAMPING,
    CONSTANT_OPERANDS,
    ELEMENTWISE,
    FIXED_OUTPUT,
    FUSING,
    HOMOGENEOUS,
    SAME_SCALE,
    SCALED_AS,
    TRAITS,
    WEIGHTED,
)
from mobiledeploy.runtime.runtimes import OnnxSession
from mobiledeploy.testing import model_from_text


def test_what_is_said_of_integers_is_said_of_ops_that_can_be_lowered() -> None:
    integer = {*SAME_SCALE, *WEIGHTED, *FIXED_OUTPUT, *CONSTANT_OPERANDS, *CLAMPING, *FUSING, *SCALED_AS}
    assert integer <= set(supported_ops())


@pytest.mark.parametrize("op_type", sorted(ELEMENTWISE))
def test_homogeneous_activations(op_type: str) -> None:
    bounds = ", low, high" if op_type == "Clip" else ""
    model = model_from_text(
        f"""g (float[16] x) => (float[16] y) <float low = {{-1.0}}, float high = {{1.0}}> {{
            y = {op_type}(x{bounds}) }}"""
    )
    session, x = OnnxSession(model, optimize=False), np.linspace(-4, 4, 16, dtype=np.float32)
    if op_type == "Sqrt":
        x = np.abs(x)
    once = session.run({"x": x})["y"]
    factors = {c for c in (2, -2) if np.allclose(session.run({"x": c * x})["y"], c * once, equal_nan=True)}
    claimed = {"linear": {2, -2}, "positive": {2}}.get(TRAITS[op_type].homogeneous or "", set())
    assert factors == claimed
    assert (op_type in HOMOGENEOUS) == bool(claimed)
