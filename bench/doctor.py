"""Looks for what measuring needs: what of it is missing on this machine, and how to install that."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from mobiledeploy.base.errors import MobileDeployError
from mobiledeploy.base.section import Cell, Section, Styled
from mobiledeploy.bench.devices.arm.emulator import build_programs
from mobiledeploy.bench.devices.arm.qemu import find_qemu
from mobiledeploy.bench.devices.host import Host
from mobiledeploy.bench.devices.phone.adb import connected
from mobiledeploy.bench.devices.phone.choice import ALL, choose
from mobiledeploy.bench.runner.compile import Compiler, aarch64_compilers, host_compilers, runner_for
from mobiledeploy.bench.runner.litert_library import whereabouts
from mobiledeploy.bench.runner.system_libraries import system_libraries

__all__ = ["AREAS", "Finding", "examine", "findings_sections", "missing_for"]

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


def examine() -> list[Finding]:
    """Look for everything. Programs are built; nothing is downloaded."""
    return [_finding(*check) for check in _CHECKS]


def missing_for(findings: Sequence[Finding], area: str) -> list[Finding]:
    """Return what an area needs and was not found."""
    return [finding for finding in findings if area in finding.areas and not finding.found]


def findings_sections(findings: Sequence[Finding]) -> list[Section]:
    """Return everything that was looked for, then what can be measured."""
    needed: list[dict[str, Cell]] = [
        {
            "what": finding.what,
            "": Styled("ok", "ok") if finding.found else Styled("missing", "bad"),
            "where, or what to do": finding.detail,
        }
        for finding in findings
    ]
    possible: list[dict[str, Cell]] = []
    for area, title in AREAS.items():
        missing = [finding.what for finding in missing_for(findings, area)]
        state = Styled("no", "bad") if missing else Styled("yes", "ok")
        possible.append({"what": title, "": state, "for want of": ", ".join(missing)})
    texts = ["what", "", "where, or what to do", "for want of"]
    return [
        Section("What measuring needs", needed, texts=texts),
        Section("What can be measured", possible, texts=texts),
    ]


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
