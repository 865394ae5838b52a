"""A report as `mobiledeploy export --json` prints it, as far as the zoo reads it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

Outside = list[dict[str, str]]


def _report(
    float_error: float = 6e-7,
    int8_partitions: int = 1,
    outside: Outside | None = None,
    failures: list[str] | None = None,
) -> dict[str, Any]:
    def check(candidate: str, reference: str, error: float, sqnr: float | str) -> dict[str, Any]:
        return {"candidate": candidate, "reference": reference, "relative_error": error, "sqnr_db": sqnr}

    def file(size_bytes: int, count: int, outside: Outside) -> dict[str, Any]:
        return {"size_bytes": size_bytes, "partitions": {"count": count, "ops": 9, "outside": outside}}

    return {
        "mobiledeploy": "0.1.0",
        "packages": {"torch": "2.13.0", "onnxruntime": "1.31.1", "ai-edge-litert": "2.3.0", "numpy": "2.4.6"},
        "model": {"parameters": 1_366_792, "multiply_adds": 40_476_448},
        "artifacts": {
            "onnx": {"size_bytes": 1, "partitions": None},
            "fp32": file(5_491_760, 1, []),
            "int8": file(1_548_272, int8_partitions, outside or []),
        },
        "checks": [
            check("ONNX", "PyTorch", 0.5, 1.0),
            check("fp32 TFLite", "PyTorch", float_error / 2, "inf"),
            check("fp32 TFLite", "PyTorch", float_error, 119.0),
            check("int8 TFLite", "QDQ in ONNX Runtime", 0.01, 33.0),
            check("int8 TFLite", "fp32 TFLite", 0.09, 15.45),
        ],
        "failures": failures or [],
    }


@pytest.fixture
def report() -> Callable[..., dict[str, Any]]:
    """Makes a report; what is not given is as it should be."""
    return _report
