"""`peers`: our artifacts beside those of litert-torch with ai-edge-quantizer, of one network.

Both sides get the same weights and calibration inputs. Latencies are taken in turns on this host, and outputs
are set beside those of the PyTorch network.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mobiledeploy.base.errors import InputError
from mobiledeploy.bench.evaluation.accuracy.figures import Closeness, closeness, logits, percent
from mobiledeploy.bench.evaluation.arguments import add_pythons, add_seed, at_least, number
from mobiledeploy.bench.evaluation.calibration import HOLDOUT, export_int8, require_same, store_inputs
from mobiledeploy.bench.evaluation.other_python import quantize_with_litert_torch
from mobiledeploy.bench.evaluation.page import page, plain_rows, table, write
from mobiledeploy.bench.evaluation.rows import Row
from mobiledeploy.bench.latency.measurement import Measurement
from mobiledeploy.bench.latency.samples import Ratio, Summary, ratio
from mobiledeploy.bench.latency.settings import Settings
from mobiledeploy.bench.run import bench
from mobiledeploy.inputs.open_inputs import open_inputs
from mobiledeploy.inputs.preprocessing import Preprocessing
from mobiledeploy.runtime.partitions import measure_partitions
from mobiledeploy.runtime.runtimes import TfliteSession, TorchRunner
from mobiledeploy.runtime.targets import LITERT_2_3
from mobiledeploy.sources.open_source import open_source
from mobiledeploy.sources.source import ModelOptions

__all__ = ["RATIOS", "add_options", "compare", "ratios", "run", "text"]

Images = Sequence[NDArray[np.float32]]
"""Inputs of the network, (1, C, H, W) each."""

RATIOS = (
    ("ours int8", "theirs int8"),
    ("ours fp32", "theirs fp32"),
    ("ours int8", "ours fp32"),
    ("theirs int8", "theirs fp32"),
)
"""Pairs of artifacts whose latencies are set in relation, the numerator first."""

_EVERYTHING = 2**31


@dataclass(frozen=True)
class Figures:
    """The figures of one artifact.

    Attributes:
        size_bytes: Size of the file.
        partitions: Number of XNNPACK partitions.
        latency: Milliseconds of an inference.
        to_pytorch: Its outputs against those of the PyTorch network.
        to_own_fp32: Its outputs against those of the same producer's float artifact; None for that one.
    """

    size_bytes: int
    partitions: int
    latency: Summary
    to_pytorch: Closeness
    to_own_fp32: Closeness | None


COLUMNS: Mapping[str, Callable[[Figures], str]] = {
    "median ms": lambda found: f"{found.latency.median_ms.value:.3f}",
    "95 %": lambda found: f"± {found.latency.median_ms.half_width:.1%}",
    "partitions": lambda found: str(found.partitions),
    "MB": lambda found: f"{found.size_bytes / 1e6:.2f}",
    "SQNR dB": lambda found: f"{found.to_pytorch.sqnr_db:.2f}",
    "to own fp32": lambda found: "" if found.to_own_fp32 is None else f"{found.to_own_fp32.sqnr_db:.2f}",
    "agrees %": lambda found: percent(found.to_pytorch.agreement),
}

RATIO_COLUMNS: Mapping[str, Callable[[Ratio], str]] = {
    "median": lambda found: f"{found.value:.3f}",
    "95 %": lambda found: f"{found.low:.3f} - {found.high:.3f}",
}


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    add = parser.add_argument
    add("--model", required=True, help="a registry name, or file.py:factory")
    add_pythons(parser, ["aeq"], required=True)
    add("--weights", help="file, imagenet or random (default: imagenet if it can be had)")
    add("--size", type=at_least(1), metavar="N", help="side of a square input (default: the network's own)")
    add("--no-crop", action="store_true", help="resize images to the input size as they are")
    add("--calibration", type=Path, help="folder of images or .npz (default: generated images)")
    add_seed(parser, samples=64)
    add("--evaluation", type=Path, help="images or .npz to compare outputs on (default: held-back inputs)")
    add("--time-limit", type=number, default=120.0, metavar="S", help="of latencies (default: %(default)g)")
    add("--core", type=at_least(0), metavar="N", help="core to measure on (default: the largest)")
    add("--out", type=Path, metavar="DIR", help="for all files (default: artifacts/peers/NAME)")


def run(args: argparse.Namespace) -> int:
    """Export by both sides, compare, print and write the page."""
    size = None if args.size is None else (args.size, args.size)
    source = open_source(args.model, ModelOptions(weights=args.weights, size=size, seed=args.seed))
    if source.module is None or len(source.inputs) != 1:
        raise InputError(
            f"{args.model} is an ONNX file or has {len(source.inputs)} inputs, expected a PyTorch network of "
            "one input; the peers take no other"
        )
    ((input_name, shape),) = source.inputs.items()
    preprocessing = source.preprocessing
    if preprocessing is not None and args.no_crop:
        preprocessing = replace(preprocessing, resize=None)
    folder = args.out or Path("artifacts/peers") / source.name
    drawn = _drawn(args.calibration, shape, preprocessing, args.samples, args.seed, HOLDOUT)
    stored = store_inputs(drawn, args.samples, args.seed, folder)
    module = source.module.eval()
    fp32, int8 = quantize_with_litert_torch(args.aeq_python, module, shape, stored.calibration, folder)
    ours = export_int8(args.model, stored, folder / "ours", weights=args.weights, size=shape[2:], io="int8")
    require_same("weights", ours.report.weights.get("sha256"), source.weights.sha256)

    files = {f"ours {kind}": ours.artifacts[kind] for kind in ("fp32", "int8")}
    files |= {"theirs fp32": fp32.path, "theirs int8": int8.path}
    inputs: Images = stored.holdout
    if args.evaluation is not None:
        inputs = _drawn(args.evaluation, shape, preprocessing, _EVERYTHING, args.seed, holdout=0)
    settings = Settings(core=args.core, time_limit_s=args.time_limit)
    (measured,) = bench(list(files.values()), ["host"], settings=settings).results
    assert isinstance(measured, Measurement)
    rows = compare(files, logits(TorchRunner(module, ["output"]), input_name, inputs), inputs, measured)
    relative = ratios(files, measured)

    versions = {**fp32.versions, **int8.versions}
    body = text(rows, relative, measured)
    body += f"* their packages: {', '.join(f'{package} {found}' for package, found in versions.items())}\n"
    record = {
        "settings": {key: _plain(value) for key, value in vars(args).items() if key != "run"},
        "theirs": {"versions": versions, "convert_s": fp32.seconds, "quantize_s": int8.seconds},
        "rows": plain_rows(rows),
        "ratios": plain_rows(relative),
        "latency": measured.to_json(),
    }
    write(folder, "peers", page(f"{source.name} beside litert-torch", "peers", body), record)
    print(f"{body}written to {folder}")
    return 0


def _drawn(
    path: Path | None,
    shape: tuple[int, ...],
    preprocessing: Preprocessing | None,
    samples: int,
    seed: int,
    holdout: int,
) -> Images:
    source = open_inputs(path, {"input": shape}, preprocessing, samples, seed, holdout)
    return [sample["input"] for part in (source.calibration, source.holdout) for sample in part]


def _plain(value: object) -> object:
    return str(value) if isinstance(value, Path) else value


def compare(
    files: Mapping[str, Path], reference: NDArray[np.float32], inputs: Images, measured: Measurement
) -> list[Row[Figures]]:
    """Measure each artifact.

    Args:
        files: "ours fp32", "ours int8", "theirs fp32", "theirs int8" -> .tflite file of one input.
        reference: Outputs of the PyTorch network for the inputs, (inputs, classes).
        inputs: Evaluation inputs.
        measured: Latencies of the files, in this order.

    Raises:
        InputError: LiteRT does not load a file.
    """
    outputs = {}
    for name, path in files.items():
        session = TfliteSession(path)
        (input_name,) = session.inputs
        outputs[name] = logits(session, input_name, inputs)
    rows = []
    for (name, path), latency in zip(files.items(), measured.summaries, strict=True):
        own = f"{name.split()[0]} fp32"
        figures = Figures(
            size_bytes=path.stat().st_size,
            partitions=measure_partitions(path, LITERT_2_3).count,
            latency=latency,
            to_pytorch=closeness(reference, outputs[name]),
            to_own_fp32=None if name == own else closeness(outputs[own], outputs[name]),
        )
        rows.append(Row((name,), figures))
    return rows


def ratios(files: Mapping[str, Path], measured: Measurement) -> list[Row[Ratio]]:
    """Relations of latencies, "A / B", for the pairs of `RATIOS`."""
    samples = dict(zip(files, measured.samples, strict=True))
    return [Row((f"{one} / {other}",), ratio(samples[one], samples[other])) for one, other in RATIOS]


def text(rows: Sequence[Row[Figures]], relative: Sequence[Row[Ratio]], measured: Measurement) -> str:
    """The comparison as Markdown."""
    inputs = next(row.figures.to_pytorch.images for row in rows if row.figures)
    where = f"core {measured.core} of {measured.identity.name}, {measured.runtime}, one thread"
    notes = [
        f"{inputs} evaluation inputs; SQNR and agreement against the PyTorch network",
        f"latencies on {where}",
        f"not stable: {'; '.join(measured.reasons)}" if measured.reasons else "stable",
    ]
    tables = [
        table([""], COLUMNS, rows, aligned=True),
        table(["latency ratio, in turns"], RATIO_COLUMNS, relative, aligned=True),
    ]
    return "\n".join([*tables, *(f"* {note}" for note in notes), ""])
