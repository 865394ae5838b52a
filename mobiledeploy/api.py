"""What ``mobiledeploy.export`` takes and returns. The steps, which import much, come when there is work."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

from mobiledeploy.base.errors import InputError
from mobiledeploy.base.files import staging_folder
from mobiledeploy.base.progress import Progress, Silent, Timed
from mobiledeploy.quantize.calibrate.calibrators import DEFAULT_CALIBRATOR, Calibrator
from mobiledeploy.runtime.precisions import KINDS, PrecisionKind, choose_kinds
from mobiledeploy.runtime.targets import LITERT_2_3, get_target
from mobiledeploy.sources.open_source import ModelOptions, Source, open_source
from mobiledeploy.verify.thresholds import AccuracyBudget, Thresholds

if TYPE_CHECKING:
    from mobiledeploy.report.record import Report

__all__ = ["Effort", "ExportResult", "ExportSettings", "export", "run_export"]

IoType = Literal["float32", "int8", "uint8", "int16"]
Effort = Literal["default", "high"]


@dataclass(frozen=True)
class ExportSettings:
    """Everything that decides what an export makes.

    Attributes:
        source: Registry name, ``path/to/file.py:factory``, or path to an .onnx file.
        task: What the network is for; None for what is known of it, else "tensors".
        precision: Which kinds of artifact to write, in any order; fp32 is always among them.
        out: Folder for the artifacts; None for ``artifacts/<name>``.
        model: What to do to the network.
        calibration: Folder of images, .npy or .npz; None for generated images.
        samples: How many inputs to calibrate with.
        calibrator: How activation ranges are chosen; "search": of the others, what is best for each tensor.
        cache: Whether statistics of the calibration are kept for the next run, and taken from an earlier one.
        equalize: Whether channels that stand out are scaled, where that changes nothing in float.
        correct_bias: Whether biases take back what rounding shifts on average.
        effort: "high" learns roundings, weights and scales from what the float network computes; minutes.
        keep_float: What stays in float: patterns of layers' names, or of op types after "op:".
        accuracy_budget: What int8 may lose, by which layers are chosen for float; None for no such limit.
        sensitivity: Whether to measure what each layer's rounding costs; a budget does so where it is missed.
        validation: Folder of labelled images to measure accuracy on; None to skip that.
        validation_limit: How many of them at most.
        seed: Of every random choice.
        io: Type of the quantized artifacts' inputs and outputs, as far as they can have it.
        target: Runtime that the artifacts are made for.
        thresholds: When an artifact counts as wrong.
    """

    source: str
    task: str | None = None
    precision: tuple[PrecisionKind, ...] = ()
    out: Path | None = None
    model: ModelOptions = field(default_factory=ModelOptions)
    calibration: Path | None = None
    samples: int = 64
    calibrator: Calibrator = DEFAULT_CALIBRATOR
    cache: bool = True
    equalize: bool = True
    correct_bias: bool = True
    effort: Effort = "default"
    keep_float: tuple[str, ...] = ()
    accuracy_budget: AccuracyBudget | None = None
    sensitivity: bool = False
    validation: Path | None = None
    validation_limit: int | None = None
    seed: int = 0
    io: IoType = "float32"
    target: str = LITERT_2_3.name
    thresholds: Thresholds = field(default_factory=Thresholds)

    def __post_init__(self) -> None:
        object.__setattr__(self, "precision", choose_kinds(self.precision))

    @property
    def quantizes(self) -> bool:
        """Whether something is to be calibrated."""
        return any(KINDS[kind].quantized for kind in self.precision)


@dataclass(frozen=True)
class ExportResult:
    """What an export made.

    Attributes:
        artifacts: "onnx", "qdq", "fp32", "int8", "report", "html" -> path, as far as they were made.
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
    source: str | Path,
    *,
    task: str | None = None,
    int8: bool = False,
    precision: str | Sequence[str] = (),
    out: str | Path | None = None,
    weights: str | Path | None = None,
    weights_as: str | None = None,
    weights_host: str | None = None,
    size: int | tuple[int, int] | None = None,
    num_classes: int | None = None,
    width_mult: float | None = None,
    options: Mapping[str, float | str] | None = None,
    calibration: str | Path | None = None,
    samples: int = 64,
    calibrator: Calibrator = DEFAULT_CALIBRATOR,
    cache: bool = True,
    equalize: bool = True,
    correct_bias: bool = True,
    effort: Effort = "default",
    keep_float: Sequence[str] = (),
    accuracy_budget: str | float | None = None,
    sensitivity: bool = False,
    validation: str | Path | None = None,
    validation_limit: int | None = None,
    seed: int = 0,
    io: IoType = "float32",
    target: str = LITERT_2_3.name,
    thresholds: Thresholds | None = None,
    progress: Progress | None = None,
) -> ExportResult:
    """Do exactly what ``mobiledeploy export`` does.

    Args:
        source: Registry name, ``path/to/file.py:factory`` (runs the code in that file), or path to an .onnx
            file.
        task: What the network is for, "classification" or "tensors"; what is known of it when left out.
        int8: Short for ``precision="int8"``.
        precision: Which kinds of artifact to write beside fp32: names, or one text of names joined by commas.
        out: Folder for the artifacts; ``artifacts/<name>`` when left out.
        weights: File, name of a weights entry, "imagenet" or "random"; imagenet if it can be had, else
            random, when left out.
        weights_as: Name of the weights entry that a file was trained as; told by its hash and keys when left
            out.
        weights_host: A mirror to download official weights from.
        size: Input size in pixels, one number for a square or (height, width).
        num_classes: Size of the head; the network's own, or that of the weights file, when left out.
        width_mult: Width multiplier; that of a weights entry that is named, else 1, when left out.
        options: Other options of the network by name, such as {"partition": "exponential"} of mixnet_s.
        calibration: Folder of images, .npy or .npz; generated images when left out.
        samples: How many inputs to calibrate with.
        calibrator: How activation ranges are chosen; "search": of the others, what is best for each tensor.
        cache: Whether statistics of the calibration are kept for the next run, and taken from an earlier one.
        equalize: Whether channels that stand out are scaled, where that changes nothing in float.
        correct_bias: Whether biases take back what rounding shifts on average.
        effort: "high" learns roundings, weights and scales from what the float network computes; minutes.
        keep_float: What stays in float: shell-style patterns of layers' names, as report.json has them, or of
            op types, such as "op:HardSwish".
        accuracy_budget: What int8 may lose: points of accuracy such as 0.5, or the least SQNR such as
            "20dB". As few layers as that takes stay in float.
        sensitivity: Whether to measure what each layer's rounding costs; a budget does so where it is missed.
        validation: Folder of labelled images to measure accuracy on. With a budget in points, a part of them
            is what layers are chosen by, and accuracy is measured on the others.
        validation_limit: How many of them at most.
        seed: Of every random choice.
        io: Type of the quantized artifacts' inputs and outputs, as far as they can have it.
        target: Runtime that the artifacts are made for.
        thresholds: When an artifact counts as wrong.
        progress: Shows steps; nothing when left out.

    Returns:
        The artifacts and the report. Look at ``passed``: artifacts that miss a threshold are kept.

    Raises:
        MobileDeployError: With a message that says what was wrong and what to do.
    """
    model = ModelOptions(
        weights=None if weights is None else str(weights),
        weights_as=weights_as,
        size=(size, size) if isinstance(size, int) else size,
        num_classes=num_classes,
        width_mult=width_mult,
        options=dict(options or {}),
        seed=seed,
        weights_host=weights_host,
    )
    kinds = choose_kinds([precision] if isinstance(precision, str) else precision)
    settings = ExportSettings(
        source=str(source),
        task=task,
        precision=(*kinds, "int8") if int8 else kinds,
        out=_path(out),
        model=model,
        calibration=_path(calibration),
        samples=samples,
        calibrator=calibrator,
        cache=cache,
        equalize=equalize,
        correct_bias=correct_bias,
        effort=effort,
        keep_float=tuple(keep_float),
        accuracy_budget=None if accuracy_budget is None else AccuracyBudget.parse(str(accuracy_budget)),
        sensitivity=sensitivity,
        validation=_path(validation),
        validation_limit=validation_limit,
        seed=seed,
        io=io,
        target=target,
        thresholds=thresholds or Thresholds(),
    )
    return run_export(settings, progress or Silent())


