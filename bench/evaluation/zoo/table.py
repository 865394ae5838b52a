"""The page of all exports, as Markdown."""

from __future__ import annotations

import os
from collections.abc import Sequence

from mobiledeploy.bench.devices.machine import processor
from mobiledeploy.bench.evaluation.zoo.export import FLOAT_ERROR, Export
from mobiledeploy.bench.evaluation.zoo.row import PRECISIONS, Row, row

__all__ = ["page"]

COLUMNS = (
    "network",
    "parameters M",
    "MAdds M",
    "fp32 error",
    "partitions fp32 / int8",
    "ops outside",
    "int8 SQNR dB",
    "MB fp32 / int8",
    "seconds",
)

PACKAGES = ("torch", "onnxruntime", "ai-edge-litert")

PREFACE = """\
# All networks, exported

Written by `{command}`, not by hand: {versions}, on {machine}.

Each network in its own input size, with 1000 classes, initial weights of seed 0, and int8 calibrated on
generated images. *fp32 error*: largest difference of the fp32 artifact's output from PyTorch's, as a share of
the output's range; demanded is less than {limit:g}. *Partitions*: pieces that XNNPACK runs; 1 is the whole
network. *SQNR*: the int8 artifact's output against the fp32 artifact's. On initial weights it shows whether
quantization changed from one version of mobiledeploy to the next; it says nothing of accuracy, and does not
compare networks. *Seconds*: of the whole command, checks included.
"""


def page(exports: Sequence[Export], command: str) -> str:
    """The preface and the table; `command` is what wrote it."""
    preface = PREFACE.format(
        command=command,
        versions=_versions(exports),
        machine=f"{processor()}, {os.cpu_count()} logical cores",
        limit=FLOAT_ERROR,
    )
    lines = [_line(COLUMNS), _line(["---"] * len(COLUMNS)), *(_line(_cells(export)) for export in exports)]
    return "\n".join([preface, *lines, ""])


def _versions(exports: Sequence[Export]) -> str:
    for export in exports:
        if export.report is not None:
            numbers = {"mobiledeploy": export.report["mobiledeploy"]} | {
                name: export.report["packages"][name] for name in PACKAGES
            }
            return ", ".join(f"{name} {number}" for name, number in numbers.items())
    return "no version, as no export came through"


def _cells(export: Export) -> list[str]:
    found = row(export)
    if found is None:
        return [str(export.job), *[""] * 4, f"not exported: {export.error}", "", "", f"{export.seconds:.0f}"]
    return [
        found.network,
        f"{found.parameters / 1e6:.2f}",
        f"{found.multiply_adds / 1e6:.1f}",
        f"{found.float_error:.1e}",
        " / ".join(str(found.partitions[precision]) for precision in PRECISIONS),
        _outside(found),
        f"{found.sqnr_db:.1f}",
        " / ".join(f"{found.size_bytes[precision] / 1e6:.2f}" for precision in PRECISIONS),
        f"{found.seconds:.0f}",
    ]


def _outside(found: Row) -> str:
    return "; ".join(
        f"{precision}: {count} {op} ({reason})"
        for precision in PRECISIONS
        for (op, reason), count in found.outside[precision].items()
    )


def _line(cells: Sequence[str]) -> str:
    escaped = [cell.replace("|", r"\|") for cell in cells]
    return f"| {' | '.join(escaped)} |"
