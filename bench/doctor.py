"""What measuring needs, what of it is missing on this machine, and how to install that."""

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
from mobiledeploy.bench.runner.compile import aarch64_compilers, host_compilers, runner_for
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
    """What an area needs and was not found."""
    return [finding for finding in findings if area in finding.areas and not finding.found]


def findings_table(findings: Sequence[Finding]) -> Table:
    """Everything that was looked for, then what can be measured."""
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


def _host() -> str:
    return Host().identity().system


def _host_runner() -> str:
    runner_for("host")
    return f"built by {host_compilers()[0].version}"


def _arm_runner() -> str:
    runner_for("aarch64")
    return f"built by {aarch64_compilers()[0].version}"


def _arm_libraries() -> str:
    return f"in {system_libraries()['libc.so.6'].parent}"


def _qemu() -> str:
    found = find_qemu()
    return f"{found.path}, version {found.version}"


def _counter() -> str:
    build_programs()
    return f"built by {host_compilers()[0].version}"


def _phones() -> str:
    return ", ".join(str(phone) for phone in choose(ALL, connected()))


_CHECKS: tuple[tuple[str, tuple[str, ...], Callable[[], str]], ...] = (
    ("Linux", (HOST,), _host),
    ("the runner", (HOST,), _host_runner),
    ("LiteRT", (HOST,), lambda: whereabouts("host")),
    ("the runner for AArch64", (ARM, PHONE), _arm_runner),
    ("LiteRT for AArch64", (ARM, PHONE), lambda: whereabouts("aarch64")),
    ("C libraries for AArch64", (ARM, PHONE), _arm_libraries),
    ("QEMU", (ARM,), _qemu),
    ("the instruction counter", (ARM,), _counter),
    ("adb, and a phone", (PHONE,), _phones),
)
