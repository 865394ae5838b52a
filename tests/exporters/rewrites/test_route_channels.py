"""Channel shuffles disappear where what is around them can take and give channels in another order."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest


class Network:
    """Builds a graph in ONNX text syntax, node by node, and knows the channels of every value."""

    def __init__(self, channels: int, batch: int = 1) -> None:
        self.batch, self.size = batch, "4, 3"
        self.channels = {"x": channels}
        self.nodes: list[str] = []
        self.constants: list[str] = []

    def node(self, call: str, *channels: int) -> str:
        """Append a node and return the names of its results, of which each has so many channels."""
        names = [f"v{len(self.channels) + i}" for i in range(len(channels))]
        self.channels |= dict(zip(names, channels, strict=True))
        self.nodes.append(f"{', '.join(names)} = {call}")
        return ", ".join(names)

    def constant(self, kind: str, numbers: str = "") -> str:
        name = f"c{len(self.constants)}"
        self.constants.append(f"{kind} {name}{numbers and f' = {{{numbers}}}'}")
        return name

    def ints(self, *numbers: int) -> str:
        return self.constant(f"int64[{len(numbers)}]", ", ".join(map(str, numbers)))

    def conv(self, x: str, channels: int, kernel: int = 1, groups: int = 1, relu: bool = False) -> str:
        weights = f"{channels}, {self.channels[x] // groups}, {kernel}, {kernel}"
        w, b = self.constant(f"float[{weights}]"), self.constant(f"float[{channels}]")
        pads = ", ".join([str(kernel // 2)] * 4)
        y = self.node(f"Conv<group = {groups}, pads = [{pads}]>({x}, {w}, {b})", channels)
        return self.node(f"Relu({y})", channels) if relu else y

    def depthwise(self, x: str) -> str:
        return self.conv(x, self.channels[x], 3, groups=self.channels[x])

    def split(self, x: str, *sizes: int) -> list[str]:
        return self.node(f"Split<axis = 1>({x}, {self.ints(*sizes)})", *sizes).split(", ")

    def concat(self, *xs: str) -> str:
        return self.node(f"Concat<axis = 1>({', '.join(xs)})", sum(self.channels[x] for x in xs))

    def shuffle(self, x: str, groups: int = 2) -> str:
        """As torchvision's export writes it."""
        channels = self.channels[x]
        a = self.constant("int64[5]", f"{self.batch}, {groups}, {channels // groups}, {self.size}")
        b = self.constant("int64[4]", f"{self.batch}, {channels}, {self.size}")
        r = self.node(f"Reshape({x}, {a})", channels)
        t = self.node(f"Transpose<perm = [0, 2, 1, 3, 4]>({r})", channels)
        return self.node(f"Reshape({t}, {b})", channels)

    def dealt(self, x: str, groups: int = 2) -> str:
        """The same as one Gather."""
        deal = np.arange(self.channels[x]).reshape(groups, -1).T.reshape(-1)
        return self.node(f"Gather<axis = 1>({x}, {self.ints(*deal)})", self.channels[x])

    def text(self, *outputs: str) -> str:
        declared = ", ".join(f"float[] {name}" for name in outputs)
        constants = f"<{', '.join(self.constants)}>"
        header = f"(float[{self.batch}, {self.channels['x']}, {self.size}] x) => ({declared})"
        return f"{header} {constants} {{ {chr(10).join(self.nodes)} }}"


def parts(result: Any) -> list[list[str]]:
    """What each Concat puts together."""
    return [[v.name for v in node.inputs] for node in result.model.graph if node.op_type == "Concat"]


MOVING = {"Concat", "Flatten", "Gather", "Reshape", "Slice", "Split", "Squeeze", "Transpose"}
CHANNELS = 40


def left(result: Any) -> set[str]:
    """Of the ops that move elements those that are left."""
    return MOVING.intersection(result.ops)


