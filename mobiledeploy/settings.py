"""The settings of an export: everything that decides what it makes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

from mobiledeploy.base.options import (
    Converted,
    OptionalPath,
    Texts,
    argument,
    declared,
    group,
    option,
    whole,
)
from mobiledeploy.quantize.recipe import QuantizeOptions
from mobiledeploy.runtime.precisions import KINDS, PrecisionKind, choose_kinds
from mobiledeploy.runtime.targets import LITERT_2_3, TARGETS, Target, get_target
from mobiledeploy.sources.source import ModelOptions
from mobiledeploy.tasks.registry import TASKS
from mobiledeploy.verify.thresholds import AccuracyBudget, Thresholds

__all__ = ["ExportSettings"]

IoType = Literal["float32", "int8", "uint8", "int16"]


def _kinds(given: str | Sequence[str]) -> tuple[PrecisionKind, ...]:
    return choose_kinds([given] if isinstance(given, str) else given)


def _target(given: str | Target) -> str | Target:
    """Return what was given: settings hold a name, which can be printed, pickled and put into a report."""
    get_target(given)  # raises, where there is no such target
    return given


@dataclass(frozen=True, kw_only=True)
class ExportSettings(ModelOptions, QuantizeOptions):
    """Options of ``mobiledeploy export``. Those who use a part of the options declare them."""

    title = ""

    source: str | Path = field(
        kw_only=False,
        metadata=argument(
            convert=str,
            metavar="SOURCE",
            help="a network of `mobiledeploy list`; your own file.py:FACTORY, a callable that returns an "
            "nn.Module (this runs the code in that file); or an .onnx file, float or QDQ (scales are kept)",
        ),
    )
    task: str | None = option(
        None,
        choices=TASKS,
        help="what the network is for; of tensors, numbers alone are compared",
        unset="what is known of the network, else tensors",
    )
    precision: Converted[str | Sequence[str], tuple[PrecisionKind, ...]] = option(
        (),
        _kinds,
        metavar="KIND,...",
        help=f"artifacts to write beside fp32: {', '.join(KINDS)} (docs/precisions.md)",
    )
    int8: bool = option(False, help="short for --precision int8", recorded=False)
    out: OptionalPath = option(
        None, Path, metavar="DIR", help="where artifacts go", unset="artifacts/NAME", recorded=False
    )
    calibration: OptionalPath = option(
        None,
        Path,
        metavar="DIR|FILE",
        help="images (any depth, JPEG or PNG), or .npy/.npz of prepared inputs",
        unset="generated images",
    )
    samples: int = option(64, whole(1), metavar="N", help="inputs to calibrate with")
    cache: bool = option(
        True,
        help="calibrate anew, and keep nothing of it for the next export of the same network and inputs",
        recorded=False,
    )
    accuracy_budget: Converted[str | float | AccuracyBudget | None, AccuracyBudget | None] = option(
        None,
        AccuracyBudget.of,
        metavar="POINTS|DB",
        only="int8",
        help="keep as few layers in float as it takes to lose at most so many points of accuracy (0.5), or "
        "to have at least that SQNR (20dB)",
    )
    sensitivity: bool = option(False, only="int8", help="measure what each layer's rounding costs")
    validation: OptionalPath = option(
        None,
        Path,
        metavar="DIR",
        help="labelled images to measure accuracy on: a folder per class, or with labels.txt; with a "
        "budget in points, layers are chosen by a part of them",
    )
    validation_limit: int | None = option(
        None, whole(1), metavar="N", needs="validation", help="use at most N of them", unset="all"
    )
    seed: int = option(0, whole(0), metavar="N", help="random seed of every choice")
    io: IoType = option(
        "float32",
        choices=get_args(IoType),
        help="type of inputs and outputs of the int8 artifact, or (int16) of int16x8",
    )
    target: str | Target = option(
        LITERT_2_3.name, _target, choices=lambda: TARGETS, help="runtime to export for"
    )
    without_rules: Texts = option(
        (),
        flag="--without-rule",
        metavar="NAME",
        help="rewrites to leave out: rules or stages by name, as in report.json",
    )
    thresholds: Converted[Thresholds | None, Thresholds] = group(Thresholds)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.int8:
            object.__setattr__(self, "precision", choose_kinds([*self.precision, "int8"]))

    @property
    def quantizes(self) -> bool:
        """Tell whether something is to be calibrated."""
        return any(KINDS[kind].quantized for kind in self.precision)

    def recorded(self) -> dict[str, Any]:
        """Return the settings for a report: plain data, without folders and what changes no artifact."""
        kept: dict[str, Any] = {
            name: getattr(self, name) for name, about in declared(type(self)).items() if about.recorded
        }
        for name in ("source", "calibration", "validation"):
            kept[name] = None if kept[name] is None else Path(kept[name]).resolve().name
        budget = self.accuracy_budget
        return kept | {
            "accuracy_budget": None if budget is None else asdict(budget),
            "target": get_target(self.target).name,
            "thresholds": asdict(self.thresholds),
        }
