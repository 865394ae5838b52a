"""The figures of one export, and what is wrong with them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

from mobiledeploy.bench.evaluation.zoo.export import FLOAT_ERROR, Export
from mobiledeploy.runtime.partitions import UNEXPLAINED

__all__ = ["Row", "misses", "row"]

PRECISIONS = ("fp32", "int8")


@dataclass(frozen=True)
class Row:
    """One export's figures.

    Attributes:
        float_error: largest difference of the fp32 artifact's output from PyTorch's, as a share of its range.
        sqnr_db: of the int8 artifact's output against the fp32 artifact's.
        partitions: XNNPACK partitions by precision.
        outside: by precision, (op, why it is not delegated) -> how many.
        size_bytes: by precision.
        failures: which thresholds of the export are missed, in its words.
    """

    network: str
    parameters: int
    multiply_adds: int
    float_error: float
    sqnr_db: float
    partitions: dict[str, int]
    outside: dict[str, Counter[tuple[str, str]]]
    size_bytes: dict[str, int]
    seconds: float
    failures: list[str]


def row(export: Export) -> Row | None:
    """The figures in an export's report; None if it has none."""
    report = export.report
    if report is None:
        return None
    model, artifacts = (
        report["model"],
        {precision: report["artifacts"][precision] for precision in PRECISIONS},
    )
    return Row(
        network=str(export.job),
        parameters=model["parameters"],
        multiply_adds=model["multiply_adds"],
        float_error=max(_figures(report, "fp32 TFLite", "PyTorch", "relative_error")),
        sqnr_db=min(_figures(report, "int8 TFLite", "fp32 TFLite", "sqnr_db")),
        partitions={precision: file["partitions"]["count"] for precision, file in artifacts.items()},
        outside={
            precision: Counter((op["op"], op["reason"]) for op in file["partitions"]["outside"])
            for precision, file in artifacts.items()
        },
        size_bytes={precision: file["size_bytes"] for precision, file in artifacts.items()},
        seconds=export.seconds,
        failures=report["failures"],
    )


def _figures(report: dict[str, Any], candidate: str, reference: str, figure: str) -> list[float]:
    """A figure of each output that was compared. JSON has an infinite one as text."""
    return [
        float(check[figure])
        for check in report["checks"]
        if (check["candidate"], check["reference"]) == (candidate, reference)
    ]


def misses(export: Export) -> list[str]:
    """What keeps an export from being as it should, in words; empty if nothing does."""
    found = row(export)
    if found is None:
        return [export.error]
    wrong = list(found.failures)
    if found.float_error >= FLOAT_ERROR:
        wrong.append(f"fp32 errs by {found.float_error:.1e} of the range, expected less than {FLOAT_ERROR:g}")
    for precision, count in found.partitions.items():
        reasons = [reason for _, reason in found.outside[precision]]
        if count != 1 and (not reasons or any(reason.endswith(UNEXPLAINED) for reason in reasons)):
            wrong.append(f"{precision} has {count} partitions, expected 1 or an op and a reason for it")
    return wrong
