"""Looks for what measuring needs: what of it is missing on this machine, and how to install that."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from rich.table import Table
from rich.text import Text

from mobiledeploy.base.errors import MobileDeployError
from mobiledeploy.base.terminal import plain_table
from mobiledeploy.bench.devices.arm.emulator import build_programs
from mobiledeploy.bench.devices.arm.qemu import find_qemu
from mobiledeploy.bench.devices.host import Host
from mobiledeploy.bench.devices.phone.adb import connected
from mobiledeploy.bench.devices.phone.choice import ALL, choose
from mobiledeploy.bench.runner.compile import Compiler, aarch64_compilers, host_compilers, runner_for
from mobiledeploy.bench.runner.litert_library import whereabouts
from mobiledeploy.bench.runner.system_libraries import system_libraries

__all__ = ["AREAS", "Finding", "examine", "findings_table", "missing_for"]

HOST, ARM, PHONE = "host", "arm", "phone"
AREAS = {
    HOST: "latency on this host",
    ARM: "instructions on an emulated Arm CPU",
    PHONE: "latency on a phone",
}
"""What --device of the doctor takes, and what it means."""


@dataclass(frozen=True)
class Finding:
    """One thing that is needed.

    Attributes:
        areas: Which of `AREAS` need it.
        found: Whether it is there.
        detail: What was found, or what is wrong and how to mend it.
    """

    what: str
    areas: tuple[str, ...]
    found: bool
    detail: str

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def examine() -> list[Finding]:
    """Look for everything. Programs are built; nothing is downloaded."""
    return [_finding(*check) for check in _CHECKS]


def missing_for(findings: Sequence[Finding], area: str) -> list[Finding]:
    """Return what an area needs and was not found."""
    return [finding for finding in findings if area in finding.areas and not finding.found]


def findings_table(findings: Sequence[Finding]) -> Table:
    """Return a table of everything that was looked for, then of what can be measured."""
    table = plain_table(title="what measuring needs", first="")
    table.add_column("")
    table.add_column("", overflow="fold")
    for finding in findings:
        state = Text("ok", style="green") if finding.found else Text("missing", style="red")
        table.add_row(finding.what, state, Text(finding.detail))
    table.add_section()
    for area, title in AREAS.items():
        missing = [finding.what for finding in missing_for(findings, area)]
        state = Text("no", style="red") if missing else Text("yes", style="green")
        table.add_row(title, state, f"for want of: {', '.join(missing)}" if missing else "")
    return table


def _finding(what: str, areas: tuple[str, ...], look: Callable[[], str]) -> Finding:
    try:
        return Finding(what, areas, True, look())
    except MobileDeployError as error:
        return Finding(what, areas, False, str(error))


def _built(build: Callable[[], object], compilers: Callable[[], Sequence[Compiler]]) -> str:
    build()
    return f"built by {compilers()[0].version}"


def _arm_runner() -> str:
    return _built(lambda: runner_for("aarch64"), aarch64_compilers)


def _qemu() -> str:
    found = find_qemu()
    return f"{found.path}, version {found.version}"


_CHECKS: tuple[tuple[str, tuple[str, ...], Callable[[], str]], ...] = (
    ("Linux", (HOST,), lambda: Host().identity().system),
    ("the runner", (HOST,), lambda: _built(lambda: runner_for("host"), host_compilers)),
    ("LiteRT", (HOST,), lambda: whereabouts("host")),
    ("the runner for AArch64", (ARM, PHONE), _arm_runner),
    ("LiteRT for AArch64", (ARM, PHONE), lambda: whereabouts("aarch64")),
    ("C libraries for AArch64", (ARM, PHONE), lambda: f"in {system_libraries()['libc.so.6'].parent}"),
    ("QEMU", (ARM,), _qemu),
    ("the instruction counter", (ARM,), lambda: _built(build_programs, host_compilers)),
    ("adb, and a phone", (PHONE,), lambda: ", ".join(map(str, choose(ALL, connected())))),
)
"""What is looked for, which areas need it, and what tells where it is, or raises what is wrong with it."""
