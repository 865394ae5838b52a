"""The measurement of latency, the same on every device.

One thread, pinned to the largest core. The runner is launched again and again; each launch loads all models
afresh, warms up until bursts no longer change, then goes through rounds in which every model takes its turn.
Launches go on until the 95 % interval of every median (and of every ratio) is narrow, or time is up. Between
launches the device rests, and longer while it is throttled.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Protocol

from mobiledeploy.base.errors import DeviceError, InputError
from mobiledeploy.base.progress import Advance, Progress, Silent
from mobiledeploy.bench.latency.measurement import Measurement
from mobiledeploy.bench.latency.samples import ratio, summary
from mobiledeploy.bench.latency.settings import Settings
from mobiledeploy.bench.latency.stability import Observed
from mobiledeploy.bench.runner.records import (
    Core,
    Identity,
    Launch,
    LaunchPlan,
    Model,
    ModelLatency,
    State,
)

__all__ = ["Launcher", "TimedDevice", "largest_core", "measure"]

_POLL_S = 2.0

Launcher = Callable[[Sequence[Model], LaunchPlan], Launch]
"""Starts the runner once, on some of the models whose files are in place.

Raises InputError for a model that the runtime does not load, and DeviceError where the device failed:
unplugged, crashed, hung, or no result that makes sense.
"""


class TimedDevice(Protocol):
    """A device that has a clock: a phone, or this host.

    Attributes:
        note: One line that qualifies its figures; empty if there is nothing to say.
    """

    note: str

    def identity(self) -> Identity:
        """Tell which machine it is."""

    def cores(self) -> tuple[Core, ...]:
        """Return its processor cores."""

    def state(self) -> State:
        """Return clocks, temperatures and load now."""

    def session(self, models: Sequence[Model]) -> AbstractContextManager[Launcher]:
        """Put files in place; whatever happens, what was put there is gone when the block ends.

        Raises:
            InputError: Something is missing on this machine. The message says how to install it.
            DeviceError: The device failed: unplugged, no room, or files that arrive damaged.
        """


def measure(
    device: TimedDevice,
    models: Sequence[Model],
    settings: Settings | None = None,
    progress: Progress | None = None,
) -> Measurement:
    """Measure the latency of models on a device.

    Args:
        models: One or more, measured in turns; the first is what the others are set against.

    Raises:
        InputError: A model that the runtime does not load, a core that cannot be used, something not
            installed.
        DeviceError: The device failed.
    """
    settings, progress = settings or Settings(), progress or Silent()
    identity, cores = device.identity(), device.cores()
    core = _core(cores, settings.core)
    started = datetime.now(UTC).isoformat(timespec="seconds")
    with device.session(models) as launch:
        run = _Run(device, launch, models, settings, core)
        with progress.step(f"load each model alone on {identity.name}", total=len(models)) as advance:
            alone = [run.alone(model, advance) for model in models]
        with progress.step(f"measure on core {core} of {identity.name}") as advance:
            round_s = sum(record.first_ms for record in alone) / 1000 * (settings.burst + 1)
            observed = run.launches(round_s, advance)
    return Measurement(
        identity=identity,
        note=device.note,
        started=started,
        core=core,
        cores=cores,
        settings=settings,
        models=tuple(alone),
        observed=tuple(observed),
    )


def _core(cores: tuple[Core, ...], wanted: int | None) -> int:
    if wanted is None:
        return largest_core(cores).number
    usable = [core.number for core in cores if core.online and core.allowed]
    if wanted not in usable:
        raise InputError(
            f"core {wanted} is offline, forbidden or absent, expected one of {', '.join(map(str, usable))}; "
            "pass another --core N, or none for the largest"
        )
    return wanted


def largest_core(found: tuple[Core, ...]) -> Core:
    """Return the core to measure on: of those that are online and allowed, the one of highest capacity.

    Where capacities are equal or not stated, the highest maximum frequency decides; where that ties, too, the
    highest number, since systems give interrupts to the first cores and large cores come last.

    Raises:
        DeviceError: No core is both online and allowed.
    """
    usable = [core for core in found if core.online and core.allowed]
    if not usable:
        raise DeviceError(
            f"none of the cores {', '.join(str(core.number) for core in found)} is both online and allowed "
            "to us, expected one to measure on; wake the device up, and see what confines this shell"
        )
    # A capacity that only some cores state compares with nothing.
    stated = all(core.capacity is not None for core in usable)
    return max(usable, key=lambda core: (core.capacity if stated else 0, core.max_khz or 0, core.number))


@dataclass(frozen=True)
class _Run:
    """A device with the models in place."""

    device: TimedDevice
    launch: Launcher
    models: Sequence[Model]
    settings: Settings
    core: int

    def alone(self, model: Model, advance: Advance) -> ModelLatency:
        """Initialization, first inference and peak memory, a model's own only in a process of its own."""
        plan = self.settings.plan(self.core, 0, round_s=1.0)
        outputs = self.settings.outputs
        plan = replace(plan, rounds=1, burst=1, warm_up_s=0.0, outputs=outputs, details=True)
        launched = self.launch([model], plan)
        (samples,) = launched.models
        advance()
        return ModelLatency(
            name=model.name,
            path=str(model.path),
            sha256=model.sha256,
            size_bytes=model.path.stat().st_size,
            init_ms=samples.init_ms,
            first_ms=samples.first_ms,
            peak_memory_mb=launched.peak_memory_mb,
            fully_delegated=samples.fully_delegated,
            outputs=samples.outputs,
            op_profile=launched.op_profile.get(model.name, {}),
        )

    def launches(self, round_s: float, advance: Advance) -> list[Observed]:
        """Launch until every interval is narrow, or time is up.

        Args:
            round_s: About how long a round takes.
        """
        settings, observed = self.settings, list[Observed]()
        fresh = self.device.state()
        deadline = time.monotonic() + settings.time_limit_s
        while not observed or time.monotonic() < deadline:
            before = self._rest(fresh, deadline)
            launched = self.launch(self.models, settings.plan(self.core, len(observed), round_s))
            observed.append(Observed(before, launched, self.device.state()))
            advance()
            if len(observed) >= settings.min_launches and _precision(observed) <= settings.precision:
                break
        return observed

    def _rest(self, fresh: State, deadline: float) -> State:
        """Rest, longer while the device is throttled and was not at the start; return the state then."""
        time.sleep(self.settings.cool_down_s)
        until = min(deadline, time.monotonic() + self.settings.cool_down_limit_s)
        while self._is_throttled(now := self.device.state(), fresh) and time.monotonic() < until:
            time.sleep(_POLL_S)
        return now

    def _is_throttled(self, now: State, fresh: State) -> bool:
        if (now.thermal_status or 0) > (fresh.thermal_status or 0):
            return True
        return now.limits_khz.get(self.core, 0) < fresh.limits_khz.get(self.core, 0)


def _precision(observed: Sequence[Observed]) -> float:
    """The widest half width of the medians and of the ratios to the first model."""
    models = zip(*(each.launch.models for each in observed), strict=True)
    samples = [[launch.rounds_ms for launch in model] for model in models]
    widths = [summary(model).median_ms.half_width for model in samples]
    return max(widths + [ratio(model, samples[0]).half_width for model in samples[1:]])
