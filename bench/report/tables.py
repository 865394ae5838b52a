"""Measurements as tables for a terminal, and as CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from typing import Any

from rich import box
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from mobiledeploy.bench.devices.arm.instruction_count import InstructionCount, ModelCount
from mobiledeploy.bench.latency.measurement import Measurement
from mobiledeploy.bench.runner.records import State

__all__ = ["count_tables", "csv_text", "latency_tables", "plain_table", "tables"]


def plain_table(*columns: str, title: str | None = None, first: str = "model") -> Table:
    """The first column is text, the others are numbers."""
    table = Table(
        title=None if title is None else Text(title, style="bold"),
        title_justify="left",
        box=box.SIMPLE_HEAD,
        show_edge=False,
        padding=(0, 1, 0, 0),
    )
    table.add_column(first, overflow="fold")
    for column in columns:
        table.add_column(column, justify="right")
    return table


def tables(
    results: Sequence[Measurement | InstructionCount], per_op: bool = False
) -> Iterator[RenderableType]:
    """All results of a run.

    Args:
        per_op: Whether to list the instructions of every op.
    """
    for result in results:
        if isinstance(result, InstructionCount):
            yield from count_tables(result, per_op)
        else:
            yield from latency_tables(result)


def latency_tables(measured: Measurement) -> Iterator[RenderableType]:
    """What was measured on one device, and whether it can be repeated."""
    yield Text(_title(measured), style="bold")
    yield _latency_table(measured)
    if len(measured.models) > 1:
        yield _ratio_table(measured)
    yield _loading_table(measured)
    yield from _profile_tables(measured)
    yield _verdict(measured)
    yield Text("\n".join(_circumstances(measured)))


def _latency_table(measured: Measurement) -> Table:
    table = plain_table("median ms", "95 %", "calm", "min", "p90", "p99", "IQR")
    for model, figures in zip(measured.models, measured.summaries, strict=True):
        table.add_row(
            Text(model.name),
            _ms(figures.median.value),
            f"± {figures.median.half_width:.1%}",
            _ms(figures.calm.value),
            _ms(figures.minimum),
            _ms(figures.p90),
            _ms(figures.p99),
            _ms(figures.iqr),
        )
    return table


def _ratio_table(measured: Measurement) -> Table:
    table = plain_table("ratio", "95 %", "of rounds", "in others", first="in turns, pair by pair")
    first = measured.models[0].name
    for model, relative in list(zip(measured.models, measured.ratios, strict=True))[1:]:
        table.add_row(
            Text(f"{model.name} / {first}"),
            f"{relative.value:.3f}",
            f"{relative.low:.3f} - {relative.high:.3f}",
            f"{relative.share:.0%}",
            "" if relative.disturbed is None else f"{relative.disturbed:.3f}",
        )
    return table


def _title(measured: Measurement) -> str:
    identity = measured.identity
    soc = f" ({identity.soc})" if identity.soc else ""
    fastest = next((core.max_khz for core in measured.cores if core.number == measured.core), None)
    clock = f", up to {fastest / 1e6:.2f} GHz" if fastest else ""
    count = measured.summaries[0].count
    return (
        f"{identity.name}{soc}, {identity.system}\n{measured.runtime}, one thread on core {measured.core} of "
        f"{len(measured.cores)}{clock}, {count} inferences of each model"
    )


def _ms(value: float) -> str:
    """Four figures, which is what the precision is good for.

    >>> _ms(1.23456), _ms(0.0456), _ms(123.456)
    ('1.235', '0.046', '123.5')
    """
    return f"{value:.3f}" if value < 10 else f"{value:.2f}" if value < 100 else f"{value:.1f}"


def _loading_table(measured: Measurement) -> Table:
    columns = ("init ms", "first ms", "peak MiB", "XNNPACK", "size kB", "SHA-256")
    table = plain_table(*columns)
    for model in measured.models:
        table.add_row(
            Text(model.name),
            _ms(model.init_ms),
            _ms(model.first_ms),
            "" if model.peak_memory_mb is None else f"{model.peak_memory_mb:.1f}",
            _delegated(model.fully_delegated),
            f"{model.size_bytes / 1e3:.0f}",
            model.sha256[:12],
        )
    return table


def _verdict(measured: Measurement) -> Text:
    if not measured.reasons:
        return Text("stable", style="green")
    return Text("not stable: " + ";\n  ".join(measured.reasons), style="red")


def _circumstances(measured: Measurement) -> Iterator[str]:
    """Clock, temperature and battery before and after, as far as the device tells."""
    first, last = measured.observed[0].before, measured.observed[-1].after
    pairs = list(zip(_state(first, measured.core), _state(last, measured.core), strict=True))
    told = [f"{before} -> {after}" if before != after else before for before, after in pairs if before]
    if told:
        yield "before -> after: " + ", ".join(told)
    if measured.note:
        yield measured.note


def _state(state: State, core: int) -> Iterator[str]:
    clock, governor = state.clocks_khz.get(core), state.governors.get(core)
    yield "" if clock is None else f"{clock / 1e6:.2f} GHz" + (f" ({governor})" if governor else "")
    hottest = max(state.temperatures_c.values(), default=None)
    yield "" if hottest is None else f"{hottest:.0f} °C"
    yield "" if state.thermal_status is None else f"thermal status {state.thermal_status}"
    yield "" if state.battery_percent is None else f"battery {state.battery_percent} %"


def count_tables(counted: InstructionCount, per_op: bool = False) -> Iterator[RenderableType]:
    """What was counted on one emulated core, and that it is no latency."""
    identity = counted.identity
    place = f"{identity.name}, {identity.system}\n{counted.runtime}, {counted.system}, one thread"
    yield Text(place, style="bold")
    yield _count_table(counted)
    yield _shares_table(counted)
    for model in counted.models:
        if per_op and model.ops:
            yield _ops_table(model)
        elif model.no_ops_because:
            yield Text(f"{model.name} could not be counted by op: {model.no_ops_because}", style="yellow")
    yield Text(counted.note)


def _shares_table(counted: InstructionCount) -> Table:
    kinds = sorted(
        {kind for model in counted.models for kind in model.shares},
        key=lambda kind: -max(model.shares.get(kind, 0.0) for model in counted.models),
    )
    table = plain_table(*kinds)
    for model in counted.models:
        table.add_row(Text(model.name), *(f"{model.shares.get(kind, 0.0):.1%}" for kind in kinds))
    return table


def _count_table(counted: InstructionCount) -> Table:
    table = plain_table("M instructions", "/ first", "spread", "XNNPACK", "size kB", "SHA-256")
    for model in counted.models:
        table.add_row(
            Text(model.name),
            f"{model.instructions / 1e6:.3f}",
            f"{model.instructions / counted.models[0].instructions:.4f}",
            f"{model.spread:.4%}",
            _delegated(model.fully_delegated),
            f"{model.size_bytes / 1e3:.0f}",
            model.sha256[:12],
        )
    return table


def _delegated(fully: bool | None) -> str:
    return {True: "all", False: "part", None: ""}[fully]


def _ops_table(model: ModelCount) -> Table:
    """Every op in the order of the file; what no op accounts for comes last."""
    table = plain_table("output", "k instructions", "share", "per MAdd", title=model.name, first="op")
    for op in model.ops:
        table.add_row(
            f"{op.ops[0]} {'+'.join(op.types)}" + ("" if op.delegated else " (outside)"),
            Text(f"{op.output} {'x'.join(map(str, op.shape))}", overflow="ellipsis"),
            f"{op.instructions / 1e3:.1f}",
            f"{op.instructions / model.instructions:.1%}",
            f"{op.instructions / op.multiply_adds:.3f}" if op.multiply_adds else "",
        )
    rest = model.runtime_instructions or 0
    table.add_row("runtime", "", f"{rest / 1e3:.1f}", f"{rest / model.instructions:.1%}", "")
    return table


def _profile_tables(measured: Measurement) -> Iterator[Table]:
    """Mean milliseconds of each op, from a runner that takes them."""
    for model in measured.models:
        if not model.op_profile:
            continue
        table = plain_table("mean ms", "share", title=model.name, first="op")
        total = sum(model.op_profile.values())
        for name, ms in sorted(model.op_profile.items(), key=lambda item: -item[1]):
            table.add_row(Text(name), _ms(ms), f"{ms / total:.1%}")
        yield table


_CSV = ("min_ms", "p90_ms", "p99_ms", "iqr_ms", "count", "init_ms", "first_ms", "peak_memory_mb", "sha256")


def csv_text(results: Sequence[dict[str, Any]]) -> str:
    """A line for each model on each device, latency or instructions, from what their `to_json` gives."""
    rows = [row for result in results for row in _csv_rows(result)]
    columns = list(dict.fromkeys(column for row in rows for column in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _csv_rows(result: dict[str, Any]) -> Iterator[dict[str, Any]]:
    device = result["device"]
    shared = {
        "kind": result["kind"],
        "device": device["key"],
        "name": device["name"],
        "runtime": result["runtime"],
    }
    for model in result["models"]:
        row = shared | {"model": model["name"]}
        if result["kind"] == "latency":
            median, calm, relative = model["median_ms"], model["calm_ms"], model["ratio_to_first"]
            row |= {
                "median_ms": median["value"],
                "median_low_ms": median["low"],
                "median_high_ms": median["high"],
            }
            row |= {"calm_ms": calm["value"], "calm_low_ms": calm["low"], "calm_high_ms": calm["high"]}
            row |= {"ratio_to_first": relative["value"], "stable": result["stable"], "core": result["core"]}
            row |= {column: model[column] for column in _CSV}
        else:
            row |= {"instructions": model["instructions"], "sha256": model["sha256"]}
        yield row
