"""Command line of the comparison: `python -m mobiledeploy.bench.evaluation.peers`."""

from __future__ import annotations

import argparse
import dataclasses
import json
import platform
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import mobiledeploy
from mobiledeploy.base.errors import MobileDeployError
from mobiledeploy.bench.devices.arm.instruction_count import InstructionCount
from mobiledeploy.bench.devices.arm.profiles import get_profile
from mobiledeploy.bench.devices.machine import processor
from mobiledeploy.bench.evaluation.peers.compare import Comparison, compare, table
from mobiledeploy.bench.evaluation.peers.peer import Peer, hand_over, run_peer
from mobiledeploy.bench.evaluation.peers.subject import Subject, evaluation_inputs, prepare
from mobiledeploy.bench.latency.measurement import Measurement
from mobiledeploy.bench.latency.settings import Settings
from mobiledeploy.sources.source import ModelOptions
from mobiledeploy.verify.metrics import Difference

__all__ = ["main"]

PACKAGES = ("ai-edge-litert", "torch", "onnxruntime", "numpy")


def main(arguments: list[str] | None = None) -> int:
    """Parse, export by both sides, compare, print. Returns the exit code."""
    args = _parser().parse_args(arguments)
    folder = args.out or Path("artifacts/compare_peers") / Path(args.model.rpartition(":")[2]).stem
    try:
        size = None if args.size is None else (args.size, args.size)
        options = ModelOptions(weights=args.weights, size=size, seed=args.seed)
        subject = prepare(
            args.model,
            options,
            folder,
            calibration=args.calibration,
            samples=args.samples,
            crop=not args.no_crop,
        )
        hand_over(subject.network, subject.calibration, folder)
        peer = run_peer(args.peer_python, folder)
        files = {"theirs fp32": peer.fp32, "theirs int8": peer.int8}
        files = _ours(args, subject, folder / "ours") | files
        inputs = evaluation_inputs(subject, args.validation, args.evaluation)
        settings = Settings(core=args.core, time_limit_s=args.time_limit)
        comparison = compare(files, subject, inputs, settings, [get_profile(name) for name in args.arm])
    except MobileDeployError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    record = folder / "comparison.json"
    record.write_text(json.dumps(_record(args, comparison, peer), indent=2) + "\n")
    print(table(comparison))
    print(f"their packages: {', '.join(f'{name} {number}' for name, number in peer.versions.items())}")
    print(f"written to {record}")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m mobiledeploy.bench.evaluation.peers",
        description="mobiledeploy's artifacts beside those of litert-torch with ai-edge-quantizer",
    )
    parser.add_argument("--model", required=True, help="a registry name, or file.py:factory")
    parser.add_argument(
        "--peer-python", required=True, metavar="PYTHON", help="interpreter of the peers' environment"
    )
    parser.add_argument("--weights", help="file, imagenet or random (default: imagenet if it can be had)")
    parser.add_argument("--size", type=int, help="side of a square input (default: the network's own)")
    parser.add_argument("--no-crop", action="store_true", help="resize images to the input size as they are")
    parser.add_argument(
        "--calibration", type=Path, help="folder of images or .npz (default: generated images)"
    )
    parser.add_argument("--samples", type=int, default=64, help="to calibrate with (default %(default)s)")
    parser.add_argument("--validation", type=Path, help="labelled images, a folder for each class")
    parser.add_argument("--evaluation", type=Path, help="images or .npz without labels to compare outputs on")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--time-limit",
        type=float,
        default=120.0,
        metavar="S",
        help="of the latency measurement; it ends when medians are known to 1 %% (default %(default)g)",
    )
    parser.add_argument(
        "--arm",
        action="append",
        default=[],
        metavar="PROFILE",
        help="count instructions on an emulated core, too, such as cortex-a76; as often as needed",
    )
    parser.add_argument("--core", type=int, help="core to measure on (default: the largest)")
    parser.add_argument("--out", type=Path, help="folder (default: artifacts/compare_peers/NAME)")
    return parser


def _record(args: argparse.Namespace, comparison: Comparison, peer: Peer) -> dict[str, Any]:
    """The comparison as JSON: figures, raw rounds, settings and versions."""
    return {
        "settings": {
            name: str(value) if isinstance(value, Path) else value for name, value in vars(args).items()
        },
        "machine": {"processor": processor(), "system": platform.platform()},
        "versions": {"ours": {name: version(name) for name in PACKAGES}, "theirs": peer.versions},
        "peer_seconds": {"convert": peer.convert_s, "quantize": peer.quantize_s},
        "comparison": _plain(comparison),
    }


def _plain(value: object) -> Any:
    """Dataclasses, paths and infinite figures as JSON can hold them."""
    if isinstance(value, Difference):
        return value.to_json()
    if isinstance(value, Measurement | InstructionCount):
        return value.to_json()
    if dataclasses.is_dataclass(value):
        return {field.name: _plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return str(value) if isinstance(value, Path) else value


def _ours(args: argparse.Namespace, subject: Subject, folder: Path) -> dict[str, Path]:
    """Export with mobiledeploy: "ours fp32" and "ours int8" -> file."""
    _, _, height, width = subject.shape
    result = mobiledeploy.export(
        args.model,
        int8=True,
        weights=args.weights,
        size=(height, width),
        calibration=subject.inputs,
        samples=args.samples,
        seed=args.seed,
        io="int8",
        out=folder,
    )
    used = {"weights": result.report.weights, "calibration": result.report.calibration or {}}
    handed = {"weights": subject.weights_sha256, "calibration": subject.source.fingerprint()}
    for what, digest in handed.items():
        if used[what].get("sha256") != digest:
            raise MobileDeployError(
                f"the export took {what} of SHA-256 {used[what].get('sha256')}, expected {digest}, which the "
                "peers get; the comparison would not be fair, please report this"
            )
    return {"ours fp32": result.artifacts["fp32"], "ours int8": result.artifacts["int8"]}


if __name__ == "__main__":
    sys.exit(main())
