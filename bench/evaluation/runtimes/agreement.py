"""How far the outputs of one runtime lie from those of another, and how far they may."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Agreement", "Limits", "agreement", "complaint", "sqnr_db"]

Array = NDArray[Any]


@dataclass(frozen=True)
class Limits:
    """What still counts as the same result.

    Attributes:
        steps: of the output's quantization, for int8 where XNNPACK runs it.
        loss_db: for int8 on other kernels, by how much its SQNR against fp32 may be below that of XNNPACK.
        relative: for fp32, maximum error as a share of the output's range.
    """

    steps: float = 1.0
    loss_db: float = 1.0
    relative: float = 1e-4


@dataclass(frozen=True)
class Agreement:
    """Outputs of one run against the reference run of the same artifact.

    Attributes:
        max_abs: largest difference, in the output's real unit.
        max_steps: the same in quantization steps; None for a float artifact.
        relative: the same as a share of the reference's range.
        unequal: number of values that are not equal.
        values: number of values.
        beyond: number of inputs with a value more than one step apart; 0 for a float artifact.
        inputs: number of inputs.
        sqnr_db: against the fp32 artifact on the reference runtime.
    """

    max_abs: float
    max_steps: float | None
    relative: float
    unequal: int
    values: int
    beyond: int
    inputs: int
    sqnr_db: float


def sqnr_db(signal: Array, noisy: Array) -> float:
    """Signal-to-quantization-noise ratio, 10 log10(sum s^2 / sum (s - n)^2) dB; infinite for equal arrays."""
    power = float(np.square(signal, dtype=np.float64).sum())
    noise = float(np.square(signal.astype(np.float64) - noisy).sum())
    return float("inf") if noise == 0 else float(10 * np.log10(max(power, 1e-300) / noise))


def agreement(reference: Array, candidate: Array, fp32: Array, step: float | None) -> Agreement:
    """Set a run beside the reference run.

    Args:
        reference: outputs of the reference run as real numbers, (inputs, values).
        candidate: outputs of this run, the same shape.
        fp32: outputs of the float artifact on the reference runtime, the same shape.
        step: size of a quantization step of the output; None for a float artifact.
    """
    difference = np.abs(reference.astype(np.float64) - candidate)
    max_abs = float(difference.max())
    spread = float(np.ptp(reference)) or 1.0
    # Rounded, as a difference of dequantized values carries the float error of two multiplications.
    steps = None if step is None else np.round(difference / step, 3)
    return Agreement(
        max_abs=max_abs,
        max_steps=None if steps is None else float(steps.max()),
        relative=max_abs / spread,
        unequal=int(np.count_nonzero(difference)),
        values=difference.size,
        beyond=0 if steps is None else int(np.count_nonzero(steps.max(axis=1) > 1)),
        inputs=len(difference),
        sqnr_db=sqnr_db(fp32, candidate),
    )


def complaint(found: Agreement, reference: Agreement, delegated: bool, limits: Limits) -> str:
    """What is wrong with a run, or nothing.

    XNNPACK and the runtime's own int8 kernels round products differently, each to a neighbour of the exact
    value. Over fifty layers that adds up to several steps at the output with neither of them wrong, so other
    kernels than XNNPACK are held to XNNPACK's distance from fp32 and not to its values.

    Args:
        found: the run.
        reference: the reference run set beside itself, for its SQNR.
        delegated: whether XNNPACK ran the artifact.
        limits: what is allowed.
    """
    if found.max_steps is None:
        if found.relative <= limits.relative:
            return ""
        return f"error {found.relative:.1e} of the output range, expected at most {limits.relative:.0e}"
    if delegated:
        if found.max_steps <= limits.steps:
            return ""
        return (
            f"{found.max_steps:g} quantization steps apart, expected at most {limits.steps:g}; "
            f"{found.beyond} of {found.inputs} inputs are more than one apart"
        )
    loss = reference.sqnr_db - found.sqnr_db
    if loss <= limits.loss_db:
        return ""
    return f"SQNR against fp32 is {loss:.1f} dB below that of XNNPACK, expected at most {limits.loss_db:g} dB"
