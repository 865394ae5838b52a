"""From a network to checked artifacts: the visible list of steps behind ``mobiledeploy export``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from mobiledeploy.artifacts import sha256, staged_folder
from mobiledeploy.errors import InputError
from mobiledeploy.progress import Progress, Silent, Timed
from mobiledeploy.sources import ModelOptions, Source, open_source
from mobiledeploy.targets import Target, get_target
from mobiledeploy.verify import Limit, Thresholds

if TYPE_CHECKING:
    import onnx_ir as ir

    from mobiledeploy.data import InputSource
    from mobiledeploy.exporters.rewrites.rule import RewriteLog
    from mobiledeploy.report import ArtifactRecord, Report

__all__ = ["ExportResult", "ExportSettings", "export", "run_export"]

_HELD_BACK = 16
_LAYER_SAMPLES = 4


@dataclass(frozen=True)
class ExportSettings:
    """Everything that decides what an export makes.

    Attributes:
        source: Registry name, ``path/to/file.py:factory``, or path to an .onnx file.
        int8: Whether to write an int8 artifact beside the float one.
        out: Folder for the artifacts; None for ``artifacts/<name>``.
        model: What to do to the network.
        calibration: Folder of images, .npy or .npz; None for generated images.
        samples: How many inputs to calibrate with.
        calibrator: "mse", "min-max" or "percentile".
        validation: Folder of labelled images to measure accuracy on; None to skip that.
        validation_limit: How many of them at most.
        seed: Of every random choice.
        io: Type of the int8 artifact's inputs and outputs.
        target: Runtime that the artifacts are made for.
        thresholds: When an artifact counts as wrong.
    """

    source: str
    int8: bool = False
    out: Path | None = None
    model: ModelOptions = field(default_factory=ModelOptions)
    calibration: Path | None = None
    samples: int = 64
    calibrator: str = "mse"
    validation: Path | None = None
    validation_limit: int | None = None
    seed: int = 0
    io: Literal["float32", "int8", "uint8"] = "float32"
    target: str = "litert-2.3"
    thresholds: Thresholds = field(default_factory=Thresholds)


@dataclass(frozen=True)
class ExportResult:
    """What an export made.

    Attributes:
        artifacts: "onnx", "qdq", "fp32", "int8", "report" -> path, as far as they were made.
        report: The record that ``report.json`` holds.
        seconds: Step -> wall time.
    """

    name: str
    out: Path
    artifacts: dict[str, Path]
    report: Report
    seconds: dict[str, float]

    @property
    def passed(self) -> bool:
        """Whether every check kept its threshold."""
        return not self.report.failures


def export(
    source: str,
    *,
    int8: bool = False,
    out: str | Path | None = None,
    weights: str | Path | None = None,
    size: int | tuple[int, int] | None = None,
    num_classes: int | None = None,
    width_mult: float | None = None,
    calibration: str | Path | None = None,
    validation: str | Path | None = None,
    seed: int = 0,
    progress: Progress | None = None,
    **settings: Any,
) -> ExportResult:
    """Do exactly what ``mobiledeploy export`` does.

    Args:
        source: Registry name, ``path/to/file.py:factory`` (runs the code in that file), or path to an .onnx file.
        int8: Whether to write an int8 artifact beside the float one.
        out: Folder for the artifacts; ``artifacts/<name>`` when left out.
        weights: File, "imagenet" or "random"; imagenet if it can be had when left out.
        size: Input size in pixels, one number for a square or (height, width).
        calibration: Folder of images, .npy or .npz; generated images when left out.
        validation: Folder of labelled images to measure accuracy on.
        progress: Shows steps; nothing when left out.
        settings: Other fields of ExportSettings.

    Returns:
        The artifacts and the report. Look at ``passed``: artifacts that miss a threshold are kept.

    Raises:
        MobileDeployError: With a message that says what was wrong and what to do.
    """
    model = ModelOptions(
        weights=None if weights is None else str(weights),
        size=(size, size) if isinstance(size, int) else size,
        num_classes=num_classes,
        width_mult=width_mult,
        seed=seed,
    )
    chosen = ExportSettings(
        source=source,
        int8=int8,
        out=None if out is None else Path(out),
        model=model,
        calibration=None if calibration is None else Path(calibration),
        validation=None if validation is None else Path(validation),
        seed=seed,
        **settings,
    )
    return run_export(chosen, progress or Silent())


def run_export(settings: ExportSettings, progress: Progress) -> ExportResult:
    """Run all steps. Artifacts appear in the output folder whole, or not at all.

    Raises:
        MobileDeployError: With a message that says what was wrong and what to do.
    """
    timed = Timed(progress)
    target = get_target(settings.target)
    with timed.step("open the network"):
        source = open_source(settings.source, settings.model)
    with timed.step("open the inputs"):
        inputs = _open_inputs(settings, source)
    out = settings.out or Path("artifacts") / source.name
    with staged_folder(out) as staging:
        run = _Run(settings, source, inputs, target, staging, timed)
        report = run.all_steps()
        report.write(staging / "report.json")
    artifacts = {key: out / record.file for key, record in report.artifacts.items()}
    return ExportResult(source.name, out, artifacts | {"report": out / "report.json"}, report, timed.seconds)


def _open_inputs(settings: ExportSettings, source: Source) -> InputSource:
    from mobiledeploy.data import open_inputs
    from mobiledeploy.quantize.recipe import QuantizeRecipe

    QuantizeRecipe(settings.calibrator)
    samples = settings.samples if settings.int8 else 1
    if samples < 1:
        raise InputError(f"--samples is {settings.samples}, expected 1 or more")
    return open_inputs(
        settings.calibration, source.inputs, source.preprocessing, samples, settings.seed, held_back=_HELD_BACK
    )


class _Run:
    """One export in progress: the steps, and what they hand to each other."""

    def __init__(
        self,
        settings: ExportSettings,
        source: Source,
        inputs: InputSource,
        target: Target,
        staging: Path,
        timed: Timed,
    ) -> None:
        from mobiledeploy.report import Report

        self.settings, self.source, self.inputs, self.target = settings, source, inputs, target
        self.staging, self.timed = staging, timed
        self.checked = inputs.held_back if len(inputs.held_back) else inputs.calibration
        self.report = Report(
            model={"name": source.name, "inputs": source.inputs, **source.facts},
            weights=asdict(source.weights),
            settings=_recorded(settings),
            preprocessing=asdict(source.preprocessing) if source.preprocessing else None,
            warnings=list(source.warnings),
        )

    def all_steps(self) -> Report:
        from mobiledeploy.exporters.onnx_graph import is_quantized

        model = self.to_onnx()
        if is_quantized(model):
            self.to_int8(model)
            return self.report
        self.save_onnx("onnx", model)
        self.to_fp32(model)
        if self.settings.int8:
            self.to_int8(self.quantized(model))
            self.compare_with_fp32()
        self.measure_accuracy()
        return self.report

    def to_onnx(self) -> ir.Model:
        """The network as a float (or the user's QDQ) graph, checked against PyTorch."""
        if self.source.model is not None:
            return self.source.model
        from mobiledeploy.exporters.torch_to_onnx import torch_to_onnx
        from mobiledeploy.runtimes import OnnxSession

        assert self.source.module is not None
        with self.timed.step("PyTorch to ONNX"):
            model = torch_to_onnx(self.source.module, self.source.inputs)
        with self.timed.step("check ONNX against PyTorch"):
            self.check("ONNX", OnnxSession(model), *self.reference(model), limit=self.float_limit, count=2)
        return model

    def to_fp32(self, model: ir.Model) -> None:
        """The float artifact, checked against PyTorch (against ONNX Runtime where the source is ONNX)."""
        from mobiledeploy.exporters.rewrites.stages import rewrite_for_target
        from mobiledeploy.runtimes import TfliteSession

        with self.timed.step("ONNX to fp32 TFLite"):
            rewritten = model.clone()
            self.log_rewrites("float32", rewrite_for_target(rewritten, self.target, "float32"))
            self.write_tflite("fp32", rewritten, "float32")
        with self.timed.step("check fp32"):
            session = TfliteSession(self.path("fp32"), nhwc=True)
            self.check("fp32 TFLite", session, *self.reference(model), limit=self.float_limit)

    def quantized(self, model: ir.Model) -> ir.Model:
        """The QDQ graph."""
        from mobiledeploy.exporters.rewrites.stages import rewrite_for_target
        from mobiledeploy.quantize.quantize_model import quantize_model
        from mobiledeploy.quantize.recipe import QuantizeRecipe

        rewritten = model.clone()
        with self.timed.step("rewrite for int8"):
            self.log_rewrites("int8", rewrite_for_target(rewritten, self.target, "int8"))
        samples = self.inputs.calibration
        with self.timed.step("calibrate", len(samples)) as advance:
            quantize_model(rewritten, samples, self.target, QuantizeRecipe(self.settings.calibrator), advance)
        self.report.calibration = {
            "inputs": self.inputs.description,
            "sha256": self.inputs.fingerprint(),
            "samples": len(samples),
            "calibrator": self.settings.calibrator,
        }
        self.report.warnings += self.inputs.warnings
        return rewritten

    def to_int8(self, qdq: ir.Model) -> None:
        """The int8 artifact, checked against the QDQ graph in ONNX Runtime."""
        from mobiledeploy.runtimes import OnnxSession, TfliteSession

        with self.timed.step("QDQ to int8 TFLite"):
            self.save_onnx("qdq", qdq)
            self.write_tflite("int8", qdq, self.settings.io)
        with self.timed.step("check int8"):
            session = TfliteSession(self.path("int8"), nhwc=True)
            limit = Limit("sqnr_db", self.settings.thresholds.qdq_sqnr_db)
            reference = OnnxSession(qdq, optimize=False)
            self.check("int8 TFLite", session, "QDQ in ONNX Runtime", reference, limit=limit)

    def compare_with_fp32(self) -> None:
        """The int8 artifact against the float one, per output and per layer."""
        from mobiledeploy.runtimes import TfliteSession
        from mobiledeploy.verify import compare_layers

        int8, fp32 = (TfliteSession(self.path(key), nhwc=True) for key in ("int8", "fp32"))
        limit = Limit("sqnr_db", self.settings.thresholds.int8_sqnr_db)
        with self.timed.step("compare int8 with fp32"):
            self.check("int8 TFLite", int8, "fp32 TFLite", fp32, limit=limit)
        with self.timed.step("compare layers"):
            samples = self.checked[:_LAYER_SAMPLES]
            self.report.layers = compare_layers(self.path("fp32"), self.path("int8"), samples)

    def measure_accuracy(self) -> None:
        """Accuracy of the artifacts on the user's labelled images."""
        if self.settings.validation is None:
            return
        from mobiledeploy.runtimes import TfliteSession
        from mobiledeploy.validation import LabelledImages
        from mobiledeploy.verify import measure_accuracy

        runners = {
            key: TfliteSession(self.path(key), nhwc=True)
            for key in ("fp32", "int8")
            if key in self.report.artifacts
        }
        classes = int(next(iter(runners["fp32"].outputs.values()))["shape"][-1])
        images = LabelledImages(
            self.settings.validation,
            self.source.inputs,
            self.source.preprocessing,
            classes,
            limit=self.settings.validation_limit,
            seed=self.settings.seed,
        )
        with self.timed.step("measure accuracy", len(images)) as advance:
            named = [(f"{key} TFLite", runner) for key, runner in runners.items()]
            self.report.accuracy = measure_accuracy(named, images, advance)
        self.report.warnings += images.warnings

    # What the steps share

    @property
    def float_limit(self) -> Limit:
        return Limit("relative_error", self.settings.thresholds.float_error)

    def reference(self, model: ir.Model) -> tuple[str, Any]:
        """What float results are held against."""
        from mobiledeploy.runtimes import OnnxSession, TorchRunner

        if self.source.module is None:
            return "ONNX Runtime", OnnxSession(model)
        return "PyTorch", TorchRunner(self.source.module, [v.name or "" for v in model.graph.outputs])

    def check(
        self,
        name: str,
        runner: Any,
        reference_name: str,
        reference: Any,
        limit: Limit,
        count: int | None = None,
    ) -> None:
        from mobiledeploy.verify import check_outputs

        samples = self.checked[:count]
        self.report.checks += check_outputs((name, runner), (reference_name, reference), samples, limit)

    def path(self, key: str) -> Path:
        return self.staging / self.report.artifacts[key].file

    def log_rewrites(self, precision: str, log: RewriteLog) -> None:
        self.report.rewrites[precision] = asdict(log)

    def save_onnx(self, key: str, model: ir.Model) -> None:
        import onnx
        import onnx_ir as ir

        suffix = "_qdq" if key == "qdq" else ""
        path = self.staging / f"{self.source.name}{suffix}.onnx"
        onnx.save(ir.to_proto(model), path)
        self.report.artifacts[key] = _record(path)

    def write_tflite(self, key: str, model: ir.Model, io: Literal["float32", "int8", "uint8"]) -> None:
        from mobiledeploy.exporters.onnx_to_tflite import lower
        from mobiledeploy.exporters.tflite_writer import write_tflite
        from mobiledeploy.partitions import measure_partitions
        from mobiledeploy.version import __version__

        path = self.staging / f"{self.source.name}_{key}.tflite"
        graph = lower(model, self.target, io)
        path.write_bytes(write_tflite(graph, f"{self.source.name} {key}, mobiledeploy {__version__}"))
        partitions = measure_partitions(path, self.target)
        self.report.artifacts[key] = replace(
            _record(path),
            inputs=_tensor_records(graph.inputs),
            outputs=_tensor_records(graph.outputs),
            partitions=partitions,
        )


def _recorded(settings: ExportSettings) -> dict[str, Any]:
    """Settings for the report, without paths of this machine."""
    kept = asdict(settings)
    for key in ("source", "calibration", "validation"):
        kept[key] = None if kept[key] is None else Path(kept[key]).name
    kept["model"] = {k: v for k, v in kept["model"].items() if not k.startswith("weights")}
    del kept["out"]
    return kept


def _record(path: Path) -> ArtifactRecord:
    from mobiledeploy.report import ArtifactRecord

    return ArtifactRecord(path.name, path.stat().st_size, sha256(path))


def _tensor_records(tensors: Mapping[str, Any]) -> Any:
    from mobiledeploy.report import TensorRecord

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
