"""Every method on every network: rows that are missing are made, one after the other."""

from __future__ import annotations

import gc
import os
import sys
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from mobiledeploy.base.files import file_sha256
from mobiledeploy.base.version import __version__
from mobiledeploy.bench.evaluation.accuracy.figures import compare_logits, logits
from mobiledeploy.bench.evaluation.accuracy.float_ops import float_ops_of_onnx, float_ops_of_tflite
from mobiledeploy.bench.evaluation.accuracy.inputs import Inputs
from mobiledeploy.bench.evaluation.accuracy.made import Made
from mobiledeploy.bench.evaluation.accuracy.methods import METHODS, Method
from mobiledeploy.bench.evaluation.accuracy.network import FloatNetwork, Request
from mobiledeploy.bench.evaluation.accuracy.row import Row, Rows
from mobiledeploy.graph.onnx_graph import static_inputs
from mobiledeploy.runtime.partitions import measure_partitions
from mobiledeploy.runtime.runtimes import OnnxSession, TfliteSession
from mobiledeploy.runtime.targets import LITERT_2_3
from mobiledeploy.sources.onnx_file import load_onnx

__all__ = ["measured", "rows_of"]


def rows_of(
    networks: Sequence[Request],
    methods: Sequence[str],
    inputs: Inputs,
    environments: Mapping[str, str],
    folder: Path,
    *,
    again: bool = False,
    on_row: Callable[[Row, bool], Any] = lambda row, is_new: None,
) -> list[Row]:
    """The rows of a run, in order. Those that were finished before are taken as they are.

    A method that fails gives a row with the reason; the run goes on.

    Args:
        methods: Names in ``METHODS``.
        environments: Name of an environment -> its Python interpreter.
        folder: For rows and files.
        again: Whether to make all rows again.
        on_row: Told of each row, and whether it was made now.

    Raises:
        InputError: A weights file is missing.
    """
    kept, found = Rows(folder / "rows"), []
    for asked in networks:
        network = FloatNetwork(asked, inputs, folder / "files")
        origin = {
            "weights_sha256": asked.weights_sha256(),
            "weights": None if asked.weights is None else asked.weights.name,
            "calibration_sha256": inputs.fingerprint,
            "samples": inputs.samples,
            "validation_sha256": inputs.validation_sha256,
            "size": inputs.size,
            "seed": inputs.seed,
            "mobiledeploy": __version__,
        }
        for name in methods:
            made_from = {**origin, "settings": dict(METHODS[name].settings)}
            row = None if again else kept.find(str(asked), name, made_from)
            is_new = row is None
            if row is None:
                row = _row(network, name, made_from, environments)
                kept.keep(row)
                gc.collect()  # graphs refer to themselves; the next method's memory should be its own
            on_row(row, is_new)
            found.append(row)
    return found


def _row(
    network: FloatNetwork, name: str, made_from: Mapping[str, Any], environments: Mapping[str, str]
) -> Row:
    method = METHODS[name]
    label = str(network.request)
    try:
        made = _run(method, network, network.folder / name, environments)
        return measured(network, name, made_from, made)
    except Exception as error:  # other tools raise whatever they run into; their row says what
        reason = (str(error).strip().splitlines() or [""])[0]
        return Row(label, name, made_from, error=f"{type(error).__name__}: {reason}")


def _run(method: Method, network: FloatNetwork, folder: Path, environments: Mapping[str, str]) -> Made:
    own = method.environment is None
    # A path that is not resolved: a virtual environment's interpreter is a link to another one.
    python = sys.executable if own else os.path.abspath(environments[method.environment or ""])
    return method.run(python, network, folder)


def measured(network: FloatNetwork, name: str, made_from: Mapping[str, Any], made: Made) -> Row:
    """The row of a result: a .tflite in LiteRT with one thread, an .onnx in ONNX Runtime.

    ONNX Runtime computes the QDQ graph as it is written, without kernels of its own in place of Q and DQ,
    which on older processors saturate.

    Raises:
        InputError: The file cannot be loaded.
    """
    inputs, path = network.inputs, made.path
    row = Row(
        str(network.request),
        name,
        made_from,
        seconds=made.seconds,
        file_sha256=file_sha256(path),
        size_bytes=path.stat().st_size,
        versions=dict(made.versions),
    )
    if path.suffix == ".onnx":
        model = load_onnx(path)
        (input_name,) = static_inputs(model)
        found = logits(OnnxSession(model, optimize=False), input_name, inputs.images())
        row = replace(row, runtime="ONNX Runtime", float_ops=dict(float_ops_of_onnx(path)))
    else:
        session = TfliteSession(path)
        (input_name,) = session.inputs
        found = logits(session, input_name, inputs.images())
        partitions = measure_partitions(path, LITERT_2_3)
        row = replace(
            row,
            runtime="LiteRT",
            partitions=partitions.count,
            outside=dict(Counter(op.op for op in partitions.outside)),
            float_ops=dict(float_ops_of_tflite(path)),
        )
    return replace(row, figures=compare_logits(network.logits, found, inputs.validation.labels))
