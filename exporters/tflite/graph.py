"""A TFLite graph in memory: tensors, ops, and nothing of the file format."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mobiledeploy.exporters.tflite.layout import Layout
from mobiledeploy.graph.params import QuantParams

__all__ = ["Op", "Tensor", "TfliteGraph"]


@dataclass(eq=False)
class Tensor:
    """A value of the graph.

    Attributes:
        shape: Sizes of the axes in the order of memory, NHWC where ``layout`` says so.
        data: The array of a constant, None for an activation.
        params: How integers stand for real numbers; None in float.
    """

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    layout: Layout = Layout.ONNX
    params: QuantParams | None = None
    data: NDArray[Any] | None = None

    def axis(self, onnx_axis: int) -> int:
        """Return where an axis, counted as in ONNX (negative from the end), lies in memory."""
        positive = onnx_axis % len(self.shape)
        return (0, 3, 1, 2)[positive] if self.layout is Layout.NHWC else positive

    def with_shape(self, shape: tuple[int, ...], suffix: str) -> Tensor:
        """Return a new activation like this one in type, parameters and layout, of another shape."""
        return replace(self, name=f"{self.name}/{suffix}", shape=tuple(int(d) for d in shape), data=None)


@dataclass(eq=False)
class Op:
    """One TFLite op.

    Attributes:
        name: Builtin name, such as CONV_2D.
        options: Fields of the builtin's option table, in the schema's snake case.
        source: The ONNX node it came from, as a user knows it.
    """

    name: str
    inputs: list[Tensor | None]
    outputs: list[Tensor]
    options: dict[str, Any] = field(default_factory=dict)
    source: str = ""


@dataclass(eq=False)
class TfliteGraph:
    """Ops in execution order; inputs and outputs by signature name."""

    inputs: dict[str, Tensor] = field(default_factory=dict)
    outputs: dict[str, Tensor] = field(default_factory=dict)
    ops: list[Op] = field(default_factory=list)

    def producer(self, tensor: Tensor) -> Op | None:
        """Return the op that computes the tensor, or None for inputs and constants."""
        return next((op for op in reversed(self.ops) if tensor in op.outputs), None)

    def tensors(self) -> list[Tensor]:
        """Return every tensor once, in order of first appearance."""
        seen: dict[Tensor, None] = dict.fromkeys(self.inputs.values())
        for op in self.ops:
            seen.update(dict.fromkeys(t for t in (*op.inputs, *op.outputs) if t is not None))
        seen.update(dict.fromkeys(self.outputs.values()))
        return list(seen)

    def remove_dead_ops(self) -> None:
        """Drop ops whose results nobody reads."""
        needed = set(self.outputs.values())
        kept: list[Op] = []
        for op in reversed(self.ops):
            if needed.intersection(op.outputs):
                kept.append(op)
                needed.update(t for t in op.inputs if t is not None)
        self.ops = kept[::-1]
