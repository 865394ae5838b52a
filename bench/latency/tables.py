"""The parts of a measurement as a terminal shows them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.table import Table
from rich.text import Text

from mobiledeploy.base.terminal import plain_table
from mobiledeploy.bench.latency.samples import Ratio, Summary
from mobiledeploy.bench.runner.records import ModelLatency, State

__all__ = ["circumstances", "latency_table", "loading_table", "profile_tables", "ratio_table"]


def latency_table(models: Sequence[ModelLatency], summaries: Sequence[Summary]) -> Table:
    """Milliseconds of an inference of each model."""
    table = plain_table("median ms", "95 %", "calm", "min", "p90", "p99", "IQR")
    for model, figures in zip(models, summaries, strict=True):
        median = figures.median
        others = (figures.calm.value, figures.minimum, figures.p90, figures.p99, figures.iqr)
        table.add_row(
            Text(model.name), _ms(median.value), f"± {median.half_width:.1%}", *(_ms(ms) for ms in others)
        )
    return table


def ratio_table(models: Sequence[ModelLatency], ratios: Sequence[Ratio]) -> Table:
    """Latency of each model over that of the first."""
    table = plain_table("ratio", "95 %", "of rounds", "in others", first="in turns, pair by pair")
    for model, relative in list(zip(models, ratios, strict=True))[1:]:
        table.add_row(
            Text(f"{model.name} / {models[0].name}"),
            f"{relative.value:.3f}",
            f"{relative.low:.3f} - {relative.high:.3f}",
            f"{relative.share:.0%}",
            "" if relative.disturbed is None else f"{relative.disturbed:.3f}",
        )
    return table


def loading_table(models: Sequence[ModelLatency]) -> Table:
    """What was taken of each model alone, and which file it was."""
    table = plain_table("init ms", "first ms", "peak MiB", "XNNPACK", "size kB", "SHA-256")
    for model in models:
        peak = "" if model.peak_memory_mb is None else f"{model.peak_memory_mb:.1f}"
        table.add_row(Text(model.name), _ms(model.init_ms), _ms(model.first_ms), peak, *model.file_cells)
    return table


def profile_tables(models: Sequence[ModelLatency]) -> Iterator[Table]:
    """Mean milliseconds of each op, from a runner that takes them."""
    for model in models:
        if not model.op_profile:
            continue
        table = plain_table("mean ms", "share", title=model.name, first="op")
        total = sum(model.op_profile.values())
        for name, ms in sorted(model.op_profile.items(), key=lambda item: -item[1]):
            table.add_row(Text(name), _ms(ms), f"{ms / total:.1%}")
        yield table


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
