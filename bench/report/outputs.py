"""Compares what a device computes with what this host computes, from the same file and the same inputs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from mobiledeploy.base.section import Cell, Section, Styled
from mobiledeploy.bench.runner.tensors import IoTensor, to_array

__all__ = ["OutputCheck", "check_outputs", "outputs_section"]

MOST_STEPS = 1
"""XNNPACK's kernels round a midpoint up on one processor and down on another."""

MOST_ERROR = 1e-5
"""Largest error of an output of real numbers, as a share of its range; sums are taken in another order.

MobileNetV2 and V3 differ by 6e-7 to 9e-7 between x86 and Arm.
"""


@dataclass(frozen=True)
class OutputCheck:
    """An output of a model on a device against the same output on this host.

    Attributes:
        elements: How many there are.
        unequal: How many of them differ.
        largest: The largest difference: in steps of an integer output; else as a share of the host's range.
        integer: Whether the output is of integers.
    """

    model: str
    device: str
    output: str
    elements: int
    unequal: int
    largest: float
    integer: bool

    @property
    def passed(self) -> bool:
        """Whether the two are equal but for rounding."""
        return self.largest <= (MOST_STEPS if self.integer else MOST_ERROR)

    def failure(self) -> str:
        """Say what is wrong, where it has not passed."""
        limit = f"{MOST_STEPS} step" if self.integer else f"{MOST_ERROR:g} of the range"
        return (
            f"{self.model}: {self.output} on {self.device} differs from this host's in {self.unequal} of "
            f"{self.elements} elements, by up to {_size(self)}, expected at most {limit}; see whether "
            "the runtime is of the same version on both"
        )

    def to_json(self) -> dict[str, Any]:
        return asdict(self) | {"passed": self.passed}


def check_outputs(
    model: str, device: str, tensors: Sequence[IoTensor], found: Sequence[bytes], reference: Sequence[bytes]
) -> list[OutputCheck]:
    """Return a check for each output of a model, from its bytes on the device and on this host.

    Raises:
        ValueError: The number of outputs or of bytes is another than the model's.
    """
    return [
        _check(model, device, tensor, to_array(tensor, ours), to_array(tensor, theirs))
        for tensor, ours, theirs in zip(tensors, found, reference, strict=True)
    ]


def _check(model: str, device: str, tensor: IoTensor, found: Any, reference: Any) -> OutputCheck:
    # NaN in the same place is equality, too.
    unequal = int(np.sum(~((found == reference) | ((found != found) & (reference != reference)))))
    integer = tensor.dtype.kind != "f"
    expected = reference.astype(np.float64)
    largest = float(np.abs(found.astype(np.float64) - expected).max()) if unequal else 0.0
    if unequal and not integer:
        largest /= float(np.ptp(expected)) or 1.0
    # A NaN on one side only is no difference that a limit could allow.
    largest = np.inf if np.isnan(largest) else largest
    return OutputCheck(model, device, tensor.name, found.size, unequal, largest, integer)


def _size(check: OutputCheck) -> str:
    return f"{check.largest:.0f} steps" if check.integer else f"{check.largest:.1e} of the range"


def outputs_section(checks: Sequence[OutputCheck]) -> Section:
    """Return a row for each output."""
    rows: list[dict[str, Cell]] = [
        {
            "model": f"{check.model} on {check.device}",
            "output": check.output,
            "elements": str(check.elements),
            "unequal": str(check.unequal),
            "largest difference": _size(check),
            "": Styled("ok", "ok") if check.passed else Styled("fails", "bad"),
        }
        for check in checks
    ]
    return Section("Outputs against this host's", rows, names=["model", "output"], texts=[""])
