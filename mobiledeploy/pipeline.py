"""From a network to checked artifacts: the visible list of steps behind ``mobiledeploy export``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx_ir as ir

from mobiledeploy.base.cache import cache_folder
from mobiledeploy.base.errors import InputError, UnsupportedModelError
from mobiledeploy.base.files import StagingFolder
from mobiledeploy.base.options import shared
from mobiledeploy.base.progress import Progress
from mobiledeploy.base.version import __version__
from mobiledeploy.exporters.rewrites.stages import require_rewrites, rewrite_for_target
from mobiledeploy.exporters.tflite.graph import Tensor, TfliteGraph
from mobiledeploy.exporters.tflite.onnx_to_tflite import lower
from mobiledeploy.exporters.tflite.weight_storage import store_weights
from mobiledeploy.exporters.tflite.writer import write_tflite
from mobiledeploy.exporters.torch_to_onnx import torch_to_onnx
from mobiledeploy.graph.onnx_graph import quantizes_to_int16, shape_of, tidy
from mobiledeploy.inputs.labelled_images import LabelledImages
from mobiledeploy.inputs.open_inputs import open_inputs
from mobiledeploy.inputs.samples import InputSource
from mobiledeploy.quantize.calibrate.statistics_cache import StatisticsCache, identity
from mobiledeploy.quantize.explain.layer_findings import explain_layers
from mobiledeploy.quantize.mixed.mixed_graph import MixedGraph
from mobiledeploy.quantize.mixed.mixed_precision import LayerSearch
from mobiledeploy.quantize.mixed.sensitivity import OutputNoise, measure_sensitivity
from mobiledeploy.quantize.qdq.keep_float import matches_op
from mobiledeploy.quantize.quantize_model import quantize_model
from mobiledeploy.quantize.recipe import QuantizeRecipe
from mobiledeploy.report.html import to_html
from mobiledeploy.report.record import ArtifactRecord, Report, TensorRecord
from mobiledeploy.runtime.partitions import measure_partitions
from mobiledeploy.runtime.precisions import KINDS, PrecisionKind
from mobiledeploy.runtime.runtimes import OnnxSession, Runner, Sample, TfliteSession, TorchRunner
from mobiledeploy.runtime.targets import Precision, Target
from mobiledeploy.settings import ExportSettings
from mobiledeploy.sources.source import Source
from mobiledeploy.tasks.registry import get_task, require_labels
from mobiledeploy.tasks.task import LabelledTask, PointsLost, Task
from mobiledeploy.verify.thresholds import DEFAULT_INT8_SQNR_DB, AccuracyBudget, Limit
from mobiledeploy.verify.verify import check_outputs, compare_layers, measure_accuracy

__all__ = ["make_artifacts"]

_HOLDOUT = 16
_QUICK_SAMPLES = 2
_LAYER_SAMPLES = 4
_FINDING_SAMPLES = 4
_MOST_CHOOSING = 512  # images to choose layers with, each of which is run at every step
_CHOOSING_BYTES = 1 << 28
_KEPT_BYTES = 1 << 26


def make_artifacts(
    settings: ExportSettings, source: Source, target: Target, staging: StagingFolder, progress: Progress
) -> Report:
    """Run all steps of an export.

    Args:
        settings: Options that the user gave.
        source: Network to export.
        target: Runtime that the artifacts are for.
        staging: Folder that artifacts and reports are written to.
        progress: Display that is told of each step.

    Raises:
        MobileDeployError: With a message that says what was wrong and what to do.
    """
    export = _begin(settings, source, target, staging, progress)
    model = _to_onnx(export)
    export.report.task = {"name": export.task.name, "outputs": export.task.describe_outputs(_outputs(model))}
    labelled = _open_labelled(export, model)
    if source.quantized:
        _write_quantized(export, _kind_of(export, model), model)
    else:
        in_float = _write_fp32(export, model)
        for kind in settings.precision[1:]:
            if KINDS[kind].quantized:
                _quantize(export, kind, model, labelled.to_choose)
            else:
                _write_with_narrow_weights(export, kind, in_float)
    if labelled.to_measure is not None:
        _measure_accuracy(export, labelled.to_measure)
    staging.write("report.json", export.report.to_bytes())
    staging.write("report.html", to_html(export.report).encode())
    return export.report


@dataclass(frozen=True)
class _Export:
    """State that the steps of an export share.

    Attributes:
        inputs: Inputs to calibrate with and to check on.
        checked: Samples that artifacts are checked on.
        report: Record of the export, filled step by step.
    """

    settings: ExportSettings
    source: Source
    target: Target
    task: Task
    staging: StagingFolder
    progress: Progress
    inputs: InputSource
    checked: Sequence[Sample]
    report: Report

    @property
    def recipe(self) -> QuantizeRecipe:
        return shared(QuantizeRecipe, self.settings)

    @property
    def judged(self) -> LabelledTask:
        """Return the task where something is held against labels; `_begin` has made sure that it can be."""
        return require_labels(self.task, "labels")

    @property
    def float_limit(self) -> Limit:
        return Limit("relative_error", self.settings.thresholds.float_error)

    def path(self, key: str) -> Path:
        return self.staging.path / self.report.artifacts[key].file

    def session(self, key: str) -> TfliteSession:
        return TfliteSession(self.path(key), nhwc=True)

    def reference(self, model: ir.Model) -> tuple[str, Runner]:
        """Return what float results are held against, with its name."""
        if self.source.module is None:
            return "ONNX Runtime", OnnxSession(model)
        return "PyTorch", TorchRunner(self.source.module, list(_outputs(model)))

    def check(
        self,
        candidate: tuple[str, Runner],
        reference: tuple[str, Runner],
        limit: Limit | None,
        count: int | None = None,
    ) -> None:
        """Hold one form of the network against another, on `count` of the inputs, and note the outcome."""
        self.report.checks += check_outputs(candidate, reference, self.checked[:count], limit, self.task)

    def rewritten(self, model: ir.Model, precision: Precision) -> ir.Model:
        """Return a copy in the form that the target runs fast in that precision."""
        copy, target = model.clone(), self.target
        if precision != "float32" and matches_op("HardSwish", self.settings.keep_float):
            target = target.taking("HARD_SWISH", precision)  # one op in float, which need not be rewritten
        self.report.rewrites[precision] = asdict(
            rewrite_for_target(copy, target, precision, self.settings.without_rules)
        )
        return copy


def _begin(
    settings: ExportSettings, source: Source, target: Target, staging: StagingFolder, progress: Progress
) -> _Export:
    task = get_task(settings.task or source.task)
    if settings.validation is not None:
        require_labels(task, "--validation")
    if _in_points(settings.accuracy_budget):
        require_labels(task, "--accuracy-budget in points (one in dB, such as 20dB, needs no labels)")
    require_rewrites(settings.without_rules)
    with progress.step("open the inputs"):
        inputs = open_inputs(
            settings.calibration,
            source.inputs,
            source.preprocessing,
            samples=settings.samples if settings.quantizes else 1,
            seed=settings.seed,
            holdout=_HOLDOUT,
        )
    checked = _in_memory_if_small(inputs.holdout)
    report = Report(
        model={"name": source.name, "inputs": source.inputs, **source.facts},
        weights=asdict(source.weights),
        settings=settings.recorded(),
        checked_on=inputs.holdout_description,
        preprocessing=asdict(source.preprocessing) if source.preprocessing else None,
        warnings=list(source.warnings),
    )
    if settings.quantizes or settings.calibration is not None:
        report.warnings += inputs.warnings
    return _Export(settings, source, target, task, staging, progress, inputs, checked, report)


def _to_onnx(export: _Export) -> ir.Model:
    """Return the network as a float (or the user's QDQ) graph, checked against PyTorch."""
    if export.source.module is None:
        assert export.source.model is not None
        return export.source.model
    with export.progress.step("PyTorch to ONNX"):
        model = torch_to_onnx(export.source.module, export.source.inputs)
    with export.progress.step("check ONNX against PyTorch"):
        candidate = ("ONNX", OnnxSession(model))
        export.check(candidate, export.reference(model), export.float_limit, _QUICK_SAMPLES)
    return model


@dataclass(frozen=True)
class _Labelled:
    """Labelled images: those to choose layers by for an accuracy budget, and those to measure accuracy on."""

    to_choose: LabelledImages[Any] | None = None
    to_measure: LabelledImages[Any] | None = None


def _open_labelled(export: _Export, model: ir.Model) -> _Labelled:
    """Open the labelled images, if any are given. Early, so that a mistake in them costs no time."""
    settings, source = export.settings, export.source
    if in_points := _in_points(settings.accuracy_budget):
        export.judged.require_outputs(_outputs(model))
    if settings.validation is None:
        return _Labelled()
    images = export.judged.labelled(
        settings.validation,
        source.inputs,
        source.preprocessing,
        _outputs(model),
        limit=settings.validation_limit,
        seed=settings.seed,
    )
    if not in_points:
        return _Labelled(to_measure=images)
    if len(images) < 2:
        raise InputError(
            "--accuracy-budget with one labelled image, expected one to choose layers by and another "
            "to measure accuracy on; give more images"
        )
    return _Labelled(*images.split(_most_choosing(export)))


def _in_points(budget: AccuracyBudget | None) -> bool:
    return budget is not None and budget.points is not None


def _most_choosing(export: _Export) -> int:
    return max(1, min(_MOST_CHOOSING, _CHOOSING_BYTES // _bytes_of(export.checked[0])))


# Kinds of artifact


def _write_fp32(export: _Export, model: ir.Model) -> ir.Model:
    """Write the float artifacts and check them against PyTorch, or ONNX Runtime if the source is ONNX.

    Returns:
        The graph in the form that the target runs fast in float.
    """
    reference = export.reference(model)
    _save_onnx(export, "onnx", f"{export.source.name}.onnx", model)
    with export.progress.step("ONNX to fp32 TFLite"):
        in_float = export.rewritten(model, "float32")
        _write_tflite(export, "fp32", in_float)
    with export.progress.step("check fp32"):
        export.check(("fp32 TFLite", export.session("fp32")), reference, export.float_limit)
    return in_float


def _write_with_narrow_weights(export: _Export, kind: PrecisionKind, in_float: ir.Model) -> None:
    """Write and check an artifact that differs from the fp32 one by the type of its weights."""
    with export.progress.step(f"ONNX to {kind} TFLite"):
        _write_tflite(export, kind, in_float)
    _compare_with_fp32(export, kind)


def _quantize(
    export: _Export, kind: PrecisionKind, model: ir.Model, to_choose: LabelledImages[Any] | None
) -> None:
    """Write and check the artifacts of a kind with integer activations."""
    qdq, graph = _to_qdq(export, kind, model)
    search = _search_layers(export, model, graph, to_choose) if kind == "int8" else None
    if search is not None:
        graph = graph.with_float_layers(search.layers)
        qdq = tidy(graph.to_qdq())
    _write_quantized(export, kind, qdq)
    if search is not None:
        with export.progress.step("check the budget"):
            export.report.mixed_precision = search.checked(export.session("int8"))
    _compare_with_fp32(export, kind)
    if kind == "int8":
        _explain(export, graph)


def _to_qdq(export: _Export, kind: PrecisionKind, model: ir.Model) -> tuple[ir.Model, MixedGraph]:
    """Quantize a float graph: return its QDQ graph, and one that gives other mixtures of int8 and float."""
    report, inputs, wanted = export.report, export.inputs, KINDS[kind].activations
    assert wanted != "float32"
    recipe = replace(export.recipe, activations=wanted)
    with export.progress.step(f"rewrite for {kind}"):
        qdq = export.rewritten(model, KINDS[kind].form)
    cache = _statistics_cache(export)
    log = quantize_model(qdq, inputs.calibration, export.target, recipe, export.progress, cache)
    if report.calibration is None:  # of int8 if there is an int8 artifact: more is chosen there
        report.calibration = {
            "inputs": inputs.description,
            "sha256": inputs.fingerprint,
            "samples": len(inputs.calibration),
            "calibrator": recipe.method,
            "weight_adjustment": asdict(log.adjusted),
            "widened": log.widened,
            "search": None if log.search is None else asdict(log.search),
            "reconstruction": log.reconstruction,
            "bias_correction": [asdict(layer) for layer in log.biases],
        }
    report.kept_float = log.kept
    return qdq, log.graph


def _statistics_cache(export: _Export) -> StatisticsCache | None:
    """Return the cache for statistics of the calibration inputs; None if the user wants none."""
    if not export.settings.cache:
        return None
    inputs = export.inputs
    data = identity(inputs.fingerprint, inputs.calibration, [export.source.preprocessing])
    return StatisticsCache(cache_folder("statistics"), data)


def _write_quantized(export: _Export, kind: PrecisionKind, qdq: ir.Model) -> None:
    """Write the artifacts of a QDQ graph and check them against it in ONNX Runtime."""
    with export.progress.step(f"QDQ to {kind} TFLite"):
        name = KINDS[kind].qdq
        _save_onnx(export, name, f"{export.source.name}_{name}.onnx", qdq)
        _write_tflite(export, kind, qdq)
    limit = Limit("sqnr_db", export.settings.thresholds.qdq_sqnr_db)
    with export.progress.step(f"check {kind}"):
        exact = OnnxSession(qdq, optimize=False)
        export.check((f"{kind} TFLite", export.session(kind)), ("QDQ in ONNX Runtime", exact), limit)


def _kind_of(export: _Export, qdq: ir.Model) -> PrecisionKind:
    """Return the kind of artifact that a user's QDQ graph becomes."""
    kind: PrecisionKind = "int16x8" if quantizes_to_int16(qdq) else "int8"
    if export.settings.io not in ("float32", *KINDS[kind].io):
        raise InputError(
            f"--io {export.settings.io} for {export.source.name}, which becomes {kind}, expected float32 or "
            f"{' or '.join(KINDS[kind].io)}; pass one of them"
        )
    return kind


# An accuracy budget


def _search_layers(
    export: _Export, model: ir.Model, graph: MixedGraph, to_choose: LabelledImages[Any] | None
) -> LayerSearch | None:
    """Search for the layers that the accuracy budget needs in float; return None without a budget.

    Measures the sensitivity of layers where that is needed or asked for.
    """
    budget, wanted = export.settings.accuracy_budget, export.settings.sensitivity
    if budget is None and not wanted:
        return None
    error = OutputNoise(model, export.checked)
    search: LayerSearch | None = None
    if budget is not None:
        with export.progress.step("measure int8 against the budget"):
            if budget.points is None:
                search = LayerSearch(graph, budget, error)
            else:
                search = LayerSearch(
                    graph, budget, error, _points_lost(export, model, to_choose), export.judged.points
                )
            wanted = not search.kept_in_int8() or wanted
    if not wanted:
        return search
    measurements = len(graph.roundings()) + len(graph.layers)
    with export.progress.step("measure sensitivity", measurements) as advance:
        sensitivity = measure_sensitivity(graph, error, advance)
    export.report.sensitivity = sensitivity.layers
    if search is not None and not search.met:
        with export.progress.step("choose layers for float") as advance:
            search.run(sensitivity, advance)
    return search


def _points_lost(export: _Export, model: ir.Model, to_choose: LabelledImages[Any] | None) -> PointsLost:
    """Return the measure of a budget in points, for the choice of layers."""
    labels: list[Any] | None = None
    if to_choose is None:
        samples = list(export.inputs.calibration[: _most_choosing(export)])
        source = "of the calibration inputs"
    else:
        found = list(to_choose)
        samples, labels = [sample for sample, _ in found], [label for _, label in found]
        source = "of the labelled images, on which accuracy is then not measured"
    return export.judged.points_lost(OnnxSession(model), samples, labels, source)


# Checks and reasons


def _compare_with_fp32(export: _Export, kind: PrecisionKind) -> None:
    """Check an artifact against the fp32 one."""
    with export.progress.step(f"compare {kind} with fp32"):
        candidate, reference = ((f"{key} TFLite", export.session(key)) for key in (kind, "fp32"))
        export.check(candidate, reference, _limit_against_fp32(export, kind))


def _limit_against_fp32(export: _Export, kind: PrecisionKind) -> Limit | None:
    thresholds = export.settings.thresholds
    if KINDS[kind].stored_as == "float16":
        return Limit("sqnr_db", thresholds.fp16_sqnr_db)
    least = thresholds.int8_sqnr_db
    if least is None and export.source.weights.kind != "random":
        least = DEFAULT_INT8_SQNR_DB
    return None if least is None else Limit("sqnr_db", least)


def _explain(export: _Export, graph: MixedGraph) -> None:
    """Compare int8 with fp32 layer by layer, and find out why the worst layers are bad."""
    with export.progress.step("compare layers"):
        samples = export.checked[:_LAYER_SAMPLES]
        export.report.layers = compare_layers(export.path("fp32"), export.path("int8"), samples)
    samples = export.checked[:_FINDING_SAMPLES]
    with export.progress.step("explain layers", len(samples)) as advance:
        equalized = export.settings.equalize
        export.report.findings = explain_layers(graph, samples, advance, equalized=equalized)


def _measure_accuracy(export: _Export, images: LabelledImages[Any]) -> None:
    """Measure the accuracy of the artifacts on the user's labelled images."""
    keys = [kind for kind in KINDS if kind in export.report.artifacts]
    with export.progress.step("measure accuracy", len(images)) as advance:
        runners = [(f"{key} TFLite", export.session(key)) for key in keys]
        export.report.accuracy = measure_accuracy(runners, images, export.judged, advance)
    export.report.warnings += images.warnings


# Files


def _save_onnx(export: _Export, key: str, name: str, model: ir.Model) -> None:
    path = export.staging.write(name, ir.to_proto(model).SerializeToString())
    export.report.artifacts[key] = ArtifactRecord.of(path)


def _write_tflite(export: _Export, key: PrecisionKind, model: ir.Model) -> None:
    wanted, io, target, name = KINDS[key], export.settings.io, export.target, export.source.name
    graph = lower(model, target, io if io in wanted.io else "float32")
    if wanted.stored_as != "float32":
        notes = store_weights(graph, wanted.stored_as, target)
    else:
        notes = _ops_in_float(graph) if wanted.quantized else []
    content = write_tflite(graph, f"{name} {key}, mobiledeploy {__version__}")
    path = export.staging.write(f"{name}_{key}.tflite", content)
    try:
        partitions = measure_partitions(path, target)
    except InputError as error:
        raise UnsupportedModelError(
            f"{target.name} refuses what {name} became as {key} TFLite ({error.__cause__}), expected it to "
            "load; please report this, with the model"
        ) from error
    export.report.artifacts[key] = ArtifactRecord.of(
        path, _tensor_records(graph.inputs), _tensor_records(graph.outputs), partitions, tuple(notes)
    )


def _outputs(model: ir.Model) -> dict[str, tuple[int, ...]]:
    """Return output name -> shape."""
    return {value.name or "": shape_of(value) for value in model.graph.outputs}


def _in_memory_if_small(samples: Sequence[Sample]) -> Sequence[Sample]:
    """Return the samples, in memory if they are small: all checks run on them, and making them takes time."""
    return list(samples) if _bytes_of(samples[0]) * len(samples) <= _KEPT_BYTES else samples


def _bytes_of(sample: Sample) -> int:
    return sum(array.nbytes for array in sample.values())


def _ops_in_float(graph: TfliteGraph) -> list[str]:
    """Return a line for each type of op that computes in float in a quantized graph."""
    float32 = np.dtype(np.float32)
    ops = (op.name for op in graph.ops if op.outputs[0].dtype == float32 and op.name != "DEQUANTIZE")
    return [f"{count} {name} in float" for name, count in Counter(ops).items()]


def _tensor_records(tensors: Mapping[str, Tensor]) -> tuple[TensorRecord, ...]:
    return tuple(
        TensorRecord(
            name,
            tensor.shape,
            str(tensor.dtype),
            float(tensor.params.scale[0]) if tensor.params else None,
            int(tensor.params.zero_point[0]) if tensor.params else None,
        )
        for name, tensor in tensors.items()
    )
