"""A measurement of latency: everything that was observed, and what follows from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any

from mobiledeploy.bench.devices.sysfs import Core
from mobiledeploy.bench.latency.samples import Ratio, Samples, Summary, ratio, summary
from mobiledeploy.bench.latency.settings import Settings
from mobiledeploy.bench.latency.stability import Observed, reasons_for_doubt
from mobiledeploy.bench.runner.records import Identity

__all__ = ["Measurement", "ModelRecord"]


@dataclass(frozen=True)
class ModelRecord:
    """A model, and what was taken of it in a process of its own.

    Attributes:
        init_ms: Reading the file and preparing it for the first inference.
        first_ms: The first inference.
        peak_memory_mb: Largest resident set of that process, in units of 2^20 bytes.
        fully_delegated: Whether XNNPACK took the whole graph.
        outputs: Bytes of each output, where they were asked for.
        op_profile: Op -> mean milliseconds, from a runner that profiles.
    """

    name: str
    path: str
    sha256: str
    size_bytes: int
    init_ms: float
    first_ms: float
    peak_memory_mb: float | None
    fully_delegated: bool | None
    outputs: tuple[bytes, ...] = ()
    op_profile: Mapping[str, float] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        plain = asdict(self)
        del plain["outputs"]
        return plain


@dataclass(frozen=True)
class Measurement:
    """Latency of one or more models on one device.

    Attributes:
        note: One line that qualifies the figures.
        started: Date and time, UTC, ISO 8601.
        core: Which core was measured on.
        observed: All launches, with the device's state before and after each.
    """

    identity: Identity
    note: str
    started: str
    core: int
    cores: tuple[Core, ...]
    settings: Settings
    models: tuple[ModelRecord, ...]
    observed: tuple[Observed, ...]

    @cached_property
    def samples(self) -> tuple[Samples, ...]:
        """For each model its milliseconds by launch, round and inference."""
        launches = zip(*(each.launch.models for each in self.observed), strict=True)
        return tuple([launch.rounds_ms for launch in model] for model in launches)

    @cached_property
    def summaries(self) -> tuple[Summary, ...]:
        """For each model."""
        return tuple(summary(samples) for samples in self.samples)

    @cached_property
    def ratios(self) -> tuple[Ratio, ...]:
        """For each model its latency over that of the first, pair by pair; the first is 1."""
        return tuple(ratio(samples, self.samples[0]) for samples in self.samples)

    @cached_property
    def reasons(self) -> list[str]:
        """Why the measurement is not stable; empty if it is."""
        return reasons_for_doubt(self.observed, self.samples, self.summaries, self.ratios, self.settings)

    @property
    def runtime(self) -> str:
        """Name and version of what ran the models."""
        return self.observed[0].launch.runtime

    def to_json(self) -> dict[str, Any]:
        """Plain data, raw samples included."""
        models = [
            record.to_json()
            | figures.to_json()
            | {"ratio_to_first": relative.to_json(), "samples_ms": [list(map(list, x)) for x in samples]}
            for record, figures, relative, samples in zip(
                self.models, self.summaries, self.ratios, self.samples, strict=True
            )
        ]
        launches = [
            {"before": asdict(each.before), "after": asdict(each.after)} | _without_samples(each)
            for each in self.observed
        ]
        return {
            "kind": "latency",
            "device": asdict(self.identity),
            "note": self.note,
            "started": self.started,
            "runtime": self.runtime,
            "core": self.core,
            "cores": [asdict(core) for core in self.cores],
            "settings": asdict(self.settings),
            "stable": not self.reasons,
            "reasons": self.reasons,
            "models": models,
            "launches": launches,
        }


def _without_samples(observed: Observed) -> dict[str, Any]:
    launch = observed.launch
    return {
        "core": launch.core,
        "seconds": launch.seconds,
        "clock_khz": list(launch.clock_khz),
        "involuntary_switches": launch.involuntary_switches,
        "peak_memory_mb": launch.peak_memory_mb,
        "complete": launch.complete,
        "warm_up_ms": [list(model.warm_up_ms) for model in launch.models],
        "warm": [model.warm for model in launch.models],
        "init_ms": [model.init_ms for model in launch.models],
        "first_ms": [model.first_ms for model in launch.models],
    }
