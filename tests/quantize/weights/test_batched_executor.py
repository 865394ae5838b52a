"""A graph in steps gives what it gives in one go."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest

from mobiledeploy.quantize.weights.batched_executor import BatchedExecutor, largest_live_bytes
from mobiledeploy.runtime.runtimes import OnnxSession
from mobiledeploy.testing import model_from_text, random_sample

NET = """g (float[1,2,4,4] x) => (float[1,4,4,4] y)
    <float[4,2,1,1] w, float[4,4,1,1] v, float[2,2,1,1] u> {
    a = Conv(x, w)
    b = Relu(a)
    c = Conv(b, v)
    d = Conv(x, u)
    e = Concat<axis = 1>(d, d)
    f = Add(c, e)
    y = Add(f, b)
}"""


def nodes(model: ir.Model, op_type: str) -> list[ir.Node]:
    return [node for node in model.graph if node.op_type == op_type]


def test_each_value_is_that_of_the_whole_graph() -> None:
    model = model_from_text(NET)
    samples = [random_sample(model, seed) for seed in range(5)]
    names = ["a", "c", "d", "y"]
    whole = OnnxSession(model, extra_outputs=names, optimize=False, threads=1)
    steps = BatchedExecutor(model, samples)
    stops = [*nodes(model, "Conv"), nodes(model, "Add")[-1]]
    for name, node in zip(names, stops, strict=True):
        for sample, found in zip(samples, steps.run_to(node), strict=True):
            np.testing.assert_array_equal(found, whole.values(sample, [name])[0])


def test_what_is_changed_reaches_all_later_readers() -> None:
    model = model_from_text(NET)
    sample = random_sample(model)
    steps = BatchedExecutor(model, [sample])
    first, last = nodes(model, "Conv")[0], nodes(model, "Add")[-1]
    (before,) = BatchedExecutor(model, [sample]).run_to(last)
    steps.run_to(first)
    steps.change(first, lambda array: array * np.float32(2))
    (after,) = steps.run_to(last)
    values = OnnxSession(model, extra_outputs=["b", "c"]).values(sample, ["b", "c"])
    np.testing.assert_allclose(after, before + values[0] + values[1], rtol=1e-5, atol=1e-5)


def test_a_node_runs_once() -> None:
    model = model_from_text(NET)
    steps = BatchedExecutor(model, [random_sample(model)])
    first, second, _ = nodes(model, "Conv")
    steps.run_to(second)
    with pytest.raises(ValueError):
        steps.run_to(first)


def test_memory_is_forecast_from_what_is_alive() -> None:
    """Where f is computed, b, c, e and f are alive, each of four 4x4 planes of float32."""
    model = model_from_text(NET)
    plane = 4 * 4 * 4
    assert largest_live_bytes(model.graph) == 4 * 4 * plane
