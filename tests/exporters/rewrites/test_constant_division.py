"""x / c as a multiplication."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from mobiledeploy.exporters.rewrites.constant_division import DivideByConstant
from mobiledeploy.testing import array_of


@pytest.mark.parametrize(
    "divisor", ["float c = {6.0}", "float[1] c = {-6.0}", "float[3] c = {1.0, 2.0, 4.0}"]
)
def test_becomes_a_factor(rewrite: Any, divisor: str) -> None:
    result = rewrite(DivideByConstant, f"(float[2, 3] x) => (float[2, 3] y) <{divisor}> {{ y = Div(x, c) }}")
    assert result.ops == ["Mul"]
    (factor,) = result.model.graph.initializers.values()
    assert array_of(factor).dtype == np.float32
    assert factor.name == "c"


@pytest.mark.parametrize(
    ("text", "reasons"),
    [
        ("(float[2, 3] x) => (float[2, 3] y) <float c = {6.0}> { y = Div(c, x) }", []),
        ("(float[2, 3] x, float[2, 3] c) => (float[2, 3] y) { y = Div(x, c) }", []),
        (
            "(float[2] x) => (float[2] y) <float c = {0.0}> { y = Div(x, c) }",
            ["the divisor has no reciprocal"],
        ),
        (
            "(float[2] x) => (float[2] y) <float c = {1e-42}> { y = Div(x, c) }",
            ["the divisor has no reciprocal"],
        ),
    ],
)
def test_what_stays_a_division(rewrite: Any, text: str, reasons: list[str]) -> None:
    result = rewrite(DivideByConstant, text)
    assert (result.ops, result.reasons) == (["Div"], reasons)
