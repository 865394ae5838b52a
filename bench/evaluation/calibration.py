"""The inputs that mobiledeploy and other tools calibrate with: the same bits for all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import mobiledeploy
from mobiledeploy.api import ExportResult
from mobiledeploy.base.errors import MobileDeployError
from mobiledeploy.inputs.open_inputs import open_inputs
from mobiledeploy.sources.source import INPUT_NAME

__all__ = ["HOLDOUT", "CalibrationInputs", "export_int8", "require_same", "store_inputs"]

HOLDOUT = 16
"""Number of inputs that an export checks its artifacts on."""


@dataclass(frozen=True)
class CalibrationInputs:
    """Stored inputs, split as an export splits them.

    Attributes:
        for_export: .npy, float32 (samples + held back, C, H, W), of which an export calibrates with a part.
        calibration: .npy, float32 (samples, C, H, W): just these, in their order, for other tools.
        holdout: The others, (1, C, H, W) each.
        samples: Number of inputs to calibrate with.
        seed: Random seed of the split.
        fingerprint: SHA-256 of the inputs in `for_export`, as an export's report has it.
    """

    for_export: Path
    calibration: Path
    holdout: list[NDArray[np.float32]]
    samples: int
    seed: int
    fingerprint: str


def store_inputs(
    drawn: Sequence[NDArray[np.float32]], samples: int, seed: int, folder: Path
) -> CalibrationInputs:
    """Store inputs, (1, C, H, W) each, and split them.

    Args:
        folder: Where the files go; made if it is not there.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for_export, calibration = folder / "inputs.npy", folder / "calibration.npy"
    np.save(for_export, np.concatenate(drawn))
    # Opened as an export opens it, so that other tools get the part that it calibrates with.
    source = open_inputs(for_export, {INPUT_NAME: drawn[0].shape}, None, samples, seed, HOLDOUT)
    np.save(calibration, np.concatenate([sample[INPUT_NAME] for sample in source.calibration]))
    holdout = [sample[INPUT_NAME] for sample in source.holdout]
    return CalibrationInputs(for_export, calibration, holdout, samples, seed, source.fingerprint)


def export_int8(source: str | Path, inputs: CalibrationInputs, out: Path, **settings: Any) -> ExportResult:
    """Export with stored inputs.

    Args:
        settings: Further arguments of `mobiledeploy.export`.

    Raises:
        MobileDeployError: It cannot, or it was not calibrated with the inputs that other tools get.
    """
    result = mobiledeploy.export(
        source,
        int8=True,
        calibration=inputs.for_export,
        samples=inputs.samples,
        seed=inputs.seed,
        out=out,
        **settings,
    )
    require_same("calibration", (result.report.calibration or {}).get("sha256"), inputs.fingerprint)
    return result


def require_same(what: str, used: str | None, handed_over: str) -> None:
    """Refuse a comparison of things that were made of different weights or inputs.

    Raises:
        MobileDeployError: The two hashes differ.
    """
    if used != handed_over:
        raise MobileDeployError(
            f"the export took {what} of SHA-256 {used}, expected {handed_over}, which other tools get; the "
            "comparison would not be fair, please report this"
        )
