"""Counting the instructions of inferences on an emulated Arm core."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from mobiledeploy.base.progress import Progress, Silent
from mobiledeploy.bench.devices.arm.attribution import OpCount, attribute
from mobiledeploy.bench.devices.arm.guest import Guest, Programs, build_programs, started
from mobiledeploy.bench.devices.arm.instruction_count import InstructionCount, ModelCount
from mobiledeploy.bench.devices.arm.profile_events import kernel_counts
from mobiledeploy.bench.devices.arm.profiles import ArmProfile
from mobiledeploy.bench.devices.arm.qemu import Qemu, find_qemu
from mobiledeploy.bench.runner.litert_library import library_for, library_version
from mobiledeploy.bench.runner.records import Identity, LaunchPlan, Model
from mobiledeploy.bench.runner.system_libraries import system_libraries
from mobiledeploy.runtime.tflite_ops import FileOp, read_graph

__all__ = ["INFERENCES", "LIMIT_S", "Emulator", "count"]

INFERENCES = 2
"""Counted of each model, after a first one that is not."""

LIMIT_S = 1800.0
"""Longest emulation of one model; a network of 300 million multiply-adds takes about a minute."""


@dataclass(frozen=True)
class Emulator:
    """All that it takes to count.

    Attributes:
        libraries: Name -> file of the C and C++ libraries for AArch64.
        litert: libLiteRt.so for AArch64.
    """

    qemu: Qemu
    libraries: Mapping[str, Path]
    litert: Path
    programs: Programs

    @classmethod
    def found(cls, litert: Path | None = None, libraries: Path | None = None) -> Emulator:
        """What is installed on this machine, can be had, or can be built.

        Args:
            litert: libLiteRt.so to use; when left out, that of the package ai-edge-litert for AArch64.
            libraries: Folder of AArch64 system libraries; when left out, where distributions put them.

        Raises:
            InputError: Something is missing. The message says how to install it.
        """
        qemu, found = find_qemu(), system_libraries(libraries)
        return cls(qemu, found, library_for("aarch64", path=litert), build_programs())

    def identity(self, profile: ArmProfile) -> Identity:
        """The profile as a device.

        Raises:
            InputError: QEMU cannot emulate it.
        """
        cpu = self.qemu.cpu_for(profile)
        stand_in = "" if cpu == profile.name else f" executing on its {cpu}"
        return Identity(
            kind="emulated",
            key=f"arm:{profile.name}",
            name=f"emulated {profile.core}",
            system=f"QEMU {self.qemu.version}{stand_in}",
            abi="arm64-v8a",
        )

    @property
    def runtime(self) -> str:
        """Name and version of what runs the models."""
        return f"LiteRT {library_version(self.litert)}"

    @property
    def system(self) -> str:
        """The C library, whose memcpy is part of the counts."""
        version = re.search(rb"stable release version ([\d.]+\d)", self.libraries["libc.so.6"].read_bytes())
        return f"glibc {version[1].decode()}" if version else "unknown C library"

    def start(
        self, model: Model, plan: LaunchPlan, profile: ArmProfile, *, profiled: bool
    ) -> AbstractContextManager[Guest]:
        """The runner, started on a model; see `started`."""
        return started(
            model,
            plan,
            profile,
            qemu=self.qemu,
            libraries=self.libraries,
            litert=self.litert,
            programs=self.programs,
            profiled=profiled,
        )


def count(
    models: Sequence[Model],
    profile: ArmProfile,
    *,
    by_op: bool = True,
    inferences: int = INFERENCES,
    flags: int = 3,
    limit_s: float = LIMIT_S,
    emulator: Emulator | None = None,
    progress: Progress | None = None,
) -> InstructionCount:
    """The instructions that an inference of each model retires, one model after the other.

    Args:
        by_op: Whether to count op by op, too, in a process of its own.
        inferences: How many to count of each model.
        flags: XNNPACK's delegate flags.
        limit_s: Longest emulation of one model.
        emulator: What to run them on, and with; when left out, what is found on this machine.

    Raises:
        InputError: Something is missing on this machine, or a model that LiteRT does not load.
        DeviceError: The emulated program crashed, took too long, or left no counts that make sense.
    """
    progress = progress or Silent()
    emulator = emulator or Emulator.found()
    identity = emulator.identity(profile)
    started = datetime.now(UTC).isoformat(timespec="seconds")
    plan = LaunchPlan(rounds=1, burst=inferences, warm_up_s=0.0, limit_s=0.0, flags=flags, outputs=True)
    counts = []
    with progress.step(f"count instructions on {identity.name}", total=len(models)) as advance:
        for model in models:
            counts.append(_count(emulator, profile, model, plan, by_op, limit_s))
            advance()
    return InstructionCount(
        identity=identity,
        started=started,
        runtime=emulator.runtime,
        system=emulator.system,
        flags=flags,
        models=tuple(counts),
    )


def _count(
    emulator: Emulator, profile: ArmProfile, model: Model, plan: LaunchPlan, by_op: bool, limit_s: float
) -> ModelCount:
    file_ops = read_graph(model.path).ops
    deadline = time.monotonic() + limit_s
    with emulator.start(model, plan, profile, profiled=False) as guest:
        # Meanwhile, for no other load on this machine changes a count.
        ops, fault = _count_ops(emulator, profile, model, plan, file_ops, deadline) if by_op else ([], "")
        launch, counts = guest.finish(deadline, emulator.runtime)
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
    emulator: Emulator,
    profile: ArmProfile,
    model: Model,
    plan: LaunchPlan,
    ops: Sequence[FileOp],
    deadline: float,
) -> tuple[list[OpCount], str]:
    """The counts, or none and why."""
    once = replace(plan, burst=1, outputs=False)
    with emulator.start(model, once, profile, profiled=True) as guest:
        _, counts = guest.finish(deadline, emulator.runtime)
        events = guest.events()
    try:
        return attribute(kernel_counts(events, counts.readings, counts.cost), ops), ""
    except ValueError as error:
        return [], f"LiteRT's profile does not fit the file ({error})"