def _path(text: str | Path | None) -> Path | None:
    return None if text is None else Path(text)


def run_export(settings: ExportSettings, progress: Progress) -> ExportResult:
    """Run all steps. Artifacts appear in the output folder all together, or not at all.

    Raises:
        MobileDeployError: With a message that says what was wrong and what to do.
    """
    timed = Timed(progress)
    target = get_target(settings.target)
    _require_consistent(settings)
    with timed.step("open the network"):
        source = open_source(settings.source, settings.model)
        out = settings.out or Path("artifacts") / source.name
        _require_fitting(settings, source, out)

    with timed.step("load the exporters"):
        from mobiledeploy.pipeline import make_artifacts
    with staging_folder(out) as staging:
        report = make_artifacts(settings, source, target, staging, timed)
    artifacts = {key: out / record.file for key, record in report.artifacts.items()}
    artifacts |= {"report": out / "report.json", "html": out / "report.html"}
    return ExportResult(source.name, out, artifacts, report, timed.seconds)


def _require_consistent(settings: ExportSettings) -> None:
    if settings.samples < 1:
        raise InputError(f"--samples is {settings.samples}, expected 1 or more; leave it out for 64")
    for name, value, choices in (
        ("io", settings.io, IoType),
        ("calibrator", settings.calibrator, Calibrator),
        ("effort", settings.effort, Effort),
    ):
        if value not in get_args(choices):
            raise InputError(
                f"--{name} is {value!r}, expected one of {', '.join(get_args(choices))}; name one"
            )
    if settings.validation_limit is not None and settings.validation is None:
        raise InputError("--validation-limit without --validation, expected both; pass --validation DIR")


