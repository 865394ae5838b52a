"""The parts of a measurement of latency, as tables."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from mobiledeploy.base.section import Section
from mobiledeploy.bench.latency.samples import Ratio, Summary
from mobiledeploy.bench.runner.records import ModelLatency, State

__all__ = ["circumstances", "latency_rows", "loading_section", "profile_sections", "ratio_section"]


def latency_rows(models: Sequence[ModelLatency], summaries: Sequence[Summary]) -> list[dict[str, str]]:
    """Return milliseconds of an inference of each model."""
    return [
        {
            "model": model.name,
            "median ms": _ms(figures.median_ms.value),
            "95 %": f"± {figures.median_ms.half_width:.1%}",
            "calm": _ms(figures.calm_ms.value),
            "min": _ms(figures.min_ms),
            "p90": _ms(figures.p90_ms),
            "p99": _ms(figures.p99_ms),
            "IQR": _ms(figures.iqr_ms),
        }
        for model, figures in zip(models, summaries, strict=True)
    ]


def ratio_section(models: Sequence[ModelLatency], ratios: Sequence[Ratio]) -> Section:
    """Return the latency of each model over that of the first."""
    rows = [
        {
            "models": f"{model.name} / {models[0].name}",
            "ratio": f"{relative.value:.3f}",
            "95 %": f"{relative.low:.3f} - {relative.high:.3f}",
            "of rounds": f"{relative.share:.0%}",
            "in others": "" if relative.disturbed is None else f"{relative.disturbed:.3f}",
        }
        for model, relative in list(zip(models, ratios, strict=True))[1:]
    ]
    return Section("In turns, pair by pair", rows, names=["models"])


def loading_section(models: Sequence[ModelLatency]) -> Section:
    """Return what was taken of each model alone, and which file it was."""
    rows = [
        {
            "model": model.name,
            "init ms": _ms(model.init_ms),
            "first ms": _ms(model.first_ms),
            "peak MiB": "" if model.peak_memory_mb is None else f"{model.peak_memory_mb:.1f}",
            **model.file_cells,
        }
        for model in models
    ]
    return Section("Each alone, in a process of its own", rows, names=["model"])


def profile_sections(models: Sequence[ModelLatency]) -> Iterator[Section]:
    """Return mean milliseconds of each op, from a runner that takes them."""
    for model in models:
        if model.op_profile:
            total = sum(model.op_profile.values())
            slowest_first = sorted(model.op_profile.items(), key=lambda item: -item[1])
            rows = [{"op": op, "mean ms": _ms(ms), "share": f"{ms / total:.1%}"} for op, ms in slowest_first]
            yield Section(model.name, rows, names=["op"])


def circumstances(first: State, last: State, core: int) -> str:
    """Clock, temperature and battery before and after, as far as the device tells; empty if it does not."""
    pairs = zip(_told(first, core), _told(last, core), strict=True)
    told = [f"{before} -> {after}" if before != after else before for before, after in pairs if before]
    return f"before -> after: {', '.join(told)}" if told else ""


def _told(state: State, core: int) -> Iterator[str]:
    clock, governor = state.clocks_khz.get(core), state.governors.get(core)
    yield "" if clock is None else f"{clock / 1e6:.2f} GHz" + (f" ({governor})" if governor else "")
    hottest = max(state.temperatures_c.values(), default=None)
    yield "" if hottest is None else f"{hottest:.0f} °C"
    yield "" if state.thermal_status is None else f"thermal status {state.thermal_status}"
    yield "" if state.battery_percent is None else f"battery {state.battery_percent} %"


def _ms(value: float) -> str:
    """Four figures, which is what the precision is good for.

    >>> _ms(1.23456), _ms(0.0456), _ms(123.456)
    ('1.235', '0.046', '123.5')
    """
    return f"{value:.3f}" if value < 10 else f"{value:.2f}" if value < 100 else f"{value:.1f}"
