"""Where a graph is cut."""

from __future__ import annotations

import onnx_ir as ir

from mobiledeploy.exporters.tflite.lowerings.registry import has_int8_form
from mobiledeploy.graph.params import activation_params
from mobiledeploy.quantize.learn.blocks import Block, find_blocks
from mobiledeploy.quantize.qdq.plan import Plan
from mobiledeploy.quantize.qdq.points import find_points
from mobiledeploy.runtime.targets import LITERT_2_3
from mobiledeploy.testing import model_from_text

NET = """
    g (float[1,4,8,8] x) => (float[1,4,8,8] y, float[1,4,8,8] side) <float[4,4,1,1] w> {
        a = Conv(x, w)
        r = Relu(a)
        b = Conv(r, w)
        c = Conv(b, w)
        s = Add(c, r)
        side = Sigmoid(b)
        d = Conv(s, w)
        y = Sigmoid(d)
    }"""


def blocks(linear_nodes: int, text: str = NET) -> tuple[ir.Model, list[Block]]:
    model = model_from_text(text)
    points = find_points(model.graph, LITERT_2_3, has_int8_form)
    plan = Plan(points, dict.fromkeys(points.values, activation_params(-1.0, 1.0)))
    return model, find_blocks(model.graph, plan, linear_nodes)


def names(values: object) -> list[str | None]:
    return [value.name for value in values]  # type: ignore[attr-defined]


def test_branches_stay_together_and_so_do_an_op_and_its_activation() -> None:
    model, found = blocks(1)
    assert [names(block.inputs) for block in found] == [["x"], ["r"], ["s"]]
    assert [names(block.outputs) for block in found] == [["r"], ["s", "side"], ["y"]]
    assert [node for block in found for node in block.nodes] == list(model.graph)


def test_small_stretches_are_joined() -> None:
    _, found = blocks(2)
    assert [names(block.outputs) for block in found] == [["y", "side"]]
    _, found = blocks(2, NET.replace("y = Sigmoid(d)", "e = Conv(d, w) y = Sigmoid(e)"))
    assert [names(block.outputs) for block in found] == [["s", "side"], ["y"]]


def test_the_graph_of_one_op_is_one_block() -> None:
    _, found = blocks(3, "g (float[1,4] x, float[1,4] z) => (float[1,4] y) { y = Add(x, z) }")
    assert [names(block.inputs) for block in found] == [["x", "z"]]
