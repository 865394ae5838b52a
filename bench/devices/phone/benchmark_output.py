"""Takes apart what Google's benchmark_model prints.

The format is that of tensorflow/lite/tools/benchmark, since then tflite/tools/benchmark in LiteRT:
benchmark_model.cc and benchmark_tflite_model.cc, with tools/logging.h, profiling/profile_summary_formatter.cc
and tsl/util/stats_calculator.cc. Lines have a prefix "INFO: " since 2021, and which stream they go to has
changed, so neither is relied on.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from mobiledeploy.base.errors import DeviceError

__all__ = ["BenchmarkOutput", "complaint", "parse", "unknown_flags"]

_NUMBER = r"(-?[\d.]+(?:e[+-]?\d+)?)"
_TIMINGS = re.compile(
    rf"Inference timings in us: Init: {_NUMBER}, First inference: {_NUMBER}, "
    rf"Warmup \(avg\): {_NUMBER}, Inference \(avg\): {_NUMBER}[ \t\r]*\n"
)
_COUNT = re.compile(r"^(?:INFO: )?count=(\d+)", re.MULTILINE)
_PEAK = re.compile(rf"Overall peak memory footprint \(MB\) via periodic monitoring: {_NUMBER}")
_PROFILE = "Operator-wise Profiling Info for Regular Benchmark Runs:"
_BY_TYPE = re.compile(r"^=+ Summary by node type =+\s*$", re.MULTILINE)
_DELEGATED = (
    ("the model graph will be completely executed by the delegate", True),
    ("the model graph will be partially executed by the delegate", False),
    ("the model graph will not be executed by the delegate", False),
)


@dataclass(frozen=True)
class BenchmarkOutput:
    """One start of benchmark_model. Milliseconds.

    Attributes:
        mean_ms: Over the measured inferences.
        warm_up_ms: Mean over the warm-up.
        count: Number of measured inferences.
        fully_delegated: None if no delegate was asked for.
        peak_memory_mb: None unless it was asked for. Units of 2^20 bytes.
        op_profile: Kind of op -> milliseconds per inference; empty unless it was asked for.
    """

    init_ms: float
    first_ms: float
    warm_up_ms: float
    mean_ms: float
    count: int
    fully_delegated: bool | None = None
    peak_memory_mb: float | None = None
    op_profile: Mapping[str, float] = field(default_factory=dict)


def parse(text: str) -> BenchmarkOutput:
    """Return the figures out of stdout and stderr of a start that ended well.

    Raises:
        DeviceError: They are not there, or make no sense. The message shows the first line.
    """
    timings, counts = _TIMINGS.search(text), _COUNT.findall(text)
    if timings is None or len(counts) < 2:
        raise _unreadable(text, "its line of inference timings")
    try:
        init_us, first_us, warm_up_us, mean_us = map(float, timings.groups())
    except ValueError as error:
        raise _unreadable(text, "numbers for timings") from error
    count = int(counts[1])  # the warm-up's is the first
    if count == 0 or mean_us <= 0:
        raise _unreadable(text, "at least one measured inference")
    peak = _PEAK.search(text)
    return BenchmarkOutput(
        init_ms=init_us / 1e3,
        first_ms=first_us / 1e3,
        warm_up_ms=warm_up_us / 1e3,
        mean_ms=mean_us / 1e3,
        count=count,
        fully_delegated=next((whole for words, whole in _DELEGATED if words in text), None),
        peak_memory_mb=float(peak.group(1)) if peak else None,
        op_profile=_op_profile(text),
    )


def unknown_flags(text: str) -> tuple[str, ...]:
    """Return the flags that it has run without, as its release does not know them."""
    found = re.search(r"Unconsumed cmdline flags: (.*)", text)
    return tuple(re.findall(r"--(\w+)", found.group(1))) if found else ()


def complaint(text: str) -> str:
    """Return the first thing that it calls an error; empty if there is none."""
    found = re.search(r"^(?:ERROR|FATAL): (.+)$", text, re.MULTILINE)
    return found.group(1).strip() if found else ""


def _op_profile(text: str) -> dict[str, float]:
    """Read the table by kind of op: [Node type] [count] [avg ms] ..., separated by tabs.

    A model with several subgraphs has a table for each, and a delegate may have one of its own.
    """
    found: dict[str, float] = {}
    _, _, profile = text.partition(_PROFILE)
    for section in _BY_TYPE.split(profile)[1:]:
        header, *rows = section.strip("\r\n").splitlines() or [""]
        names = [name.strip() for name in header.split("\t")]
        if "[Node type]" not in names or "[avg ms]" not in names:
            raise _unreadable(text, "the column [avg ms] in its profile")
        kind, milliseconds = names.index("[Node type]"), names.index("[avg ms]")
        for row in rows:
            cells = [cell.strip() for cell in row.split("\t")]
            if len(cells) < len(names):
                break  # an empty line ends the table
            try:
                found[cells[kind]] = found.get(cells[kind], 0.0) + float(cells[milliseconds])
            except ValueError as error:
                raise _unreadable(text, "milliseconds in its profile") from error
    return found


def _unreadable(text: str, missing: str) -> DeviceError:
    lines = text.strip().splitlines()
    shown = f"begins with {repr(lines[0].strip())[:120]}" if lines else "is empty"
    return DeviceError(
        f"the output of benchmark_model {shown}, expected {missing} in it; run it by hand to see what it says"
    )
