"""Run a tool on a network's file, and note versions and seconds; runs in the tool's own environment.

    PYTHON run_tool.py nncf fast --model float.onnx --calibration inputs.npy --out int8.onnx

writes int8.onnx, and int8.onnx.json: {"seconds": ..., "versions": {...}}. A tool is a module tool_NAME.py
beside this file with `METHODS`, `PACKAGES` and `run(model, inputs, method, out)`. The files stand alone: a
tool's environment needs only the tool.
"""

from __future__ import annotations

import argparse
import importlib
import json
import sys
import time
from importlib.metadata import version
from pathlib import Path

import numpy as np


def main() -> int:
    """Run a command line and return its exit code."""
    parser = argparse.ArgumentParser(description="one tool on the file of one network")
    parser.add_argument("tool", choices=sorted(p.stem[5:] for p in Path(__file__).parent.glob("tool_*.py")))
    parser.add_argument("method", help="one of the tool's METHODS")
    parser.add_argument("--model", type=Path, required=True, help="what the tool takes, of one input")
    parser.add_argument("--calibration", type=Path, required=True, help=".npy, float32 (count, C, H, W)")
    parser.add_argument("--out", type=Path, required=True, help="file to write")
    args = parser.parse_args()

    tool, inputs = importlib.import_module(f"tool_{args.tool}"), np.load(args.calibration)
    if args.method not in tool.METHODS:
        parser.error(f"method {args.method!r} of {args.tool}, expected one of {', '.join(tool.METHODS)}")
    start = time.perf_counter()
    tool.run(args.model, inputs, args.method, args.out)
    seconds = time.perf_counter() - start
    record = {"seconds": seconds, "versions": {package: version(package) for package in tool.PACKAGES}}
    args.out.with_name(args.out.name + ".json").write_text(json.dumps(record, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