def start(batch: int = 1) -> tuple[Network, str, str]:
    """A network of two convolutions side by side, of 40 channels together."""
    net = Network(6, batch)
    return net, net.conv("x", CHANNELS // 2, relu=True), net.conv("x", CHANNELS // 2, relu=True)


def branch(net: Network, x: str, channels: int) -> str:
    """What a unit of ShuffleNetV2 computes."""
    return net.conv(net.depthwise(net.conv(x, channels, relu=True)), channels, relu=True)


@pytest.mark.parametrize("batch", [1, 2])
@pytest.mark.parametrize("one_gather", [True, False])
def test_stage_of_shufflenet_v2(route: Any, one_gather: bool, batch: int) -> None:
    net, one, other = start(batch)
    shuffle = net.dealt if one_gather else net.shuffle
    x = shuffle(net.concat(one, other))
    made = [one, other]
    for _ in range(3):
        passed, taken = net.split(x, 20, 20)
        made.append(branch(net, taken, 20))
        x = shuffle(net.concat(passed, made[-1]))
    result = route(net.text(net.conv(x, 8)))
    assert left(result) == {"Slice", "Concat"}
    assert result.fired == {"RouteChannels": 1} and result.reasons == []
    # A unit reads half of what the one before it made, a quarter of that before, and so on; what is left of
    # all comes together at the end. No channel is copied twice.
    a, b, c, d, e = made
    assert parts(result) == [
        [f"{a}~0-10", f"{b}~0-10"],
        [f"{a}~10-15", f"{b}~10-15", f"{c}~0-10"],
        [f"{a}~15-17", f"{b}~15-18", f"{c}~10-15", f"{d}~0-10"],
        [f"{a}~17-20", f"{b}~18-20", f"{c}~15-20", f"{d}~10-20", e],
    ]


def test_shuffle_of_the_authors_code(route: Any) -> None:
    """Split by parity: reshape to (2, ...), of which a unit takes x[0] and x[1]."""
    net, one, other = start()
    x = net.concat(one, other)
    for _ in range(3):
        a = net.ints(CHANNELS // 2, 2, 12)
        b = net.ints(2, -1, CHANNELS // 2, 4, 3)
        turned = net.node(f"Transpose<perm = [1, 0, 2]>({net.node(f'Reshape({x}, {a})', 0)})", 0)
        both = net.node(f"Reshape({turned}, {b})", 0)
        zero, first = net.constant("int64", "0"), net.constant("int64", "1")
        passed = net.node(f"Gather({both}, {zero})", 20)
        taken = net.node(f"Gather({both}, {first})", 20)
        x = net.concat(passed, branch(net, taken, 20))
    result = route(net.text(net.conv(x, 8)))
    assert left(result) == {"Slice", "Concat"}
    assert [len(found) for found in parts(result)] == [2, 3, 4, 5]


def test_stage_of_augshufflenet(route: Any) -> None:
    net, one, other = start()
    x = net.shuffle(net.concat(one, other))
    for _ in range(3):
        x, mixed, passed = net.split(x, 12, 14, 14)
        kept, crossing = net.split(net.depthwise(net.conv(x, 12)), 6, 6)
        y = net.conv(net.concat(crossing, mixed), 20, relu=True)
        x = net.shuffle(net.concat(y, passed, kept), 4)
    result = route(net.text(net.conv(x, 8)))
    assert left(result) == {"Slice", "Concat"}
    assert result.fired == {"RouteChannels": 1} and result.reasons == []
    assert max(map(len, parts(result))) <= 8


def test_unit_of_shufflenet_v1_keeps_its_shuffle(route: Any) -> None:
    net = Network(6)
    x = net.conv("x", CHANNELS)
    shuffled = net.dealt(net.conv(x, CHANNELS, groups=2, relu=True))
    y = net.node(f"Add({x}, {net.conv(net.depthwise(shuffled), CHANNELS, groups=2)})", CHANNELS)
    result = route(net.text(net.conv(y, 8)))
    assert left(result) == {"Gather"} and result.fired == {}
    (reason,) = result.reasons
    assert reason.startswith(f"'{shuffled}' would be put together from 40 slices, 16 at most pay; ")
    assert "as Conv node" in reason


def test_selection_and_order_backwards(route: Any) -> None:
    net = Network(6)
    x = net.conv("x", 8)
    chosen = net.node(f"Gather<axis = 1>({x}, {net.ints(7, -3, 0, 2)})", 4)
    bounds = ", ".join(net.constant("int64[1]", number) for number in ("-1", "-99", "1", "-1"))
    turned = net.node(f"Slice({x}, {bounds})", 8)
    result = route(net.text(net.conv(chosen, 3), net.conv(turned, 3)))
    assert left(result) == {"Slice"}  # one reads half of the channels, the other all as they are
    assert result.ops.count("Slice") == 1


def test_channels_that_are_read_twice(route: Any) -> None:
    net, one, other = start()
    x = net.shuffle(net.concat(one, other))
    a, _ = net.split(x, 20, 20)
    y = net.shuffle(net.concat(a, x), 3)
    result = route(net.text(net.conv(y, 4), net.conv(x, 4)))
    assert result.model.graph.outputs[0].shape == [1, 4, 4, 3]


def test_one_channel_often(route: Any) -> None:
    net = Network(6)
    x = net.conv("x", 4)
    y = net.node(f"Gather<axis = 1>({x}, {net.ints(1, 1, 1, 3, 3)})", 5)
    assert "Gather" not in route(net.text(net.conv(y, 4))).ops


def test_shuffled_input(route: Any) -> None:
    net = Network(CHANNELS)
    assert route(net.text(net.conv(net.dealt("x"), 4))).ops == ["Conv"]


def test_shuffled_output(route: Any) -> None:
    net = Network(6)
    assert route(net.text(net.dealt(net.conv("x", CHANNELS)))).ops == ["Conv"]


def test_input_shuffled_into_an_output(route: Any) -> None:
    net = Network(CHANNELS)
    result = route(net.text(net.dealt("x")))
    assert result.ops == ["Gather"]
    assert result.reasons[0].endswith(
        "; the order of channels is not free, as it is an input or output of the model (x)"
    )


def test_outputs_inside_a_region(route: Any) -> None:
    net = Network(6)
    x = net.dealt(net.conv("x", CHANNELS))
    a, b = net.split(x, 20, 20)
    outputs = b, net.conv(x, 4), a, net.node(f"Relu({a})", 20)
    result = route(net.text(*outputs))
    values = result.model.graph.outputs
    assert [value.name for value in values] == list(outputs)
    assert [value.shape for value in values] == [[1, 20, 4, 3], [1, 4, 4, 3], [1, 20, 4, 3], [1, 20, 4, 3]]
    assert left(result) == {"Slice"}


def test_one_value_as_several_outputs(route: Any) -> None:
    net = Network(6)
    x = net.conv("x", CHANNELS)
    once = net.dealt(x)
    outputs = once, net.dealt(x), net.dealt(net.dealt(once, 20))
    values = route(net.text(*outputs)).model.graph.outputs
    assert [value.name for value in values] == list(outputs)


def test_a_value_and_its_shuffle_as_outputs(route: Any) -> None:
    """Both orders are fixed: one of them has to be made."""
    net = Network(6)
    x = net.conv("x", CHANNELS)
    y = net.shuffle(x)
    result = route(net.text(x, y))
    assert "Transpose" in result.ops
    assert result.reasons[0].endswith(f"as it is an input or output of the model ({x})")


def test_two_regions_of_which_one_stays(route: Any) -> None:
    net = Network(6)
    x = net.dealt(net.conv("x", CHANNELS, groups=2))
    fixed = net.conv(x, CHANNELS, groups=2)
    free = net.dealt(net.conv(fixed, CHANNELS))
    result = route(net.text(net.conv(free, 4)))
    assert result.ops.count("Gather") == 1
    assert result.fired == {"RouteChannels": 1} and len(result.reasons) == 1


BESIDE = {
    "Flatten": "Flatten({})",
    "Reshape": "Reshape({}, flat)",
    "rows": "Slice({}, zero, two, two)",
    "half of the width": "Split<axis = 3, num_outputs = 2>({})",
}


@pytest.mark.parametrize("of_source", [True, False])
@pytest.mark.parametrize("node", BESIDE.values(), ids=BESIDE)
def test_another_reader_that_moves_no_channels(route: Any, node: str, of_source: bool) -> None:
    """It fixes the order of what it reads; the shuffle follows from the other side."""
    net = Network(6)
    net.constants += ["int64[2] flat = {1, -1}", "int64[1] zero = {0}", "int64[1] two = {2}"]
    x = net.conv("x", CHANNELS)
    y = net.dealt(x)
    results = net.node(node.format(x if of_source else y), *([0, 0] if "Split" in node else [0])).split(", ")
    result = route(net.text(net.conv(y, 4), *results))
    assert "Gather" not in result.ops
    assert result.fired == {"RouteChannels": 1} and result.reasons == []


def test_flattened_shuffle(route: Any) -> None:
    net = Network(6)
    flat = net.node(f"Flatten({net.dealt(net.conv('x', CHANNELS))})", 0)
    assert route(net.text(flat)).ops == ["Conv", "Flatten"]


def test_shuffle_of_what_was_no_image(route: Any) -> None:
    """Tokens become an image, whose order the reshape fixes."""
    net = Network(6)
    size, tokens = net.ints(1, 6, 12), net.ints(1, 6, 4, 3)
    rows = net.node(f"Transpose<perm = [0, 2, 1]>({net.node(f'Reshape(x, {size})', 0)})", 0)
    image = net.node(f"Reshape({net.node(f'Sigmoid({rows})', 0)}, {tokens})", 6)
    result = route(net.text(net.conv(net.dealt(image), 4)))
    assert result.ops == ["Reshape", "Transpose", "Sigmoid", "Reshape", "Conv"]


LEFT_ALONE = {
    "no shuffle": "a = Conv(x, w) b, c = Split<axis = 1, num_outputs = 2>(a) y = Concat<axis = 1>(c, b)",
    "PixelShuffle": """a = Reshape(x, six) b = Transpose<perm = [0, 1, 4, 2, 5, 3]>(a)
        y = Reshape(b, twice)""",
    "rows": "y = Gather<axis = 2>(x, back)",
    "NHWC": "y = Transpose<perm = [0, 2, 3, 1]>(x)",
    "images": "a = Reshape(x, five) b = Transpose<perm = [2, 1, 0, 3, 4]>(a) y = Reshape(b, two)",
    "indices at run time": "y = Gather<axis = 1>(x, i)",
    "a shape that is not known": "a = Compress<axis = 1>(x, keep) y = Gather<axis = 1>(a, back)",
    "rank 3": "a = Squeeze(z, zero) y = Transpose<perm = [1, 0, 2]>(a)",
}


@pytest.mark.parametrize("nodes", LEFT_ALONE.values(), ids=LEFT_ALONE)
def test_left_alone(route: Any, nodes: str) -> None:
    text = f"""(float[1, 4, 4, 4] x, float[1, 4, 4, 4] z) => (float[] y)
        <float[4, 4, 1, 1] w, int64[4] back = {{3, 2, 1, 0}}, int64[6] six = {{1, 1, 2, 2, 4, 4}},
        int64[4] twice = {{1, 1, 8, 8}}, int64[5] five = {{1, 2, 2, 4, 4}}, int64[4] two = {{2, 2, 4, 4}},
        int64[1] zero = {{0}}, int64[1] i = {{2}}, bool[4] keep> {{ {nodes} }}"""
    if "(x, i)" in nodes:
        text = text.replace("4] z", "4] z, float[1] j").replace(", int64[1] i = {2}", "")
        text = text.replace("{ y =", "{ i = Cast<to = 7>(j) y =")
    result = route(text, keep=True)
    assert result.fired == {} and result.reasons == []
    assert MOVING.intersection(result.ops)


KINDS = ["conv", "relu", "depthwise", "groups", "split", "concat", "shuffle", "shuffle", "dealt", "slice"]
KINDS += ["add", "mul", "norm", "selected"]


def random_network(seed: int) -> str:
    rng = np.random.default_rng(seed)
    net = Network(int(rng.integers(1, 5)) * 2, batch=int(rng.integers(1, 3)))
    values = ["x", net.conv("x", 8), net.conv("x", 12, relu=True)]
    for _ in range(rng.integers(6, 16)):
        x = str(rng.choice(values[-5:]))
        channels = net.channels[x]
        alike = [value for value in values if net.channels[value] == channels]
        others = [str(value) for value in rng.choice(values[-6:], 2)]
        kind = rng.choice(KINDS)
        if kind == "conv":
            values.append(net.conv(x, int(rng.integers(2, 7)) * 2, int(rng.choice([1, 3]))))
        elif kind == "relu":
            values.append(net.node(f"Relu({x})", channels))
        elif kind == "depthwise":
            values.append(net.depthwise(x))
        elif kind == "groups" and channels % 2 == 0:
            values.append(net.conv(x, 8, groups=2))
        elif kind == "split" and channels > 2:
            first = int(rng.integers(1, channels))
            values += net.split(x, first, channels - first)
        elif kind == "concat" and channels < 40:
            values.append(net.concat(x, *others[: rng.integers(1, 3)]))
        elif kind == "shuffle" and channels % 2 == 0:
            values.append(net.shuffle(x))
        elif kind == "dealt" and channels % 3 == 0:
            values.append(net.dealt(x, 3))
        elif kind == "slice" and channels > 3:
            step = int(rng.integers(1, 3))
            bounds = [net.ints(number) for number in (1, 99, 1, step)]
            values.append(net.node(f"Slice({x}, {', '.join(bounds)})", len(range(1, channels, step))))
        elif kind == "add":
            values.append(net.node(f"Add({x}, {rng.choice(alike)})", channels))
        elif kind == "mul":
            shape = rng.choice([f"{channels}, 1, 1", f"1, {channels}, 1, 1"])
            values.append(net.node(f"Mul({x}, {net.constant(f'float[{shape}]')})", channels))
        elif kind == "norm":
            names = [net.constant(f"float[{channels}]") for _ in range(3)]
            var = net.constant(f"float[{channels}]", ", ".join(["0.5"] * channels))
            values.append(net.node(f"BatchNormalization({x}, {', '.join(names)}, {var})", channels))
        elif kind == "selected":
            taken = rng.integers(-channels, channels, size=int(rng.integers(1, 10)))
            values.append(net.node(f"Gather<axis = 1>({x}, {net.ints(*taken)})", len(taken)))
    last = net.conv(values[-1], 4)
    outputs = {last, *(str(value) for value in rng.choice(values[1:], 2))}
    return net.text(*sorted(outputs))


@pytest.mark.parametrize("seed", range(30))
def test_random_networks_compute_the_same(route: Any, seed: int) -> None:
    route(random_network(seed))
