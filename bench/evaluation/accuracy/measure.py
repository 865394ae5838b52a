"""Measures the result of each method on every network; rows that are missing are made in turn."""

from __future__ import annotations

import gc
import os
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

from mobiledeploy.base.files import file_sha256
from mobiledeploy.base.version import __version__
from mobiledeploy.bench.evaluation.accuracy.figures import LogitFigures, compare_logits, logits
from mobiledeploy.bench.evaluation.accuracy.float_ops import float_ops_of_onnx, float_ops_of_tflite
from mobiledeploy.bench.evaluation.accuracy.inputs import Inputs
from mobiledeploy.bench.evaluation.accuracy.methods import METHODS
from mobiledeploy.bench.evaluation.accuracy.network import FloatNetwork, Request
from mobiledeploy.bench.evaluation.other_python import Made
from mobiledeploy.bench.evaluation.rows import Row, Rows
from mobiledeploy.graph.onnx_graph import static_inputs
from mobiledeploy.runtime.partitions import measure_partitions
from mobiledeploy.runtime.runtimes import OnnxSession, TfliteSession
from mobiledeploy.runtime.targets import LITERT_2_3
from mobiledeploy.sources.onnx_file import load_onnx

__all__ = ["Figures", "measured_rows"]


@dataclass(frozen=True, kw_only=True)
class Figures(LogitFigures):
    """The result of a method on a network.

    Attributes:
        runtime: What ran the result: "LiteRT" or "ONNX Runtime".
        seconds: Time of quantization alone, from the float graph and prepared images to the file.
        file_sha256, size_bytes: Hash and size of the file.
        partitions: XNNPACK partitions of a .tflite; None for .onnx.
        outside: Op -> how many of a .tflite stay outside the delegate.
        float_ops: Op -> how many compute in float.
        versions: Package -> version.
    """

    runtime: str
    seconds: float
    file_sha256: str
    size_bytes: int
    partitions: int | None
    outside: Mapping[str, int]
    float_ops: Mapping[str, int]
    versions: Mapping[str, str]


def measured_rows(
    networks: Sequence[Request],
    methods: Sequence[str],
    inputs: Inputs,
    environments: Mapping[str, str],
    folder: Path,
    *,
    again: bool = False,
) -> Iterator[tuple[Row[Figures], bool]]:
    """Yield the rows of a run, each with whether it is new; finished ones are taken as they are.

    A method that fails gives a row with the reason; the run goes on.

    Args:
        methods: Names in ``METHODS``.
        environments: Name of an environment -> its Python interpreter.
        folder: Where rows and files go.
        again: Whether to make all rows again.

    Raises:
        InputError: A weights file is missing.
    """
    kept = Rows(folder / "rows", Figures, again)
    for asked in networks:
        network = FloatNetwork(asked, inputs, folder / "files")
        origin = {
            "weights_sha256": asked.weights_sha256(),
            "weights": None if asked.weights is None else asked.weights.name,
            "calibration_sha256": inputs.stored.fingerprint,
            "samples": inputs.stored.samples,
            "validation_sha256": inputs.validation_sha256,
            "size": inputs.size,
            "seed": inputs.stored.seed,
            "mobiledeploy": __version__,
        }
        for name in methods:
            made_from = {**origin, "settings": dict(METHODS[name].settings)}
            yield kept.row((str(asked), name), made_from, partial(_measured, network, name, environments))
            gc.collect()  # graphs refer to themselves; the next method's memory should be its own


def _made(network: FloatNetwork, name: str, environments: Mapping[str, str]) -> Made:
    environment = METHODS[name].environment
    # A path that is not resolved: a virtual environment's interpreter is a link to another one.
    python = sys.executable if environment is None else os.path.abspath(environments[environment])
    return METHODS[name].run(python, network, network.folder / name)


def _measured(network: FloatNetwork, name: str, environments: Mapping[str, str]) -> Figures:
    """Quantize and run the result: a .tflite in LiteRT with one thread, an .onnx in ONNX Runtime.

    ONNX Runtime computes the QDQ graph as it is written, without kernels of its own in place of Q and DQ,
    which on older processors saturate.

    Raises:
        MobileDeployError: The method fails, or the file cannot be loaded.
    """
    made = _made(network, name, environments)
    inputs, path = network.inputs, made.path
    partitions = None
    if path.suffix == ".onnx":
        model = load_onnx(path)
        (input_name,) = static_inputs(model)
        found = logits(OnnxSession(model, optimize=False), input_name, inputs.images())
    else:
        session = TfliteSession(path)
        (input_name,) = session.inputs
        found = logits(session, input_name, inputs.images())
        partitions = measure_partitions(path, LITERT_2_3)
    return Figures(
        **asdict(compare_logits(network.logits, found, inputs.validation.labels)),
        runtime="ONNX Runtime" if partitions is None else "LiteRT",
        seconds=made.seconds,
        file_sha256=file_sha256(path),
        size_bytes=path.stat().st_size,
        partitions=None if partitions is None else partitions.count,
        outside={} if partitions is None else dict(Counter(op.op for op in partitions.outside)),
        float_ops=float_ops_of_onnx(path) if partitions is None else float_ops_of_tflite(path),
        versions=dict(made.versions),
    )
