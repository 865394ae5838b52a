"""A measurement of latency: everything that was observed, and what follows from it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

from mobiledeploy.base.section import Cell, Section, Styled
from mobiledeploy.bench.latency.samples import Ratio, Samples, Summary, ratio, summary
from mobiledeploy.bench.latency.sections import (
    circumstances,
    latency_rows,
    loading_section,
    profile_sections,
    ratio_section,
)
from mobiledeploy.bench.latency.settings import Limits, Settings
from mobiledeploy.bench.latency.stability import Observed, reasons_for_doubt
from mobiledeploy.bench.runner.records import Core, Identity, Launch, ModelLatency

__all__ = ["Measurement"]


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
    models: tuple[ModelLatency, ...]
    observed: tuple[Observed, ...]

    @cached_property
    def samples(self) -> tuple[Samples, ...]:
        """Milliseconds of each model by launch, round and inference."""
        launches = zip(*(each.launch.models for each in self.observed), strict=True)
        return tuple([launch.rounds_ms for launch in model] for model in launches)

    @cached_property
    def summaries(self) -> tuple[Summary, ...]:
        """Statistics of each model."""
        return tuple(summary(samples) for samples in self.samples)

    @cached_property
    def ratios(self) -> tuple[Ratio, ...]:
        """Latency of each model over that of the first, pair by pair; the first is 1."""
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
        """Return plain data, raw samples included."""
        models = [
            record.to_json()
            | asdict(figures)
            | {"ratio_to_first": asdict(relative), "samples_ms": [list(map(list, x)) for x in samples]}
            for record, figures, relative, samples in zip(
                self.models, self.summaries, self.ratios, self.samples, strict=True
            )
        ]
        launches = [
            {"before": asdict(each.before), "after": asdict(each.after)} | _without_samples(each.launch)
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

    def sections(self, per_op: bool = False) -> Iterator[Section]:
        """Return what was measured, and whether it can be repeated; by op, too, if that was taken."""
        doubts = Styled("not stable: " + ";\n  ".join(self.reasons), "bad")
        around = circumstances(self.observed[0].before, self.observed[-1].after, self.core)
        verdict = doubts if self.reasons else Styled("stable", "ok")
        notes: list[Cell] = [verdict, *filter(None, (around, self.note))]
        yield Section(self._title, latency_rows(self.models, self.summaries), notes, names=["model"])
        if len(self.models) > 1:
            yield ratio_section(self.models, self.ratios)
        yield loading_section(self.models)
        yield from profile_sections(self.models)

    @property
    def _title(self) -> str:
        soc = f" ({self.identity.soc})" if self.identity.soc else ""
        fastest = next((core.max_khz for core in self.cores if core.number == self.core), None)
        clock = f", up to {fastest / 1e6:.2f} GHz" if fastest else ""
        return (
            f"{self.identity.name}{soc}, {self.identity.system}\n{self.runtime}, one thread on core "
            f"{self.core} of {len(self.cores)}{clock}, {self.summaries[0].count} inferences of each model"
        )

    def exceeded(self, limits: Limits) -> Iterator[str]:
        """Say what is over a limit."""
        where = self.identity.name
        for model, figures in zip(self.models, self.summaries, strict=True):
            if limits.ms is not None and figures.median_ms.value > limits.ms:
                yield (
                    f"{model.name} takes {figures.median_ms.value:.3f} ms on {where}, expected at most "
                    f"{limits.ms:g} ms; make it faster, or raise --max-ms"
                )
        if limits.stable and self.reasons:
            yield (
                f"the measurement on {where} is not stable, expected it to be: {'; '.join(self.reasons)}; "
                "measure again while the device does nothing else, or raise --time-limit"
            )


_OF_LAUNCH = ("core", "seconds", "clock_khz", "involuntary_switches", "peak_memory_mb", "complete")
_OF_MODELS = ("warm_up_ms", "warm", "init_ms", "first_ms")


def _without_samples(launch: Launch) -> dict[str, Any]:
    models = {name: [getattr(model, name) for model in launch.models] for name in _OF_MODELS}
    return {name: getattr(launch, name) for name in _OF_LAUNCH} | models
