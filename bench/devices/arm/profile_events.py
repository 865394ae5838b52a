"""Tells each kernel's instructions from LiteRT's profile, by a clock that ticks once for each look at it.

LiteRT's interpreter looks at the clock before and after each op that it runs itself. XNNPACK looks once when
it begins a partition and once after each of its operators (XNN_FLAG_BASIC_PROFILING, xnn_invoke_runtime);
LiteRT is told only how long each of these took: the number of ticks, one for each part that the operator
consists of. Since nobody else looks at the clock in between, each tick belongs to one kernel.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

__all__ = ["Event", "KernelCount", "kernel_counts", "to_events"]

# litert/c/litert_profiler_event.h
_DEFAULT, _OPERATOR, _DELEGATE_OPERATOR = 1, 2, 8
_INVOKE = "Invoke"


@dataclass(frozen=True)
class Event:
    """A thing that LiteRT did, as its profiler noted it.

    Attributes:
        type: LiteRtProfilerEventType.
        start: The tick at its beginning; 0 for an operator of XNNPACK, of which it is not known.
        ticks: From beginning to end.
        index: for an op its place in the file; for an operator of XNNPACK: its place in the partition.
    """

    type: int
    start: int
    ticks: int
    index: int
    name: str


@dataclass(frozen=True)
class KernelCount:
    """A kernel that ran between two looks at the clock.

    Attributes:
        name: XNNPACK's of the operator, or the op's builtin name.
        instructions: Retired by it.
        op: Index in the file of an op that the interpreter ran itself; None for XNNPACK's.
        partition: Which partition an operator of XNNPACK belongs to, in the order in which they ran.
    """

    name: str
    instructions: int
    op: int | None = None
    partition: int | None = None


def to_events(rows: Sequence[Sequence[Any]]) -> list[Event]:
    """Events as the runner prints them.

    Raises:
        TypeError, ValueError: They have another form.
    """
    events = []
    for type_, start, ticks, index, name in rows:
        if not isinstance(name, str):
            raise ValueError(f"an event named {name!r}")
        events.append(Event(int(type_), int(start), int(ticks), int(index), name))
    return events


def kernel_counts(events: Sequence[Event], readings: Mapping[int, int], cost: int) -> list[KernelCount]:
    """Return the instructions of each kernel, in the order in which they ran.

    Args:
        readings: Tick -> instructions retired by then.
        cost: Instructions that a look at the clock takes itself.

    Raises:
        ValueError: The ticks do not fit the events: somebody else looked at the clock.
    """
    invoke = next((event for event in events if event.type == _DEFAULT and event.name == _INVOKE), None)
    if invoke is None:
        raise ValueError("no inference among the events")
    kernels: list[KernelCount] = []
    last, partition = invoke.start, -1
    for event in events:
        if event.type == _DELEGATE_OPERATOR:
            if event.index == 0:
                partition += 1
                last += 1  # the look at the partition's beginning
            start, place = last, {"partition": partition}
        elif event.type == _OPERATOR:
            start, place = event.start, {"op": event.index}
            _expect(start, last + 1)
        else:
            continue
        last = start + event.ticks
        if not {start, last} <= readings.keys():
            raise ValueError(f"no reading of tick {start} or {last}")
        retired = readings[last] - readings[start] - cost * event.ticks
        kernels.append(KernelCount(event.name, max(retired, 0), **place))
    _expect(invoke.start + invoke.ticks, last + 1)
    return kernels


def _expect(tick: int, wanted: int) -> None:
    if tick != wanted:
        raise ValueError(f"tick {tick} where {wanted} is due")
