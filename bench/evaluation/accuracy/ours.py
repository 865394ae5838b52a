"""mobiledeploy's own quantization, with settings that users have, and one that only a benchmark needs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import mobiledeploy
from mobiledeploy.api import ExportResult
from mobiledeploy.base.errors import MobileDeployError
from mobiledeploy.base.files import staging_folder
from mobiledeploy.base.progress import Silent, Timed
from mobiledeploy.base.version import __version__
from mobiledeploy.bench.evaluation.accuracy.inputs import Inputs
from mobiledeploy.bench.evaluation.accuracy.made import Made
from mobiledeploy.bench.evaluation.accuracy.network import FloatNetwork
from mobiledeploy.bench.evaluation.accuracy.steps import seconds_to_quantize
from mobiledeploy.pipeline import make_artifacts
from mobiledeploy.runtime.targets import LITERT_2_3, Delegated
from mobiledeploy.settings import ExportSettings
from mobiledeploy.sources.open_source import open_source

__all__ = ["export_qdq", "quantize", "quantize_with_plain_hard_swish"]


def quantize(network: FloatNetwork, folder: Path, **settings: Any) -> Made:
    """Quantize with ``mobiledeploy.export``.

    The source is the float ONNX file of an export of the network, which gives the same artifact, bit for
    bit, as the network itself.

    Args:
        settings: Further arguments of ``mobiledeploy.export``.

    Raises:
        MobileDeployError: It cannot, or it was not calibrated with the images that other tools get.
    """
    inputs = network.inputs
    result = mobiledeploy.export(
        network.onnx,
        int8=True,
        calibration=inputs.for_export,
        samples=inputs.samples,
        seed=inputs.seed,
        cache=False,
        out=folder,
        **settings,
    )
    _require_same_images(result, inputs)
    return Made(result.artifacts["int8"], seconds_to_quantize(result.seconds), {"mobiledeploy": __version__})


def _require_same_images(result: ExportResult, inputs: Inputs) -> None:
    used = (result.report.calibration or {}).get("sha256")
    if used != inputs.fingerprint:
        raise MobileDeployError(
            f"the export calibrated with images of SHA-256 {used}, expected {inputs.fingerprint}, which the "
            "other tools get; the comparison would not be fair, please report this"
        )


def quantize_with_plain_hard_swish(network: FloatNetwork, folder: Path) -> Made:
    """As by default, but int8 HARD_SWISH stays one op, which LiteRT's delegate does not take.

    The rewrite goes by the target's table, so a table that has the op in int8 switches it off.
    """
    every = LITERT_2_3.ops | {"HARD_SWISH": Delegated(frozenset({"float32", "int8"}))}
    target = replace(LITERT_2_3, ops=MappingProxyType(every))
    inputs = network.inputs
    settings = ExportSettings(
        str(network.onnx),
        precision=("int8",),
        calibration=inputs.for_export,
        samples=inputs.samples,
        seed=inputs.seed,
        cache=False,
    )
    steps = Timed(Silent())
    with staging_folder(folder) as staging:
        source = open_source(str(settings.source), settings)
        report = make_artifacts(settings, source, target, staging, steps)
    return Made(
        folder / report.artifacts["int8"].file,
        seconds_to_quantize(steps.seconds),
        {"mobiledeploy": __version__},
    )


def export_qdq(made: Made, folder: Path) -> Made:
    """The .tflite that mobiledeploy makes of another tool's QDQ model, with the scales that it has."""
    result = mobiledeploy.export(made.path, out=folder)
    return Made(result.artifacts["int8"], made.seconds, {**made.versions, "mobiledeploy": __version__})
