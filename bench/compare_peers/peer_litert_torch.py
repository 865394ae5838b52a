"""litert-torch and ai-edge-quantizer on a handed-over network; runs in the peers' own environment.

    python peer_litert_torch.py --program net.pt2 --calibration inputs.npz --out PREFIX

Writes PREFIX_fp32.tflite, PREFIX_int8.tflite and PREFIX_versions.json. The file stands alone: it imports
nothing of mobiledeploy, so the peers' environment needs only the peers.
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
    parser.add_argument("--program", type=Path, required=True, help="network saved by torch.export.save")
    parser.add_argument(
        "--calibration", type=Path, required=True, help=".npz with 'inputs', (count, C, H, W)"
    )
    parser.add_argument("--out", type=Path, required=True, help="prefix of the files to write")
    args = parser.parse_args()

    inputs = np.load(args.calibration)["inputs"]
    fp32, int8, versions = (
        args.out.with_name(args.out.name + end) for end in ("_fp32.tflite", "_int8.tflite", "_versions.json")
    )
    start = time.perf_counter()
    convert(args.program, (1, *inputs.shape[1:]), fp32)
    converted = time.perf_counter()
    quantize(fp32, inputs, int8)
    record = {
        "versions": {name: version(name) for name in PACKAGES},
        "convert_s": converted - start,
        "quantize_s": time.perf_counter() - converted,
    }
    versions.write_text(json.dumps(record, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
