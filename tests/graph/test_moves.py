"""Where every element goes, against ONNX Runtime on the numbers of the elements."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest
from numpy.typing import NDArray

from mobiledeploy.graph.moves import Elements, move, moved, whole_channels
from mobiledeploy.runtime.runtimes import OnnxSession
from mobiledeploy.testing import model_from_text

MOVES = {
    "Identity": "Identity(x)",
    "Reshape": "Reshape(x, s) <int64[3] s = {4, 5, 18}>",
    "Reshape, -1 and 0": "Reshape(x, s) <int64[3] s = {0, -1, 9}>",
    "Flatten": "Flatten(x)",
    "Flatten, axis -1": "Flatten<axis = -1>(x)",
    "Flatten, axis 0": "Flatten<axis = 0>(x)",
    "Squeeze": "Squeeze(x, a) <int64[1] a = {0}>",
    "Unsqueeze": "Unsqueeze(x, a) <int64[2] a = {-1, 1}>",
    "Transpose": "Transpose<perm = [0, 2, 3, 1]>(x)",
    "Transpose, no perm": "Transpose(x)",
    "Gather": "Gather<axis = 1>(x, i) <int64[3] i = {2, 0, 2}>",
    "Gather, negative": "Gather<axis = -1>(x, i) <int64[2] i = {-1, -3}>",
    "Gather, one": "Gather<axis = 2>(x, i) <int64 i = {3}>",
    "Gather, rank 2": "Gather<axis = 1>(x, i) <int64[2, 2] i = {0, 1, -1, 2}>",
    "Gather, axis 0": "Gather(x, i) <int64[2] i = {0, 0}>",
    "Slice": "Slice(x, s, e, a) <int64[1] s = {1}, int64[1] e = {3}, int64[1] a = {1}>",
    "Slice, int32": "Slice(x, s, e, a) <int32[1] s = {1}, int32[1] e = {3}, int32[1] a = {1}>",
    "Slice, no axes": "Slice(x, s, e) <int64[3] s = {0, 1, 2}, int64[3] e = {1, 3, 9}>",
    "Slice, steps without axes": "Slice(x, s, e, , t) <int64[3] s = {0, 0, 0}, int64[3] e = {1, 9, 9},"
    " int64[3] t = {1, 2, 3}>",
    "Slice, negative bounds": "Slice(x, s, e, a) <int64[2] s = {-3, -2}, int64[2] e = {-1, 99},"
    " int64[2] a = {2, -1}>",
    "Slice, start before the front": "Slice(x, s, e, a) <int64[1] s = {-99}, int64[1] e = {2},"
    " int64[1] a = {3}>",
    "Slice, backwards": "Slice(x, s, e, a, t) <int64[1] s = {3}, int64[1] e = {0}, int64[1] a = {3},"
    " int64[1] t = {-1}>",
    "Slice, backwards to the front": "Slice(x, s, e, a, t) <int64[2] s = {-1, 99}, int64[2] e = {-99, -7},"
    " int64[2] a = {2, 3}, int64[2] t = {-2, -1}>",
    "Slice, backwards from before the front": "Slice(x, s, e, a, t) <int64[1] s = {-99},"
    " int64[1] e = {-100}, int64[1] a = {3}, int64[1] t = {-1}>",
    "Slice, backwards up to an element": "Slice(x, s, e, a, t) <int64[1] s = {-1}, int64[1] e = {-6},"
    " int64[1] a = {3}, int64[1] t = {-1}>",
}


def numbered(*shape: int, first: int = 0) -> Elements:
    return first + np.arange(int(np.prod(shape))).reshape(shape)


def check(model: ir.Model, *inputs: Elements) -> None:
    """What the last node does to its inputs is what ONNX Runtime does to their numbers."""
    node = model.graph[-1]
    assert [value.name for value in moved(node)] == [value.name for value in model.graph.inputs]
    names = [value.name or "" for value in model.graph.inputs]
    sample = {name: array.astype(np.float32) for name, array in zip(names, inputs, strict=True)}
    expected = OnnxSession(model, optimize=False).run(sample)
    for wanted, held in zip(expected.values(), move(node, inputs), strict=True):
        np.testing.assert_array_equal(held, wanted.astype(np.int64))


@pytest.mark.parametrize("text", MOVES.values(), ids=MOVES)
def test_one_result(text: str) -> None:
    node, _, declared = text.partition(" <")
    constants = f"<{declared}" if declared else ""
    model = model_from_text(f"g (float[1, 4, 10, 9] x) => (float[] y) {constants} {{ y = {node} }}")
    check(model, numbered(1, 4, 10, 9))


@pytest.mark.parametrize(
    ("split", "outputs"),
    [
        ("Split<axis = 1>(x, s)", "abc"),
        ("Split<axis = -3>(x, s)", "abc"),
        ("Split<axis = 1, num_outputs = 4>(x)", "abcd"),
        ("Split<axis = 3, num_outputs = 2>(x)", "ab"),  # 9 in two: 5 and 4
    ],
)
def test_split(split: str, outputs: str) -> None:
    declared = ", ".join(f"float[] {name}" for name in outputs)
    model = model_from_text(
        f"""g (float[1, 10, 4, 9] x) => ({declared}) <int64[3] s = {{1, 3, 6}}> {{
        {", ".join(outputs)} = {split} }}"""
    )
    check(model, numbered(1, 10, 4, 9))


@pytest.mark.parametrize("axis", [1, -3])
def test_concat(axis: int) -> None:
    model = model_from_text(
        f"""g (float[1, 2, 4, 3] x, float[1, 5, 4, 3] z) => (float[1, 7, 4, 3] y) {{
        y = Concat<axis = {axis}>(x, z) }}"""
    )
    check(model, numbered(1, 2, 4, 3), numbered(1, 5, 4, 3, first=24))


@pytest.mark.parametrize(
    "node",
    [
        "Relu(x)",
        "Concat<axis = 1>(x, k)",
        "Gather<axis = 1>(x, i)",
        "Reshape(k, s)",
    ],
)
def test_what_moves_no_activation_alone(node: str) -> None:
    """Ops that compute, that mix in constants, or whose table is not known."""
    declared = "(float[1, 2, 3, 4] x, int64[2] i, int64[2] s) => (float[] y) <float[1, 2, 3, 4] k>"
    assert moved(model_from_text(f"g {declared} {{ y = {node} }}").graph[-1]) == []


SOURCES = [numbered(2, 3, 4, 5), numbered(2, 6, 4, 5, first=120), numbered(2, 1, 4, 5, first=360)]


def test_whole_channels_of_several_sources() -> None:
    wanted = [(1, 5), (0, 0), (2, 0), (0, 2), (0, 2), (1, 0)]
    held = np.stack([SOURCES[source][:, channel] for source, channel in wanted], axis=1)
    found = whole_channels(held, SOURCES)
    assert found is not None and found.tolist() == [list(pair) for pair in wanted]


NOT_CHANNELS: dict[str, NDArray[np.int64]] = {
    "another rank": SOURCES[0].reshape(2, 3, 20),
    "part of the height": SOURCES[0][:, :, 1:],
    "another image shape": SOURCES[0].reshape(2, 3, 5, 4),
    "rows moved": SOURCES[0][:, :, ::-1],
    "height and width swapped": SOURCES[0].transpose(0, 1, 3, 2),
    "images swapped": SOURCES[0][::-1],
    "one image of two": SOURCES[0][:1],
    "batch and channels swapped": SOURCES[1].reshape(6, 2, 4, 5).transpose(1, 0, 2, 3),
    "half of a channel each": np.concatenate([SOURCES[0][:, :1, :2], SOURCES[0][:, 1:2, 2:]], axis=2),
    "halves of two sources": np.concatenate([SOURCES[0][:, :1, :2], SOURCES[1][:, :1, 2:]], axis=2),
}


@pytest.mark.parametrize("held", NOT_CHANNELS.values(), ids=NOT_CHANNELS)
def test_what_is_no_channel_as_it_was(held: Elements) -> None:
    assert whole_channels(held, SOURCES) is None
