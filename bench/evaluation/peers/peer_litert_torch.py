"""litert-torch and ai-edge-quantizer on a handed-over network; runs in the peers' own environment.

    python peer_litert_torch.py --program net.pt2 --calibration inputs.npz --out PREFIX
    python peer_litert_torch.py --tflite fp32.tflite --calibration inputs.npz --out int8.tflite

The first writes PREFIX_fp32.tflite, PREFIX_int8.tflite and PREFIX_versions.json; the second quantizes a float
artifact of any origin, and writes int8.tflite and int8.tflite.json. The file stands alone: it imports nothing
of mobiledeploy, so the peers' environment needs only the peers.
"""
# mypy: disable-error-code="import-not-found, import-untyped"

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import ai_edge_quantizer
import litert_torch
import numpy as np
import torch
from ai_edge_litert.interpreter import Interpreter
from numpy.typing import NDArray

__all__ = ["convert", "main", "quantize"]

PACKAGES = ("litert-torch", "ai-edge-quantizer", "ai-edge-litert", "torch")


def convert(program: Path, input_shape: tuple[int, ...], destination: Path) -> None:
    """Convert a `torch.export` program of one NCHW input, of `input_shape`, to float TFLite with NHWC input.

    `to_channel_last_io` is the documented way to an NHWC input; without it the artifact keeps the NCHW input
    and pays for a TRANSPOSE in every inference.
    """
    network = torch.export.load(program).module()
    batch, channels, height, width = input_shape
    model = litert_torch.convert(
        litert_torch.to_channel_last_io(network, args=[0]), (torch.zeros(batch, height, width, channels),)
    )
    model.export(str(destination))


def quantize(source: Path, inputs: NDArray[np.float32], destination: Path) -> None:
    """Quantize a float TFLite file to int8 with the recipe static_wi8_ai8, all settings at their defaults.

    Args:
        source: the float artifact, one NHWC input.
        inputs: calibration inputs, (count, C, H, W).
        destination: the int8 artifact.
    """
    ((signature, tensors),) = Interpreter(str(source)).get_signature_list().items()
    (name,) = tensors["inputs"]

    def samples() -> Iterator[dict[str, NDArray[np.float32]]]:
        for image in inputs:
            yield {name: np.ascontiguousarray(image.transpose(1, 2, 0)[np.newaxis])}  # (1, H, W, C)

    quantizer = ai_edge_quantizer.quantizer.Quantizer(str(source), ai_edge_quantizer.recipe.static_wi8_ai8())
    statistics = quantizer.calibrate({signature: list(samples())})
    quantizer.quantize(statistics).export_model(str(destination), overwrite=True)


def main() -> int:
    """Command line: convert, quantize, and note versions and seconds."""
    parser = argparse.ArgumentParser(
        description="litert-torch and ai-edge-quantizer on a handed-over network"
    )
    given = parser.add_mutually_exclusive_group(required=True)
    given.add_argument("--program", type=Path, help="network saved by torch.export.save")
    given.add_argument("--tflite", type=Path, help="float artifact, one NHWC input")
    parser.add_argument(
        "--calibration", type=Path, required=True, help=".npz with 'inputs', (count, C, H, W)"
    )
    parser.add_argument("--out", type=Path, required=True, help="prefix of the files, or the file, to write")
    args = parser.parse_args()

    inputs = np.load(args.calibration)["inputs"]
    if args.tflite is not None:
        start = time.perf_counter()
        quantize(args.tflite, inputs, args.out)
        record = {"seconds": time.perf_counter() - start, "versions": _versions()}
        _write(args.out.with_name(args.out.name + ".json"), record)
        return 0
    fp32, int8, versions = (
        args.out.with_name(args.out.name + end) for end in ("_fp32.tflite", "_int8.tflite", "_versions.json")
    )
    start = time.perf_counter()
    convert(args.program, (1, *inputs.shape[1:]), fp32)
    converted = time.perf_counter()
    quantize(fp32, inputs, int8)
    record = {
        "versions": _versions(),
        "convert_s": converted - start,
        "quantize_s": time.perf_counter() - converted,
    }
    _write(versions, record)
    return 0


def _versions() -> dict[str, str]:
    return {name: version(name) for name in PACKAGES}


def _write(path: Path, record: dict[str, Any]) -> None:
    path.write_text(json.dumps(record, indent=2) + "\n")


if __name__ == "__main__":
    sys.exit(main())
