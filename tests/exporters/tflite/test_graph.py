"""The graph in memory."""

from __future__ import annotations

import numpy as np

from mobiledeploy.exporters.tflite.graph import Op, Tensor, TfliteGraph
from mobiledeploy.exporters.tflite.layout import Layout

F32 = np.dtype(np.float32)


def test_axes_of_an_nhwc_tensor_are_counted_as_in_onnx() -> None:
    image = Tensor("image", (1, 8, 9, 3), F32, Layout.NHWC)
    assert [image.axis(axis) for axis in (0, 1, 2, 3, -1, -3)] == [0, 3, 1, 2, 2, 3]
    plain = Tensor("plain", (1, 2, 3), F32)
    assert [plain.axis(axis) for axis in (0, -1)] == [0, 2]


def test_tensors_come_once_and_dead_ops_go() -> None:
    x, y, z, dead = (Tensor(name, (1,), F32) for name in ("x", "y", "z", "dead"))
    graph = TfliteGraph(
        {"x": x}, {"z": z}, [Op("ABS", [x], [y]), Op("NEG", [y], [dead]), Op("ADD", [y, x], [z])]
    )
    assert graph.producer(y) is graph.ops[0] and graph.producer(x) is None
    graph.remove_dead_ops()
    assert [op.name for op in graph.ops] == ["ABS", "ADD"]
    assert graph.tensors() == [x, y, z]
