"""An emulated Arm core as a device: it counts the instructions of inferences, for it has no time."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import ClassVar

from mobiledeploy.base.progress import Progress, Silent
from mobiledeploy.bench.devices.arm.attribution import OpCount, attribute
from mobiledeploy.bench.devices.arm.emulator import Emulator
from mobiledeploy.bench.devices.arm.guest import started
from mobiledeploy.bench.devices.arm.instruction_count import InstructionCount, ModelCount
from mobiledeploy.bench.devices.arm.profile_events import kernel_counts
from mobiledeploy.bench.devices.arm.profiles import ArmProfile
from mobiledeploy.bench.latency.settings import Settings
from mobiledeploy.bench.runner.records import LaunchPlan, Model
from mobiledeploy.runtime.tflite_ops import FileOp, read_graph

__all__ = ["INFERENCES", "LIMIT_S", "EmulatedCore"]

INFERENCES = 2
"""Counted of each model, after a first one that is not."""

LIMIT_S = 1800.0
"""Longest emulation of one model; a network of 300 million multiply-adds takes about a minute."""


@dataclass(frozen=True)
class EmulatedCore:
    """A core on which models are counted one after the other.

    Attributes:
        emulator: What to run them on, and with.
        by_op: Whether to count op by op, too, in a process of its own.
        limit_s: Longest emulation of one model.
    """

    concurrent: ClassVar[bool] = False
    is_host: ClassVar[bool] = False

    profile: ArmProfile
    emulator: Emulator
    by_op: bool = True
    limit_s: float = LIMIT_S

    def measure(
        self, models: Sequence[Model], settings: Settings | None = None, progress: Progress | None = None
    ) -> InstructionCount:
        """Count the instructions that an inference of each model retires.

        Args:
            settings: Those of time have no meaning here.

        Raises:
            InputError: A model that LiteRT does not load, or a profile that QEMU cannot emulate.
            DeviceError: The emulated program crashed, took too long, or left no counts that make sense.
        """
        settings, progress = settings or Settings(), progress or Silent()
        identity = self.emulator.identity(self.profile)
        started_at = datetime.now(UTC).isoformat(timespec="seconds")
        plan = LaunchPlan(
            rounds=1, burst=INFERENCES, warm_up_s=0.0, limit_s=0.0, flags=settings.flags, outputs=True
        )
        counts = []
        with progress.step(f"count instructions on {identity.name}", total=len(models)) as advance:
            for model in models:
                counts.append(self._count(model, plan))
                advance()
        return InstructionCount(
            identity=identity,
            started=started_at,
            runtime=self.emulator.runtime,
            system=self.emulator.system,
            flags=settings.flags,
            models=tuple(counts),
        )

    def _count(self, model: Model, plan: LaunchPlan) -> ModelCount:
        file_ops = read_graph(model.path).ops
        deadline = time.monotonic() + self.limit_s
        with started(model, plan, self.profile, self.emulator, profiled=False) as guest:
            # Meanwhile, for no other load on this machine changes a count.
            ops, fault = self._count_ops(model, plan, file_ops, deadline) if self.by_op else ([], "")
            launch, counts = guest.finish(deadline)
        (samples,) = launch.models
        return ModelCount(
            name=model.name,
            path=str(model.path),
            sha256=model.sha256,
            size_bytes=model.path.stat().st_size,
            per_inference=counts.inferences,
            ops=tuple(ops),
            fully_delegated=samples.fully_delegated,
            no_ops_because=fault,
            outputs=samples.outputs,
        )

    def _count_ops(
        self, model: Model, plan: LaunchPlan, ops: Sequence[FileOp], deadline: float
    ) -> tuple[list[OpCount], str]:
        """Return the counts, or none and why."""
        once = replace(plan, burst=1, outputs=False)
        with started(model, once, self.profile, self.emulator, profiled=True) as guest:
            _, counts = guest.finish(deadline)
            events = guest.events()
        try:
            return attribute(kernel_counts(events, counts.readings, counts.cost), ops), ""
        except ValueError as error:
            return [], f"LiteRT's profile does not fit the file ({error})"
