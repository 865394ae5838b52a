"""From a network to checked artifacts: the visible list of steps behind ``mobiledeploy export``."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx_ir as ir

from mobiledeploy.api import ExportSettings
from mobiledeploy.base.cache import cache_folder
from mobiledeploy.base.errors import InputError, UnsupportedModelError
from mobiledeploy.base.files import StagingFolder
from mobiledeploy.base.progress import Progress
from mobiledeploy.base.version import __version__
from mobiledeploy.exporters.rewrites.stages import rewrite_for_target
from mobiledeploy.exporters.tflite.graph import Tensor, TfliteGraph
from mobiledeploy.exporters.tflite.onnx_to_tflite import lower
from mobiledeploy.exporters.tflite.weight_storage import store_weights
from mobiledeploy.exporters.tflite.writer import write_tflite
from mobiledeploy.exporters.torch_to_onnx import torch_to_onnx
from mobiledeploy.graph.onnx_graph import quantizes_to_int16, shape_of, tidy
from mobiledeploy.inputs.labelled_images import LabelledImages
from mobiledeploy.inputs.open_inputs import Sample, open_inputs
from mobiledeploy.quantize.calibrate.statistics_cache import StatisticsCache, identity
from mobiledeploy.quantize.explain.layer_findings import explain_layers
from mobiledeploy.quantize.mixed.mixed_graph import MixedGraph
from mobiledeploy.quantize.mixed.mixed_precision import LayerSearch, TopOneLoss, require_classifier
from mobiledeploy.quantize.mixed.sensitivity import OutputNoise, measure_sensitivity
from mobiledeploy.quantize.qdq.keep_float import matches_op
from mobiledeploy.quantize.quantize_model import quantize_model
from mobiledeploy.quantize.recipe import QuantizeRecipe
from mobiledeploy.report.html import to_html
from mobiledeploy.report.record import ArtifactRecord, Report, TensorRecord
from mobiledeploy.runtime.partitions import measure_partitions
from mobiledeploy.runtime.precisions import KINDS, PrecisionKind
from mobiledeploy.runtime.runtimes import OnnxSession, Runner, TfliteSession, TorchRunner
from mobiledeploy.runtime.targets import Precision, Target
from mobiledeploy.sources.open_source import Source
from mobiledeploy.verify.thresholds import DEFAULT_INT8_SQNR_DB, Limit
from mobiledeploy.verify.verify import check_outputs, compare_layers, measure_accuracy

__all__ = ["Pipeline"]

_HELD_BACK = 16
_QUICK_SAMPLES = 2
_LAYER_SAMPLES = 4
_FINDING_SAMPLES = 4
_MOST_CHOOSING = 512  # images to choose layers with, each of which is run at every step
_CHOOSING_BYTES = 1 << 28
_KEPT_BYTES = 1 << 26


class Pipeline:
    """One export: its steps, and what they hand to each other.

    Args:
        staging: Where the artifacts are written.
        progress: Told of each step.

    Raises:
        InputError: The calibration source has nothing usable.
    """

    def __init__(
        self,
        settings: ExportSettings,
        source: Source,
        target: Target,
        staging: StagingFolder,
        progress: Progress,
    ) -> None:
        self.settings, self.source, self.target = settings, source, target
        self.staging, self.progress = staging, progress
        self.recipe = QuantizeRecipe(
            settings.calibrator,
            equalize=settings.equalize,
            correct_bias=settings.correct_bias,
            effort=settings.effort,
            keep_float=settings.keep_float,
            seed=settings.seed,
        )
        with progress.step("open the inputs"):
            self.inputs = open_inputs(
                settings.calibration,
                source.inputs,
                source.preprocessing,
                samples=settings.samples if settings.quantizes else 1,
                seed=settings.seed,
                held_back=_HELD_BACK,
            )
        self.checked = _kept(self.inputs.held_back)
        self.report = Report(
            model={"name": source.name, "inputs": source.inputs, **source.facts},
            weights=asdict(source.weights),
            settings=_recorded(settings),
            checked_on=f"{len(self.checked)} of {self.inputs.description}",
            preprocessing=asdict(source.preprocessing) if source.preprocessing else None,
            warnings=list(source.warnings),
        )
        self.labelled: LabelledImages | None = None
        if settings.quantizes or settings.calibration is not None:
            self.report.warnings += self.inputs.warnings

    def run(self) -> Report:
        """All steps. Everything lies in the staging folder at the end, ``report.json`` among it.

        Raises:
            MobileDeployError: With a message that says what was wrong and what to do.
        """
        model = self.to_onnx()
        budget = self.settings.accuracy_budget
        if budget is not None and budget.points is not None:
            require_classifier(model)
        self.labelled = self.open_validation(model)
        if self.source.quantized:
            self.to_integers(self.kind_of(model), model)
        else:
            in_float = self.to_fp32(model)
            for kind in self.settings.precision[1:]:
                if KINDS[kind].quantized:
                    self.quantize(kind, model)
                else:
                    self.to_narrow_weights(kind, in_float)
        if self.labelled is not None:
            self.measure_accuracy(self.labelled)
        self.staging.write("report.json", self.report.to_bytes())
        self.staging.write("report.html", to_html(self.report).encode())
        return self.report

    def to_onnx(self) -> ir.Model:
        """The network as a float (or the user's QDQ) graph, checked against PyTorch."""
        if self.source.model is not None:
            return self.source.model
        assert self.source.module is not None
        with self.progress.step("PyTorch to ONNX"):
            model = torch_to_onnx(self.source.module, self.source.inputs)
        with self.progress.step("check ONNX against PyTorch"):
            self.check("ONNX", OnnxSession(model), *self.reference(model), self.float_limit, _QUICK_SAMPLES)
        return model

    def open_validation(self, model: ir.Model) -> LabelledImages | None:
        """The labelled images, if there are some. Early, so that a mistake in them costs no time."""
        if self.settings.validation is None:
            return None
        return LabelledImages(
            self.settings.validation,
            self.source.inputs,
            self.source.preprocessing,
            classes=math.prod(shape_of(model.graph.outputs[0])),
            limit=self.settings.validation_limit,
            seed=self.settings.seed,
        )

    def to_fp32(self, model: ir.Model) -> ir.Model:
        """The float artifacts, checked against PyTorch (against ONNX Runtime where the source is ONNX).

        Returns the graph in the form that the target runs fast in float.
        """
        name, reference = self.reference(model)
        self.save_onnx("onnx", f"{self.source.name}.onnx", model)
        with self.progress.step("ONNX to fp32 TFLite"):
            in_float = self.rewritten(model, "float32")
            self.write_tflite("fp32", in_float)
        with self.progress.step("check fp32"):
            self.check("fp32 TFLite", self.session("fp32"), name, reference, self.float_limit)
        return in_float

    def to_narrow_weights(self, kind: PrecisionKind, in_float: ir.Model) -> None:
        """An artifact that differs from the fp32 one by the type of its weights."""
        with self.progress.step(f"ONNX to {kind} TFLite"):
            self.write_tflite(kind, in_float)
        self.compare_with_fp32(kind)

    def quantize(self, kind: PrecisionKind, model: ir.Model) -> None:
        """The artifacts of a kind with integer activations, checked."""
        qdq, graph = self.quantized(kind, model)
        search = self.search(model, graph) if kind == "int8" else None
        if search is not None:
            graph = graph.with_float_layers(search.layers)
            qdq = tidy(graph.to_qdq())
        self.to_integers(kind, qdq)
        if search is not None:
            self.check_budget(search)
        self.compare_with_fp32(kind)
        if kind == "int8":
            self.compare_layers()
            self.explain_layers(graph)

    def quantized(self, kind: PrecisionKind, model: ir.Model) -> tuple[ir.Model, MixedGraph]:
        """The QDQ graph of a float one, and that from which other mixtures of int8 and float can be had."""
        with self.progress.step(f"rewrite for {kind}"):
            qdq = self.rewritten(model, KINDS[kind].form)
        samples, wanted = self.inputs.calibration, KINDS[kind].activations
        assert wanted != "float32"
        recipe = replace(self.recipe, activations=wanted)
        log = quantize_model(qdq, samples, self.target, recipe, self.progress, self.statistics_cache())
        if self.report.calibration is None:  # of int8 if there is an int8 artifact: more is chosen there
            self.report.calibration = {
                "inputs": self.inputs.description,
                "sha256": self.inputs.fingerprint(),
                "samples": len(samples),
                "calibrator": recipe.method,
                "weight_adjustment": asdict(log.adjusted),
                "widened": log.widened,
                "search": None if log.search is None else asdict(log.search),
                "reconstruction": log.reconstruction,
                "bias_correction": [asdict(layer) for layer in log.biases],
            }
        self.report.kept_float = log.kept
        return qdq, log.graph

    def search(self, model: ir.Model, graph: MixedGraph) -> LayerSearch | None:
        """The search for the layers that the accuracy budget needs in float, done; None without a budget.

        It takes a part of the labelled images for itself. The sensitivity of layers is measured where that is
        needed or asked for.
        """
        budget, wanted = self.settings.accuracy_budget, self.settings.sensitivity
        if budget is None and not wanted:
            return None
        error = OutputNoise(model, self.checked)
        search: LayerSearch | None = None
        if budget is not None:
            with self.progress.step("measure int8 against the budget"):
                meter = None if budget.points is None else self.open_meter(model)
                search = LayerSearch(graph, budget, error, meter)
                wanted = not search.kept_in_int8() or wanted
        if not wanted:
            return search
        measurements = len(graph.roundings()) + len(graph.layers)
        with self.progress.step("measure sensitivity", measurements) as advance:
            sensitivity = measure_sensitivity(graph, error, advance)
        self.report.sensitivity = sensitivity.layers
        if search is not None and not search.met:
            with self.progress.step("choose layers for float") as advance:
                search.run(sensitivity, advance)
        return search

    def open_meter(self, model: ir.Model) -> TopOneLoss:
        """What measures top-1 while layers are chosen."""
        most = max(1, min(_MOST_CHOOSING, _CHOOSING_BYTES // _bytes_of(self.checked[0])))
        labels: list[int] | None = None
        if self.labelled is None:
            samples, source = list(self.inputs.calibration[:most]), "of the calibration inputs"
        else:
            if len(self.labelled) < 2:
                raise InputError(
                    "--accuracy-budget with one labelled image, expected one to choose layers by and another "
                    "to measure accuracy on; give more images"
                )
            part, self.labelled = self.labelled.parted(most)
            found = list(part)
            samples, labels = [sample for sample, _ in found], [label for _, label in found]
            source = "of the labelled images, on which accuracy is then not measured"
        return TopOneLoss(OnnxSession(model), samples, labels, source)

    def check_budget(self, search: LayerSearch) -> None:
        """The budget on the artifact itself."""
        with self.progress.step("check the budget"):
            self.report.mixed_precision = search.checked(self.session("int8"))

    def statistics_cache(self) -> StatisticsCache | None:
        """Where statistics of the calibration inputs are kept; None if they shall not be."""
        if not self.settings.cache:
            return None
        inputs = self.inputs
        data = identity(inputs.fingerprint(), inputs.calibration, [self.source.preprocessing])
        return StatisticsCache(cache_folder("statistics"), data)

    def to_integers(self, kind: PrecisionKind, qdq: ir.Model) -> None:
        """The quantized artifacts, checked against the QDQ graph in ONNX Runtime."""
        with self.progress.step(f"QDQ to {kind} TFLite"):
            name = KINDS[kind].qdq
            self.save_onnx(name, f"{self.source.name}_{name}.onnx", qdq)
            self.write_tflite(kind, qdq)
        limit = Limit("sqnr_db", self.settings.thresholds.qdq_sqnr_db)
        with self.progress.step(f"check {kind}"):
            exact = OnnxSession(qdq, optimize=False)
            self.check(f"{kind} TFLite", self.session(kind), "QDQ in ONNX Runtime", exact, limit)

    def kind_of(self, qdq: ir.Model) -> PrecisionKind:
        """What a user's QDQ graph becomes."""
        kind: PrecisionKind = "int16x8" if quantizes_to_int16(qdq) else "int8"
        if self.settings.io not in ("float32", *KINDS[kind].io):
            raise InputError(
                f"--io {self.settings.io} for {self.source.name}, which becomes {kind}, expected float32 or "
                f"{' or '.join(KINDS[kind].io)}; pass one of them"
            )
        return kind

    def compare_with_fp32(self, kind: PrecisionKind) -> None:
        """An artifact against the float one."""
        limit = self.limit_against_fp32(kind)
        with self.progress.step(f"compare {kind} with fp32"):
            self.check(f"{kind} TFLite", self.session(kind), "fp32 TFLite", self.session("fp32"), limit)

    def compare_layers(self) -> None:
        """The int8 artifact against the float one, layer by layer."""
        with self.progress.step("compare layers"):
            samples = self.checked[:_LAYER_SAMPLES]
            self.report.layers = compare_layers(self.path("fp32"), self.path("int8"), samples)

    def explain_layers(self, graph: MixedGraph) -> None:
        """Why the worst layers are bad."""
        samples = self.checked[:_FINDING_SAMPLES]
        with self.progress.step("explain layers", len(samples)) as advance:
            self.report.findings = explain_layers(graph, samples, advance, equalized=self.recipe.equalize)

    def measure_accuracy(self, labelled: LabelledImages) -> None:
        """Accuracy of the artifacts on the user's labelled images."""
        keys = [kind for kind in KINDS if kind in self.report.artifacts]
        with self.progress.step("measure accuracy", len(labelled)) as advance:
            runners = [(f"{key} TFLite", self.session(key)) for key in keys]
            self.report.accuracy = measure_accuracy(runners, labelled, advance)
        self.report.warnings += labelled.warnings

    # What the steps share

    @property
    def float_limit(self) -> Limit:
        return Limit("relative_error", self.settings.thresholds.float_error)

    def limit_against_fp32(self, kind: PrecisionKind) -> Limit | None:
        thresholds = self.settings.thresholds
        if KINDS[kind].stored_as == "float16":
            return Limit("sqnr_db", thresholds.fp16_sqnr_db)
        least = thresholds.int8_sqnr_db
        if least is None and self.source.weights.kind != "random":
            least = DEFAULT_INT8_SQNR_DB
        return None if least is None else Limit("sqnr_db", least)

    def reference(self, model: ir.Model) -> tuple[str, Runner]:
        """What float results are held against, with its name."""
        if self.source.module is None:
            return "ONNX Runtime", OnnxSession(model)
        return "PyTorch", TorchRunner(self.source.module, [value.name or "" for value in model.graph.outputs])

    def check(
        self,
        name: str,
        runner: Runner,
        reference_name: str,
        reference: Runner,
        limit: Limit | None,
        count: int | None = None,
    ) -> None:
        samples = self.checked[:count]
        self.report.checks += check_outputs((name, runner), (reference_name, reference), samples, limit)

    def path(self, key: str) -> Path:
        return self.staging.path / self.report.artifacts[key].file

    def session(self, key: str) -> TfliteSession:
        return TfliteSession(self.path(key), nhwc=True)

    def rewritten(self, model: ir.Model, precision: Precision) -> ir.Model:
        """A copy in the form that the target runs fast in that precision."""
        copy, target = model.clone(), self.target
        if precision != "float32" and matches_op("HardSwish", self.recipe.keep_float):
            target = target.taking("HARD_SWISH", precision)  # one op in float, which need not be rewritten
        self.report.rewrites[precision] = asdict(rewrite_for_target(copy, target, precision))
        return copy

    def save_onnx(self, key: str, name: str, model: ir.Model) -> None:
        path = self.staging.write(name, ir.to_proto(model).SerializeToString())
        self.report.artifacts[key] = ArtifactRecord.of(path)

    def write_tflite(self, key: PrecisionKind, model: ir.Model) -> None:
        wanted, io = KINDS[key], self.settings.io
        graph = lower(model, self.target, io if io in wanted.io else "float32")
        if wanted.stored_as != "float32":
            notes = store_weights(graph, wanted.stored_as, self.target)
        else:
            notes = _ops_in_float(graph) if wanted.quantized else []
        content = write_tflite(graph, f"{self.source.name} {key}, mobiledeploy {__version__}")
        path = self.staging.write(f"{self.source.name}_{key}.tflite", content)
        try:
            partitions = measure_partitions(path, self.target)
        except InputError as error:
            raise UnsupportedModelError(
                f"{self.target.name} refuses what {self.source.name} became as {key} TFLite "
                f"({error.__cause__}), expected it to load; please report this, with the model"
            ) from error
        self.report.artifacts[key] = ArtifactRecord.of(
            path, _tensor_records(graph.inputs), _tensor_records(graph.outputs), partitions, tuple(notes)
        )


def _kept(samples: Sequence[Sample]) -> Sequence[Sample]:
    """Those samples, in memory if they are small: every check runs on them, and making them takes time."""
    return list(samples) if _bytes_of(samples[0]) * len(samples) <= _KEPT_BYTES else samples


def _bytes_of(sample: Sample) -> int:
    return sum(array.nbytes for array in sample.values())


def _ops_in_float(graph: TfliteGraph) -> list[str]:
    """What of a quantized graph computes in float, a line for each op."""
    float32 = np.dtype(np.float32)
    ops = (op.name for op in graph.ops if op.outputs[0].dtype == float32 and op.name != "DEQUANTIZE")
    return [f"{count} {name} in float" for name, count in Counter(ops).items()]


def _recorded(settings: ExportSettings) -> dict[str, Any]:
    """Settings for the report, without paths and hosts, and without what leaves the artifacts as they are."""
    kept = asdict(settings)
    for key in ("source", "calibration", "validation"):
        kept[key] = None if kept[key] is None else Path(kept[key]).resolve().name
    kept["model"] = {name: value for name, value in kept["model"].items() if not name.startswith("weights")}
    del kept["out"], kept["cache"]
    return kept


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