def _require_fitting(settings: ExportSettings, source: Source, out: Path) -> None:
    if source.quantized:
        kinds = settings.precision[1:]
        asked = {
            f"--precision {','.join(kinds)}": bool(kinds),
            "--calibration": settings.calibration is not None,
            **_asked_of_int8(settings),
        }
        if given := [flag for flag, value in asked.items() if value]:
            raise InputError(
                f"{' and '.join(given)} for {settings.source}, which is quantized already, expected a float "
                "model; leave that out: an artifact is made with the scales that it has"
            )
    elif "int8" not in settings.precision and (
        given := [flag for flag, value in _asked_of_int8(settings).items() if value]
    ):
        raise InputError(f"{' and '.join(given)} without an int8 artifact, expected one; add --int8")
    elif settings.io != "float32" and not any(settings.io in KINDS[kind].io for kind in settings.precision):
        wanted = next(name for name, kind in KINDS.items() if settings.io in kind.io)
        raise InputError(
            f"--io {settings.io} for {', '.join(settings.precision)}, expected an artifact that can have it; "
            f"add --precision {wanted}"
        )
    overwritten = [
        name
        for name in (f"{source.name}.onnx", *(f"{source.name}_{kind.qdq}.onnx" for kind in KINDS.values()))
        if _same(source.file, out / name)
    ]
    if overwritten:
        raise InputError(
            f"{out} holds {overwritten[0]}, the source, which an artifact would overwrite, expected another "
            "folder; pass another --out DIR"
        )


def _asked_of_int8(settings: ExportSettings) -> dict[str, bool]:
    """Flags that say how to quantize -> whether they were given."""
    return {
        "--keep-float": bool(settings.keep_float),
        "--accuracy-budget": settings.accuracy_budget is not None,
        "--sensitivity": settings.sensitivity,
        "--effort high": settings.effort == "high",
    }


def _same(one: Path | None, other: Path) -> bool:
    return one is not None and one.resolve() == other.resolve()
