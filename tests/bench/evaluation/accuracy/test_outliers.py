from __future__ import annotations

import numpy as np

from mobiledeploy.bench.evaluation.accuracy.figures import Figures
from mobiledeploy.bench.evaluation.accuracy.outliers import Outcome, page, scale_channels
from mobiledeploy.testing import array_of, assert_same_outputs, model_from_text, op_types

GRAPH = """
g (float[1, 3, 8, 8] x) => (float[1, 6, 8, 8] y)
<float[8, 3, 1, 1] w, float[8] b, float[8, 1, 3, 3] d, float[6, 8, 1, 1] p> {{
    a = Conv(x, w, b)
    r = {activation}(a)
    c = Conv<group = 8, pads = [1, 1, 1, 1]>(r, d)
    y = Conv(c, p)
}}"""


def test_the_function_stays_the_same() -> None:
    model = model_from_text(GRAPH.format(activation="Relu"))
    before = model.clone()
    assert scale_channels(model, 30.0, 2) == ["a", "c"]
    assert op_types(model) == op_types(before)
    assert_same_outputs(before, model, rtol=1e-4, atol=1e-6)
    first, old = (array_of(graph.graph[0].inputs[1]) for graph in (model, before))
    ratios = (first / old).reshape(8, -1).mean(axis=1)
    np.testing.assert_allclose(np.sort(ratios), [1] * 6 + [30] * 2, rtol=1e-5)


def test_nothing_is_scaled_through_other_activations() -> None:
    model = model_from_text(GRAPH.format(activation="HardSwish"))
    assert scale_channels(model) == ["c"]


def test_a_result_that_others_read_is_left_alone() -> None:
    text = """
    g (float[1, 8, 8, 8] x) => (float[1, 8, 8, 8] y) <float[8, 8, 1, 1] w, float[8, 8, 1, 1] p> {
        c = Conv(x, w)
        q = Conv(c, p)
        y = Add(q, c)
    }"""
    assert scale_channels(model_from_text(text)) == []


def test_the_page_says_what_scaling_changes() -> None:
    def figures(sqnr_db: float) -> Figures:
        return Figures(100, 80.0, 79.0, 1.0, 0.5, sqnr_db, 99.0)

    trained = {"on": figures(26.0), "off": figures(25.0)}
    scaled = {"on": figures(25.5), "off": figures(9.0)}
    lines = page([Outcome("mobilenetv2", ["a", "c"], 131.0, trained, scaled)]).splitlines()
    assert "| mobilenetv2 | 2 | 131 | on | 26.0 | 25.5 | -0.5 |" in lines[2]
    assert "| off | 25.0 | 9.0 | -16.0 |" in lines[3]
