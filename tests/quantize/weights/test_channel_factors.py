"""Which channels may be scaled: through which ops a factor passes, and what stops it."""

from __future__ import annotations

from typing import Any

import pytest

from mobiledeploy.quantize.weights.channel_factors import ChannelFactors, channel_factors
from mobiledeploy.testing import model_from_text

DECLARED = """
    float[4, 3, 1, 1] enter, float[4] bias, float[2, 4, 1, 1] leave, float[4, 1, 3, 3] depthwise,
    float[2, 2, 1, 1] leave_half, float[2, 8, 1, 1] leave_double, float[1, 4, 1, 1] per_channel,
    float three, float zero, float six, float[2, 4] rows, float[2, 144] flat, float[4, 2, 1, 1] grouped,
    int64[2] plane, int64[8] pads, int64[8] over_channels, int64[1] first, int64[1] second, int64[1] axis
"""
NUMBERS: dict[str, Any] = {
    "three": 3.0,
    "zero": 0.0,
    "six": 6.0,
    "plane": [2, 3],
    "pads": [0, 0, 1, 1, 0, 0, 1, 1],
    "over_channels": [0, 1, 0, 0, 0, 0, 0, 0],
    "first": 0,
    "second": 2,
    "axis": 1,
}
LEAVE = "y = Conv(z, leave)"


def found(*nodes: str, leave: str = LEAVE, output: str = "y") -> tuple[ChannelFactors, str | None]:
    """The factors of a graph, and what fixes those of `a`, which a convolution computes."""
    text = f"g (float[1,3,6,6] x) => (float[] {output}) <{DECLARED}> {{ a = Conv(x, enter, bias) "
    model = model_from_text(text + " ".join(nodes) + leave + "}", **NUMBERS)
    channels = channel_factors(model.graph)
    return channels, channels.why_fixed(next(v for v in channels.of if v.name == "a"))


PASSING = {
    "nothing": ["z = Conv<group=4, pads=[1,1,1,1]>(a, depthwise)"],
    "Relu": ["z = Relu(a)"],
    "LeakyRelu": ["z = LeakyRelu(a)"],
    "PRelu": ["z = PRelu(a, per_channel)"],
    "MaxPool": ["z = MaxPool<kernel_shape=[2,2]>(a)"],
    "AveragePool": ["z = AveragePool<kernel_shape=[2,2]>(a)"],
    "ReduceMean": ["z = ReduceMean(a, plane)"],
    "Pad": ["z = Pad(a, pads)"],
    "Pad with zero": ["z = Pad(a, pads, zero)"],
    "Mul by a constant": ["z = Mul(per_channel, a)"],
    "Div by a constant": ["z = Div(a, six)"],
    "residual": ["r = Relu(a) z = Add(a, r)"],
    "gate": ["m = ReduceMean(a, plane) c = Conv<group=2>(m, grouped) g = Sigmoid(c) z = Mul(a, g)"],
}


@pytest.mark.parametrize("nodes", PASSING.values(), ids=PASSING)
def test_a_factor_passes(nodes: list[str]) -> None:
    assert found(*nodes)[1] is None


STOPPING = {
    "Clip": (["z = Clip(a, zero, six)"], "has the bounds 0 and 6 for all channels"),
    "Sigmoid": (["z = Sigmoid(a)"], "is a curve"),
    "HardSwish": (["z = HardSwish(a)"], "is a curve"),
    "rewritten h-swish": (
        ["s = Add(a, three) c = Clip(s, zero, six) z = Mul(a, c)"],
        "Add node 's' adds a constant, as h-swish does",
    ),
    "square": (["z = Mul(a, a)"], "hands no factor on"),
    "Pad with six": (["z = Pad(a, pads, six)"], "hands no factor on"),
    "swish": (["s = Sigmoid(a) z = Mul(a, s)"], "is a curve"),
    "gate": (["b = Relu(a) z = Mul(a, b)"], "is the gate of a product"),
    "residual with an input": (["s = Sigmoid(a) z = Add(a, s)"], "is a curve"),
}


@pytest.mark.parametrize(("nodes", "reason"), STOPPING.values(), ids=STOPPING)
def test_a_factor_is_stopped(nodes: list[str], reason: str) -> None:
    why = found(*nodes)[1]
    assert why is not None and reason in why


def test_inputs_and_outputs_of_the_model_keep_their_scale() -> None:
    channels, _ = found("z = Relu(a)")
    named = {value.name: value for value in channels.of}
    assert channels.why_fixed(named["x"]) == "'x' is an input of the model"
    assert channels.why_fixed(named["y"]) == "'y' is an output of the model"


def test_the_sides_of_a_residual_share_their_factors() -> None:
    channels, _ = found("b = Conv<group=4, pads=[1,1,1,1]>(a, depthwise) z = Add(a, b)")
    named = {value.name: value for value in channels.of}
    assert (channels.of[named["a"]] == channels.of[named["b"]]).all()
    assert (channels.of[named["a"]] == channels.of[named["z"]]).all()


def test_a_depthwise_op_parts_the_factors() -> None:
    channels, _ = found("z = Conv<group=4, pads=[1,1,1,1]>(a, depthwise)")
    named = {value.name: value for value in channels.of}
    assert not set(channels.of[named["a"]].tolist()) & set(channels.of[named["z"]].tolist())


def test_slices_and_concatenations_hand_factors_on() -> None:
    channels, why = found(
        "h = Slice(a, first, second, axis) r = Relu(a) z = Concat<axis=1>(a, r)",
        leave="c = Conv(h, leave_half) e = Conv(z, leave_double) y = Add(c, e)",
    )
    named = {value.name: value for value in channels.of}
    own = channels.of[named["a"]].tolist()
    assert why is None
    assert channels.of[named["h"]].tolist() == own[:2]
    assert channels.of[named["z"]].tolist() == own + own


def test_a_flattened_channel_has_one_factor() -> None:
    channels, why = found("z = Flatten(a)", leave="y = Gemm<transB=1>(z, flat)")
    named = {value.name: value for value in channels.of}
    assert why is None
    assert channels.of[named["z"]].tolist() == [
        n for n in channels.of[named["a"]].tolist() for _ in range(36)
    ]


def test_one_channel_that_is_fixed_fixes_no_other() -> None:
    channels, _ = found(
        "h = Slice(a, first, second, axis) s = Sigmoid(h)",
        leave="c = Conv(s, leave_half) e = Conv(a, leave) y = Add(c, e)",
    )
    a = next(value for value in channels.of if value.name == "a")
    assert [number in channels.fixed_by for number in channels.of[a].tolist()] == [True, True, False, False]
