"""Instruction counts of models: everything that was counted, and what follows from it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from mobiledeploy.base.section import Section, Styled
from mobiledeploy.bench.devices.arm.attribution import OpCount
from mobiledeploy.bench.latency.settings import Limits
from mobiledeploy.bench.runner.records import Identity, ModelResult

__all__ = ["NOTE", "InstructionCount", "ModelCount"]

NOTE = (
    "AArch64 instructions retired per inference, one thread, counted under emulation: exact and repeatable, "
    "but no time. Caches, memory and the pipeline are not modelled, and instructions differ in what they cost"
)

RUNTIME = "runtime"


@dataclass(frozen=True, kw_only=True)
class ModelCount(ModelResult):
    """Instructions of one model.

    Attributes:
        per_inference: Retired in each of several inferences on the same input, one after the other.
        ops: By op, from a further inference under LiteRT's profiler; empty if not asked for, or if it cannot
            be told. All that is no op (hand-overs between partitions, calls) is the rest of the total.
        no_ops_because: Why it cannot be told; empty if it can.
    """

    per_inference: tuple[int, ...]
    ops: tuple[OpCount, ...]
    no_ops_because: str = ""

    @property
    def instructions(self) -> int:
        """Instructions of an inference after the first ones."""
        return self.per_inference[-1]

    @property
    def spread(self) -> float:
        """(Most - least) / least of the inferences."""
        return max(self.per_inference) / min(self.per_inference) - 1

    @property
    def runtime_instructions(self) -> int | None:
        """Instructions that no op accounts for; None without counts by op."""
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
        return super().to_json() | {
            "instructions": self.instructions,
            "spread": self.spread,
            "runtime_instructions": self.runtime_instructions,
            "shares": self.shares,
        }


@dataclass(frozen=True)
class InstructionCount:
    """AArch64 instructions that inferences of models retire on an emulated core. That is no latency.

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

    def sections(self, per_op: bool = False) -> Iterator[Section]:
        """Return what was counted, and that it is no latency."""
        rows = [
            {
                "model": model.name,
                "M instructions": f"{model.instructions / 1e6:.3f}",
                "/ first": f"{model.instructions / self.models[0].instructions:.4f}",
                "spread": f"{model.spread:.4%}",
                **model.file_cells,
            }
            for model in self.models
        ]
        where = f"{self.identity.name}, {self.identity.system}\n{self.runtime}, {self.system}, one thread"
        yield Section(where, rows, [self.note], names=["model"])
        if (shares := self._shares_section()).rows or shares.notes:
            yield shares
        if per_op:
            yield from (_ops_section(model) for model in self.models if model.ops)

    def exceeded(self, limits: Limits) -> Iterator[str]:
        """Say what is over the limit of instructions."""
        where = self.identity.name
        for model in self.models:
            if limits.instructions is not None and model.instructions > limits.instructions:
                yield (
                    f"{model.name} takes {model.instructions / 1e6:.3f} M instructions on {where}, "
                    f"expected at most {limits.instructions / 1e6:.3f} M; --per-op lists where they go"
                )

    def _shares_section(self) -> Section:
        # Words below each other, so that a terminal has room for all kinds.
        rows = [
            {"model": model.name, **{kind.replace(" ", "\n"): f"{x:.1%}" for kind, x in model.shares.items()}}
            for model in self.models
            if model.shares
        ]
        notes = [
            Styled(f"{model.name} could not be counted by op: {model.no_ops_because}", "bad")
            for model in self.models
            if model.no_ops_because
        ]
        return Section("Where they go", rows, notes, names=["model"])


def _ops_section(model: ModelCount) -> Section:
    """Return every op in the order of the file; what no op accounts for comes last."""

    def figures(instructions: int) -> dict[str, str]:
        share = f"{instructions / model.instructions:.1%}"
        return {"k instructions": f"{instructions / 1e3:.1f}", "share": share}

    rows = [
        {
            "op": f"{op.ops[0]} {'+'.join(op.types)}" + ("" if op.delegated else " (outside)"),
            "output": f"{op.output} {'x'.join(map(str, op.shape))}",
            **figures(op.instructions),
            "per MAdd": f"{op.instructions / op.multiply_adds:.3f}" if op.multiply_adds else "",
        }
        for op in model.ops
    ]
    rows.append({"op": RUNTIME, **figures(model.runtime_instructions or 0)})
    return Section(model.name, rows, names=["op", "output"])
