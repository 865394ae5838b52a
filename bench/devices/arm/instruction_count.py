"""Instruction counts of models: everything that was counted, and what follows from it."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass
from typing import Any

from mobiledeploy.bench.devices.arm.attribution import OpCount
from mobiledeploy.bench.runner.records import Identity

__all__ = ["NOTE", "InstructionCount", "ModelCount"]

NOTE = (
    "AArch64 instructions retired per inference, one thread, counted under emulation: exact and repeatable, "
    "but no time. Caches, memory and the pipeline are not modelled, and instructions differ in what they cost"
)

RUNTIME = "runtime"


@dataclass(frozen=True)
class ModelCount:
    """Instructions of one model.

    Attributes:
        per_inference: Retired in each of several inferences on the same input, one after the other.
        ops: By op, from a further inference under LiteRT's profiler; empty if not asked for, or if it cannot
            be told. All that is no op (hand-overs between partitions, calls) is the rest of the total.
        no_ops_because: Why it cannot be told; empty if it can.
        fully_delegated: Whether XNNPACK took the whole graph.
        outputs: Bytes of each output.
    """

    name: str
    path: str
    sha256: str
    size_bytes: int
    per_inference: tuple[int, ...]
    ops: tuple[OpCount, ...]
    fully_delegated: bool | None
    no_ops_because: str = ""
    outputs: tuple[bytes, ...] = ()

    @property
    def instructions(self) -> int:
        """Of an inference after the first ones."""
        return self.per_inference[-1]

    @property
    def spread(self) -> float:
        """(Most - least) / least of the inferences."""
        return max(self.per_inference) / min(self.per_inference) - 1

    @property
    def runtime_instructions(self) -> int | None:
        """What no op accounts for; None without counts by op."""
        return self.instructions - sum(op.instructions for op in self.ops) if self.ops else None

    @property
    def shares(self) -> dict[str, float]:
        """Kind of op, or "runtime" -> its part of all instructions, largest first; empty without ops."""
        if not self.ops:
            return {}
        kinds: Counter[str] = Counter()
        for op in self.ops:
            kinds[op.kind] += op.instructions
        kinds[RUNTIME] = self.runtime_instructions or 0
        return {kind: count / self.instructions for kind, count in kinds.most_common()}

    def to_json(self) -> dict[str, Any]:
        """Plain data; the outputs are left out."""
        plain = asdict(self) | {
            "instructions": self.instructions,
            "spread": self.spread,
            "runtime_instructions": self.runtime_instructions,
            "shares": self.shares,
        }
        del plain["outputs"]
        return plain


@dataclass(frozen=True)
class InstructionCount:
    """How many AArch64 instructions inferences of models retire on an emulated core. That is no latency.

    Attributes:
        identity: The profile and the emulator.
        started: Date and time, UTC, ISO 8601.
        runtime: Name and version of what ran the models.
        system: The C library that the runtime ran on.
        flags: XNNPACK's delegate flags.
        note: What the figures are and what they are not.
    """

    identity: Identity
    started: str
    runtime: str
    system: str
    flags: int
    models: tuple[ModelCount, ...]
    note: str = NOTE

    def to_json(self) -> dict[str, Any]:
        """Plain data; the outputs are left out."""
        return {
            "kind": "instructions",
            "device": asdict(self.identity),
            "note": self.note,
            "started": self.started,
            "runtime": self.runtime,
            "system": self.system,
            "flags": self.flags,
            "models": [model.to_json() for model in self.models],
        }
