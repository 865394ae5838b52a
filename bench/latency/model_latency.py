"""What is taken of a model in a process of its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from mobiledeploy.bench.runner.records import ModelResult

__all__ = ["ModelLatency"]


@dataclass(frozen=True, kw_only=True)
class ModelLatency(ModelResult):
    """A model, and what was taken of it in a process of its own.

    Attributes:
        init_ms: Reading the file and preparing it for the first inference.
        first_ms: The first inference.
        peak_memory_mb: Largest resident set of that process, in units of 2^20 bytes.
        op_profile: Op -> mean milliseconds, from a runner that profiles.
    """

    init_ms: float
    first_ms: float
    peak_memory_mb: float | None
    op_profile: Mapping[str, float] = field(default_factory=dict)
