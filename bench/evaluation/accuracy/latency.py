"""How long the artifacts of a run take on this host, by the bench's protocol."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from mobiledeploy.base.files import safe_stem
from mobiledeploy.bench.devices.host import Host
from mobiledeploy.bench.evaluation.accuracy.row import Row
from mobiledeploy.bench.latency.models import models_of
from mobiledeploy.bench.latency.protocol import measure

__all__ = ["measure_latency"]


def measure_latency(rows: Sequence[Row], folder: Path) -> dict[tuple[str, str], dict[str, Any]]:
    """(network, method) -> median and ratio to the network's first artifact, each with its 95 % interval.

    The artifacts of a network are measured in turns, so that their ratios hold on a machine that drifts.

    Args:
        folder: Where the run keeps its files.

    Raises:
        InputError: The host cannot be measured on.
    """
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for network in dict.fromkeys(row.network for row in rows):
        files = {
            row.method: path
            for row in rows
            if row.network == network
            for path in (folder / safe_stem(network) / row.method).glob("*_int8.tflite")
        }
        if not files:
            continue
        models = models_of(list(files.values()))
        named = [replace(model, name=name) for name, model in zip(files, models, strict=True)]
        measured = measure(Host(), named)
        for name, figures, relative in zip(files, measured.summaries, measured.ratios, strict=True):
            found[network, name] = {
                "median_ms": figures.median.value,
                "median_low_ms": figures.median.low,
                "median_high_ms": figures.median.high,
                "ratio": relative.to_json(),
                "doubts": list(measured.reasons),
            }
    return found
