"""A channel shuffle, written as reshape, transpose and reshape, is one permutation of the channels."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from mobiledeploy.exporters.rewrites.rule import Rule
from mobiledeploy.graph.constants import axes_list
from mobiledeploy.graph.moves import move, moved, whole_channels
from mobiledeploy.graph.onnx_graph import producer_of, rank, required, shape_of

__all__ = ["RecogniseChannelPermutation"]


class RecogniseChannelPermutation(Rule):
    """Reshape(Transpose(Reshape(x))) -> Gather(x, permutation, axis=1), the same in every layout."""

    def pattern(self, op: Any, x: Any, inner: Any, outer: Any) -> Any:
        return op.Reshape(op.Transpose(op.Reshape(x, inner)), outer, _outputs=["shuffled"])

    def matches(self, x: ir.Value, shuffled: ir.Value, **_: Any) -> bool:
        return rank(x) == 4 and _permutation(x, shuffled) is not None

    def rewrite(self, op: Any, x: ir.Value, shuffled: ir.Value, **_: Any) -> Any:
        permutation = required(_permutation(x, shuffled))
        return op.Gather(x, axes_list(op, permutation.tolist()), axis=1)


def _permutation(x: ir.Value, shuffled: ir.Value) -> NDArray[np.int64] | None:
    """Return which channel of ``x`` stands in each place of ``shuffled``, if all of them do."""
    last = producer_of(shuffled)
    middle = producer_of(required(last.inputs[0]))
    first = producer_of(required(middle.inputs[0]))
    if not all(moved(node) for node in (first, middle, last)):  # a shape is not known
        return None
    source = held = np.arange(np.prod(shape_of(x))).reshape(shape_of(x))
    for node in (first, middle, last):
        (held,) = move(node, [held])
    channels = whole_channels(held, [source])
    if channels is None or sorted(channels[:, 1]) != list(range(source.shape[1])):
        return None
    return channels[:, 1]
