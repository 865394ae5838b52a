"""The task of a network of which nobody said what it is for: numbers in, numbers out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mobiledeploy.tasks.task import Figure, Shapes

if TYPE_CHECKING:
    from mobiledeploy.runtime.runtimes import Outputs

__all__ = ["Tensors"]


class Tensors:
    """Outputs are compared by their numbers alone: SQNR, largest error, cosine."""

    name = "tensors"

    def describe_outputs(self, shapes: Shapes) -> dict[str, str]:
        """Return the shapes in words."""
        return {name: "numbers of the shape " + "x".join(map(str, shape)) for name, shape in shapes.items()}

    def agreement(self) -> _NoAgreement:
        """Return what adds nothing to the comparison of numbers."""
        return _NoAgreement()


class _NoAgreement:
    def add(self, reference: Outputs, candidate: Outputs) -> None:
        """Take nothing."""

    def result(self) -> dict[str, tuple[Figure, ...]]:
        return {}
