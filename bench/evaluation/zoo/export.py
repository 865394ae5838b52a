"""Exports of registry networks, each in a process of its own, which neither memory nor failures leave."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mobiledeploy.models.registry import resolve, specs

__all__ = ["FLOAT_ERROR", "Export", "Job", "jobs", "run"]

FLOAT_ERROR = 1e-4
"""fp32 TFLite may err against PyTorch by less than this share of the output range."""

TIMEOUT_S = 1800
_MISSED_A_THRESHOLD = 3  # the exit code of an export that wrote artifacts and a report all the same


@dataclass(frozen=True)
class Job:
    """A network to export."""

    network: str
    width_mult: float = 1.0

    def __str__(self) -> str:
        return self.network if self.width_mult == 1 else f"{self.network} {self.width_mult:g}x"


@dataclass(frozen=True)
class Export:
    """What came of a job.

    Attributes:
        seconds: of the whole process.
        report: as report.json has it; None if there are no artifacts.
        error: why there are none.
    """

    job: Job
    seconds: float
    report: dict[str, Any] | None
    error: str = ""


def jobs(names: Sequence[str] = ()) -> list[Job]:
    """The networks of these names, else all, at width 1 and at the other widths that their facts list.

    Raises:
        InputError: no network of such a name.
    """
    chosen = [resolve(name) for name in names] or specs().values()
    return [
        Job(spec.name, width_mult)
        for spec in chosen
        for width_mult in (1.0, *(width.width_mult for width in spec.widths))
    ]


def run(job: Job, out: Path) -> Export:
    """Export with initial weights and generated images into a folder of `out`."""
    command = [sys.executable, "-m", "mobiledeploy", "export", job.network, "--int8", "--weights", "random"]
    command += [f"--max-float-error={FLOAT_ERROR}", "--json", "--quiet"]
    command.append(f"--out={out / str(job).replace(' ', '_')}")
    if job.width_mult != 1:
        command.append(f"--width-mult={job.width_mult}")
    start = time.perf_counter()
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
    except subprocess.TimeoutExpired:
        return Export(job, TIMEOUT_S, None, f"took longer than {TIMEOUT_S} s")
    seconds = time.perf_counter() - start
    if done.returncode in (0, _MISSED_A_THRESHOLD):
        return Export(job, seconds, json.loads(done.stdout)["report"])
    lines = done.stderr.strip().splitlines() or ["nothing"]
    return Export(job, seconds, None, f"ended with status {done.returncode} and said {lines[-1]}")
