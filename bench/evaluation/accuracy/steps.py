"""Which steps of an export quantize: what the seconds of mobiledeploy's own methods count."""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["quantizes", "seconds_to_quantize"]

_OTHER_STEPS = ("open", "load", "check", "compare", "measure", "explain", "PyTorch", "ONNX to fp32")
"""How steps begin that do not quantize: they come before the float graph, or look at the result."""


def quantizes(step: str) -> bool:
    """Whether a step lies between the float graph with opened inputs and the int8 artifact."""
    return not step.startswith(_OTHER_STEPS)


def seconds_to_quantize(steps: Mapping[str, float]) -> float:
    """Of the steps that quantize, together.

    Args:
        steps: Step -> seconds, as an export has them.
    """
    return sum(seconds for step, seconds in steps.items() if quantizes(step))
