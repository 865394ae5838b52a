"""Whether a measurement can be repeated, and if not, why: said in words that a user can act on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mobiledeploy.bench.latency.samples import Ratio, Samples, Summary
from mobiledeploy.bench.latency.settings import Settings
from mobiledeploy.bench.runner.records import Launch, State

__all__ = ["Observed", "reasons_for_doubt"]

DRIFT = 0.05
"""Change from the first third of launches to the last that counts as drift; launches differ by 1 to 3 %."""

SCATTER = 0.10
"""IQR over median that counts as scatter, as torch.utils.benchmark has it."""

CLOCK_CHANGE = 0.03
_SWITCHES_PER_S = 20.0
_BUSY = 0.5
_THERMAL_STATUS = ("none", "light", "moderate", "severe", "critical", "emergency", "shutdown")


@dataclass(frozen=True)
class Observed:
    """A launch, with the state of the device before and after it."""

    before: State
    launch: Launch
    after: State


def reasons_for_doubt(
    observed: Sequence[Observed],
    samples: Sequence[Samples],
    summaries: Sequence[Summary],
    ratios: Sequence[Ratio],
    settings: Settings,
) -> list[str]:
    """Return why the measurement is not stable, the cause before the symptom; empty if it is."""
    reasons = [*_throttling(observed), *_clock(observed), *_drift(samples)]
    cold = sum(not all(model.warm for model in each.launch.models) for each in observed)
    if 2 * cold > len(observed):
        reasons.append(f"the warm-up did not settle in {cold} of {len(observed)} launches")
    if len(observed) < settings.min_launches:
        reasons.append(
            f"only {len(observed)} of {settings.min_launches} launches fit into {settings.time_limit_s:g} s"
        )
    wide = max(summary.median_ms.half_width for summary in summaries)
    if wide > settings.precision:
        reasons.append(f"a median is known to {wide:.1%} only, asked for {settings.precision:.1%}")
    loose = max(ratio.half_width for ratio in ratios)
    if loose > settings.precision:
        reasons.append(f"a ratio is known to {loose:.1%} only, asked for {settings.precision:.1%}")
    scatter = max(summary.iqr_ms / summary.median_ms.value for summary in summaries)
    if scatter > SCATTER:
        reasons.append(f"samples scatter: their IQR is {scatter:.0%} of the median")
    if reasons and (load := " and ".join(_other_load(observed))):
        reasons.append(f"meanwhile {load}")
    return reasons


def _throttling(observed: Sequence[Observed]) -> Iterator[str]:
    first, last = observed[0].before, observed[-1].after
    core = observed[-1].launch.core
    status = max(each.after.thermal_status or 0 for each in observed)
    if status:
        word = _THERMAL_STATUS[min(status, len(_THERMAL_STATUS) - 1)]
        yield f"throttling: Android reports thermal status {status} ({word}){_warming(first, last)}"
    elif core is not None and core in first.limits_khz:
        lowest = min(each.after.limits_khz.get(core, first.limits_khz[core]) for each in observed)
        if lowest < first.limits_khz[core]:
            yield (
                f"throttling: the highest clock that core {core} may run at fell from "
                f"{first.limits_khz[core] / 1e6:.2f} to {lowest / 1e6:.2f} GHz{_warming(first, last)}"
            )


def _warming(first: State, last: State) -> str:
    """The sensor that rose most, if any rose."""
    rise = {
        name: last.temperatures_c[name] - celsius
        for name, celsius in first.temperatures_c.items()
        if name in last.temperatures_c
    }
    hottest = max(rise, key=lambda name: rise[name], default=None)
    if hottest is None or rise[hottest] < 1:
        return ""
    before, after = first.temperatures_c[hottest], last.temperatures_c[hottest]
    return f"; {hottest} rose from {before:.0f} to {after:.0f} degrees"


def _clock(observed: Sequence[Observed]) -> Iterator[str]:
    clocks = [khz for each in observed for khz in each.launch.clock_khz]
    if clocks:
        low, high = np.percentile(clocks, (10, 90))
        if low < (1 - CLOCK_CHANGE) * high:
            yield (
                f"the core's clock moved: a tenth of the readings were {low / 1e6:.2f} GHz or less, a tenth "
                f"{high / 1e6:.2f} GHz or more"
            )


def _drift(samples: Sequence[Samples]) -> Iterator[str]:
    """All models together, each relative to itself, so that it is the machine that is judged."""
    relative = np.mean([_launch_medians(model) for model in samples], axis=0)
    third = relative.size // 3
    if third:
        shift = float(np.median(relative[-third:]) / np.median(relative[:third])) - 1
        if abs(shift) > DRIFT:
            direction = "slower" if shift > 0 else "faster"
            yield f"inferences got {direction} by {abs(shift):.0%} from first to last"


def _launch_medians(model: Samples) -> NDArray[np.float64]:
    medians = np.array([np.median([x for turn in launch for x in turn]) for launch in model])
    relative: NDArray[np.float64] = medians / np.median(medians)
    return relative


def _other_load(observed: Sequence[Observed]) -> Iterator[str]:
    seconds = sum(each.launch.seconds or 0.0 for each in observed)
    switches = sum(each.launch.involuntary_switches or 0 for each in observed)
    if seconds and switches / seconds > _SWITCHES_PER_S:
        yield f"other processes took the core {switches / seconds:.0f} times a second"
    core, first, last = observed[-1].launch.core, observed[0].before.busy_ticks, observed[-1].after.busy_ticks
    others = [number for number in first if number != core and number in last]
    ticks = sum(last[number][1] - first[number][1] for number in others)
    if ticks > 0:
        busy = sum(last[number][0] - first[number][0] for number in others) / ticks
        if busy > _BUSY:
            yield f"the other cores were {busy:.0%} busy"
