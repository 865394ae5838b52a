"""The records that devices, runners and the protocol exchange: plain data, in stated units."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

__all__ = [
    "Core",
    "Identity",
    "Launch",
    "LaunchPlan",
    "Model",
    "ModelLatency",
    "ModelResult",
    "ModelSamples",
    "State",
]


@dataclass(frozen=True)
class Model:
    """A .tflite file to measure, and what it is fed.

    Attributes:
        name: What tables call it; no two models of a measurement share one.
        sha256: Hex digest of the file.
        inputs: The bytes of each input of the first signature, in its order, little endian.
    """

    name: str
    path: Path
    sha256: str
    inputs: tuple[bytes, ...]


@dataclass(frozen=True)
class LaunchPlan:
    """A start of a runner: load, warm up, then rounds in which each model takes its turn.

    Attributes:
        core: The core to be pinned to; None: wherever the system puts it.
        rounds: Turns of each model.
        burst: Timed inferences in a turn, after an untimed one.
        warm_up_s: Longest warm-up; it ends earlier when bursts no longer change.
        limit_s: No round begins after so long.
        seed: Random seed of the order of the models, which is drawn anew for each round.
        flags: XNNPACK's delegate flags; 3 asks for int8 kernels, signed and unsigned.
        outputs: Whether to bring back the outputs of the last inference.
        details: Whether memory and ops are looked at, too, where that takes a start of its own; of one model.
    """

    core: int | None = None
    rounds: int = 20
    burst: int = 5
    warm_up_s: float = 3.0
    limit_s: float = 60.0
    seed: int = 0
    flags: int = 3
    outputs: bool = False
    details: bool = False


@dataclass(frozen=True)
class ModelSamples:
    """The times of one model in one start of a runner.

    Attributes:
        init_ms: From before the file was read until ready for the first inference.
        first_ms: The first inference, which packs weights and touches all memory.
        warm: Whether the warm-up settled before its limit.
        rounds_ms: Milliseconds of each timed inference, by round.
        fully_delegated: Whether XNNPACK took the whole graph; None where the runner does not say.
        outputs: Bytes of each output, if the plan asked for them.
    """

    init_ms: float
    first_ms: float
    warm: bool
    rounds_ms: tuple[tuple[float, ...], ...]
    warm_up_ms: tuple[float, ...] = ()
    fully_delegated: bool | None = None
    outputs: tuple[bytes, ...] = ()


@dataclass(frozen=True)
class Core:
    """A processor core.

    Attributes:
        online: Whether the system runs anything on it now.
        allowed: Whether we may be pinned to it; a cpuset may forbid that.
        max_khz: Highest frequency of the hardware.
        capacity: Work per second relative to the system's largest core, which has 1024.
    """

    number: int
    online: bool = True
    allowed: bool = True
    max_khz: int | None = None
    capacity: int | None = None


@dataclass(frozen=True)
class State:
    """The state of a device at one moment, as far as it bears on speed. Empty or None: it does not say.

    Attributes:
        clocks_khz: Core -> current frequency.
        limits_khz: Core -> highest frequency that is allowed now; thermal throttling lowers it.
        governors: Core -> policy that chooses the frequency.
        temperatures_c: Sensor -> degrees Celsius.
        thermal_status: Android's, 0 (none) to 6 (shutdown).
        battery_percent, battery_c, charging: State of the battery.
        busy_ticks: Core -> (ticks it was busy, ticks in all) since boot, as /proc/stat counts them.
    """

    clocks_khz: Mapping[int, int] = field(default_factory=dict)
    limits_khz: Mapping[int, int] = field(default_factory=dict)
    governors: Mapping[int, str] = field(default_factory=dict)
    temperatures_c: Mapping[str, float] = field(default_factory=dict)
    thermal_status: int | None = None
    battery_percent: int | None = None
    battery_c: float | None = None
    charging: bool | None = None
    busy_ticks: Mapping[int, tuple[int, int]] = field(default_factory=dict)


@dataclass(frozen=True)
class Launch:
    """The figures of one start of a runner.

    Attributes:
        models: In the order of the models that were launched.
        core: Where the runner was at its end; None where it does not say.
        runtime: Name and version, such as "LiteRT 2.3.0".
        seconds: From the first round to the last.
        clock_khz: Frequency of the core, read after each round; empty where it cannot be read.
        involuntary_switches: How often another process took the core.
        peak_memory_mb: Largest resident set of the whole process, in units of 2^20 bytes.
        complete: Whether all rounds of the plan were made before its time limit.
        op_profile: Model name -> op -> mean milliseconds, from a runner that profiles.
    """

    models: tuple[ModelSamples, ...]
    runtime: str
    core: int | None = None
    seconds: float | None = None
    clock_khz: tuple[int, ...] = ()
    involuntary_switches: int | None = None
    peak_memory_mb: float | None = None
    complete: bool = True
    op_profile: Mapping[str, Mapping[str, float]] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class ModelResult:
    """A model's part of a result, of whatever kind.

    Attributes:
        fully_delegated: Whether XNNPACK took the whole graph; None where the runner does not say.
        outputs: Bytes of each output, where they were asked for.
    """

    name: str
    path: str
    sha256: str
    size_bytes: int
    fully_delegated: bool | None
    outputs: tuple[bytes, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return plain data; the outputs are left out."""
        plain = asdict(self)
        del plain["outputs"]
        return plain

    @property
    def file_cells(self) -> dict[str, str]:
        """How much XNNPACK took, and which file it is, for tables."""
        delegated = {True: "all", False: "part", None: ""}[self.fully_delegated]
        size = f"{self.size_bytes / 1e3:.0f}"
        return {"XNNPACK": delegated, "size kB": size, "SHA-256": self.sha256[:12]}


@dataclass(frozen=True, kw_only=True)
class ModelLatency(ModelResult):
    """The figures of a model in a process of its own.

    Attributes:
        init_ms: Reading the file and preparing it for the first inference.
        first_ms: The first inference.
        peak_memory_mb: Largest resident set of that process, in units of 2^20 bytes.
        op_profile: Op -> mean milliseconds, from a runner that profiles.
    """

    init_ms: float
    first_ms: float
    peak_memory_mb: float | None
    op_profile: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Identity:
    """The machine that was measured on.

    Attributes:
        kind: "phone", "host" or "emulated".
        key: What --device takes to mean this one: a serial number, "host", or "arm:" and a profile.
        name: Maker and model, or the processor.
        soc: System on chip of a phone.
        system: Operating system and version.
        build: The system's build, where it says.
    """

    kind: str
    key: str
    name: str
    system: str
    abi: str
    soc: str = ""
    build: str = ""
