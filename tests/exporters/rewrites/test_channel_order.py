"""Which ops let their channels stand in another order, seen by whether a shuffle beside them goes away.

The shuffles are of 40 channels: where nothing around one can follow, it stays, as slices would cost more.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from mobiledeploy.graph.channel_order import channel_classes
from mobiledeploy.testing import array_of, model_from_text

C = 40
DEAL = np.arange(C).reshape(2, -1).T.reshape(-1)
DECLARED = f"""
    float[{C}, 3, 1, 1] enter, float[{C}, 3, 1, 1] other, float[{C}] bias,
    float[2, {C}, 1, 1] leave, float[{C}, 2, 1, 1] back,
    float[{C}, {C}, 1, 1] full, float[{C}, 1, 3, 3] depthwise, float[{C}, 20, 1, 1] grouped,
    float[1, {C}, 1, 1] four, float[{C}, 1, 1] three, float[{C}, 6, 6] image, float[6] row, float one,
    float[{C}] mean, float[{C}] var, float[{2 * C}, 1, 1, 1] double, float two,
    int64[{C}] deal, int64[1] channels, int64[2] plane, int64[4] pads_of_plane, int64[8] pads, int64[8] more,
    int64[4] sizes, int64[4] large
"""
NUMBERS: dict[str, Any] = {
    "deal": DEAL,
    "var": np.linspace(0.5, 2, C),
    "one": 1.0,
    "two": 2.0,
    "channels": 1,
    "pads_of_plane": 1,
    "more": [0, 1, 0, 0, 0, 0, 0, 0],
    "large": [1, 2 * C, 2, 2],
    "plane": [2, 3],
    "pads": [0, 0, 1, 2, 0, 0, 1, 0],
    "sizes": [1, C, 12, 9],
}


def graph(nodes: str, inputs: str = "float[1, 3, 6, 6] x", outputs: str = "float[] y") -> str:
    return f"({inputs}) => ({outputs}) <{DECLARED}> {{ {nodes} }}"


def between(*nodes: str) -> str:
    """A convolution `a`, the nodes, of which the last computes `z`, and a convolution."""
    return graph("a = Conv(x, enter, bias) " + "\n".join(nodes) + " y = Conv(z, leave)")


SHUFFLE = "s = Gather<axis = 1>(a, deal)"
DIRECT = "z = Gather<axis = 1>(a, deal)"
PADDED = "pads = [1, 1, 1, 1]"

FOLLOWING = {
    "nothing": [DIRECT],
    "Relu": [SHUFFLE, "z = Relu(s)"],
    "Relu before": ["r = Relu(a)", "z = Gather<axis = 1>(r, deal)"],
    "Clip": [SHUFFLE, "z = Clip(s, one)"],
    "HardSwish": [SHUFFLE, "z = HardSwish(s)"],
    "convolution between two": [SHUFFLE, "c = Conv(s, full, bias)", "z = Gather<axis = 1>(c, deal)"],
    "depthwise": [SHUFFLE, f"z = Conv<group = {C}, {PADDED}>(s, depthwise, bias)"],
    "depthwise before": [
        f"d = Conv<group = {C}, {PADDED}>(a, depthwise)",
        "z = Gather<axis = 1>(d, deal)",
    ],
    "transposed": [SHUFFLE, "z = ConvTranspose(s, full, bias)"],
    "transposed before": ["t = ConvTranspose(a, full, bias)", "z = Gather<axis = 1>(t, deal)"],
    "transposed depthwise": [SHUFFLE, f"z = ConvTranspose<group = {C}>(s, depthwise, bias)"],
    "batch norm": [SHUFFLE, "z = BatchNormalization(s, bias, mean, mean, var)"],
    "batch norm before": [
        "n = BatchNormalization(a, bias, mean, mean, var)",
        "z = Gather<axis = 1>(n, deal)",
    ],
    "factor (1, C, 1, 1)": [SHUFFLE, "z = Mul(s, four)"],
    "factor (C, 1, 1)": [SHUFFLE, "z = Mul(three, s)"],
    "factor (C, H, W)": [SHUFFLE, "z = Mul(s, image)"],
    "offset per column": [SHUFFLE, "z = Add(s, row)"],
    "divided": [SHUFFLE, "z = Div(s, one)"],
    "power": [SHUFFLE, "p = Pow(s, two)", "z = Sub(four, p)"],
    "largest": [SHUFFLE, "z = Max(s, three, one)"],
    "PRelu": [SHUFFLE, "z = PRelu(s, three)"],
    "sum of two shuffles": [SHUFFLE, "b = Conv(x, enter)", "t = Gather<axis = 1>(b, deal)", "z = Add(s, t)"],
    "residual connection": [SHUFFLE, "c = Conv(s, full)", "z = Add(s, c)"],
    "an image of one channel": [
        SHUFFLE,
        "m = ReduceMean(x, channels)",
        "z = Mul(s, m)",
    ],
    "squeeze and excite": [
        SHUFFLE,
        "p = GlobalAveragePool(s)",
        "f = Conv(p, leave)",
        "r = Relu(f)",
        "e = Conv(r, back, bias)",
        "g = HardSigmoid(e)",
        "z = Mul(s, g)",
    ],
    "gate shuffled with its image": [
        "p = ReduceMean(a, plane)",
        "e = Conv(p, full)",
        "g = Sigmoid(e)",
        "m = Mul(a, g)",
        "z = Gather<axis = 1>(m, deal)",
    ],
    "max pool": [SHUFFLE, "z = MaxPool<kernel_shape = [2, 2]>(s)"],
    "average pool": [SHUFFLE, "z = AveragePool<kernel_shape = [2, 2]>(s)"],
    "mean": [SHUFFLE, "z = ReduceMean(s, plane)"],
    "Pad": [SHUFFLE, "z = Pad(s, pads)"],
    "Resize": [SHUFFLE, 'z = Resize<mode = "linear">(s, , , sizes)'],
}


@pytest.mark.parametrize("nodes", FOLLOWING.values(), ids=FOLLOWING)
def test_follows(route: Any, nodes: list[str]) -> None:
    text = between(*nodes)
    before = model_from_text(f"g {text}", **NUMBERS)
    shuffles = sum(node.op_type == "Gather" for node in before.graph)
    result = route(text, **NUMBERS)
    assert result.ops == [node.op_type for node in before.graph if node.op_type != "Gather"]
    assert result.fired == {"RouteChannels": shuffles}
    assert result.reasons == []


FIXED_BY = "z = Conv<group = 2>(s, grouped)"
FIXED = {
    "convolutions in groups": (
        [f"b = {FIXED_BY[4:].replace('(s', '(a')}", "s = Gather<axis = 1>(b, deal)", FIXED_BY],
        "Conv node 'b' fixes it",
    ),
    "a norm over the channels": (
        ["b = LRN<size = 3>(a)", "s = Gather<axis = 1>(b, deal)", "z = Softmax<axis = 1>(s)"],
        "LRN node 'b' fixes it",
    ),
    "the same value before and after": (
        [SHUFFLE, "z = Add(a, s)"],
        None,
    ),
}


@pytest.mark.parametrize(("nodes", "reason"), FIXED.values(), ids=FIXED)
def test_fixed(route: Any, nodes: list[str], reason: str | None) -> None:
    result = route(between(*nodes), **NUMBERS)
    assert result.ops.count("Gather") == 1 and result.fired == {}
    (why,) = result.reasons
    assert why.startswith("'s' would be put together from 4")
    assert why.endswith(f"; the order of channels is not free, as {reason}" if reason else "16 at most pay")


@pytest.mark.parametrize("first", [True, False])
def test_one_free_side_is_enough(route: Any, first: bool) -> None:
    """What is read in groups keeps its order; the convolution before it gives its channels out in it."""
    fixed = "b = Conv<group = 2>(a, grouped)"
    nodes = [fixed, "z = Gather<axis = 1>(b, deal)"] if first else [SHUFFLE, FIXED_BY]
    assert route(between(*nodes), **NUMBERS).ops == ["Conv", "Conv", "Conv"]


SHARED = {
    "weights": ("a = Conv(x, enter) b = Conv(x, enter)", "enter"),
    "bias": ("a = Conv(x, enter, bias) b = Conv(x, other, bias)", "bias"),
    "factor": ("c = Conv(x, enter) a = Mul(c, three) d = Conv(x, other) b = Mul(d, three)", "three"),
    "statistics": (
        "c = Conv(x, enter) a = BatchNormalization(c, bias, bias, mean, var) b = Conv(x, other, bias)",
        "bias",
    ),
}


@pytest.mark.parametrize(("nodes", "name"), SHARED.values(), ids=SHARED)
def test_a_constant_of_two_nodes_is_permuted_for_one(route: Any, nodes: str, name: str) -> None:
    text = graph(f"{nodes} {SHUFFLE} y = Conv(s, leave) v = Neg(b)", outputs="float[] y, float[] v")
    before = array_of(model_from_text(f"g {text}", **NUMBERS).graph.initializers[name])
    result = route(text, **NUMBERS)
    assert "Gather" not in result.ops
    after = result.model.graph.initializers
    np.testing.assert_array_equal(array_of(after[name]), before)
    copies = [array_of(value) for key, value in after.items() if key.startswith(f"{name}:")]
    assert copies
    for copy in copies:
        np.testing.assert_array_equal(copy, before[DEAL])


def test_what_keeps_its_order_is_not_copied(route: Any) -> None:
    """Here only the first convolution changes; the last two go on sharing their weights."""
    text = graph(
        f"a = Conv(x, enter) b = Conv(x, other) {SHUFFLE} y = Conv(s, leave) v = Conv(b, leave)",
        outputs="float[] y, float[] v",
    )
    result = route(text, **NUMBERS)
    assert sorted(result.model.graph.initializers) == ["enter", "leave", "other"]


def test_constant_that_is_an_output(route: Any) -> None:
    text = between("r = Mul(a, three)", "z = Gather<axis = 1>(r, deal)")
    result = route(text.replace("float[] y", "float[] y, float[] three"), **NUMBERS)
    assert result.ops == ["Conv", "Mul", "Conv"]


def test_classes() -> None:
    text = between("b = Conv(a, full)", "r = Relu(b)", "c = Conv<group = 2>(r, grouped)", "z = Add(c, r)")
    graph_ = model_from_text(f"g {text}", **NUMBERS).graph
    classes = {value.name: found for value, found in channel_classes(graph_, []).items()}
    assert classes["b"] is classes["r"] is classes["c"] is classes["z"]
    assert classes["a"] is not classes["b"] and classes["a"].fixed_by is None
    assert classes["b"].fixed_by == "Conv node 'c' fixes it"
    assert classes["x"].fixed_by == "it is an input or output of the model (x)"
    places = [(node.outputs[0].name, index, axis) for node, index, axis in classes["a"].constants]
    assert places == [("a", 1, 0), ("a", 2, 0), ("b", 1, 1)]


def test_weights_follow_to_the_element(route: Any) -> None:
    """The convolution before the shuffle gives its channels out in the order in which they are read."""
    before = model_from_text("g " + between(DIRECT), **NUMBERS).graph.initializers
    first, last = route(between(DIRECT), **NUMBERS).model.graph
    np.testing.assert_array_equal(array_of(first.inputs[1]), array_of(before["enter"])[DEAL])
    np.testing.assert_array_equal(array_of(first.inputs[2]), array_of(before["bias"])[DEAL])
    np.testing.assert_array_equal(array_of(last.inputs[1]), array_of(before["leave"]))


FIXING = {
    "weights at run time": "z = Conv(a, v)",
    "a bias at run time": "z = Conv(a, full, u)",
    "depthwise with a multiplier": f"z = Conv<group = {C}>(a, double)",
    "statistics at run time": "z = BatchNormalization(a, bias, mean, u, var)",
    "a factor of rank 3 at run time": "z = Mul(a, t)",
    "a mean of channels": "z = ReduceMean(a, channels)",
    "a mean that drops axes": "z = ReduceMean<keepdims = 0>(a, plane)",
    "a mean of everything": "z = ReduceMean(a)",
    "padded channels": "z = Pad(a, more)",
    "padded along axes": "z = Pad(a, pads_of_plane, , plane)",
    "more channels": 'z = Resize<mode = "nearest">(a, , , large)',
    "a norm in groups": "z = GroupNormalization<num_groups = 2>(a, bias, mean)",
    "concatenated with a constant": "z = Concat<axis = 1>(a, four)",
    "flattened": "z = Flatten(a)",
    "spread over the image": "z = DepthToSpace<blocksize = 2>(a)",
}


@pytest.mark.parametrize("node", FIXING.values(), ids=FIXING)
def test_what_fixes_the_order(node: str) -> None:
    text = graph(
        f"a = Conv(x, enter, bias) {node} y = Softmax(z)",
        inputs=f"float[1, 3, 1, 1] x, float[2, {C}, 1, 1] v, float[{C}] u, float[{C}, 1, 1] t",
    )
    model = model_from_text(f"g {text}", **NUMBERS)
    classes = {value.name: found for value, found in channel_classes(model.graph, []).items()}
    op = node.split("=")[1].split("<")[0].split("(")[0].strip()
    assert classes["a"].fixed_by == f"{op} node 'z' fixes it"
