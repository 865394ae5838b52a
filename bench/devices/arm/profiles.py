"""The Arm cores that can be emulated, as data.

Which kernels XNNPACK runs on a core follows from what Linux says of it: its features, and its identity
(implementer, part, variant). Both are as /proc/cpuinfo states them on a Galaxy S7 (A53) and a Meizu Pro 6
(A72), kept in the tests of github.com/pytorch/cpuinfo, on phones since 2019 (A55) and on a Raspberry Pi 5
(A76). Caches, issue width and latencies are not modelled: an instruction is an instruction, wherever its data
lie.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass

from mobiledeploy.base.errors import InputError

__all__ = ["PROFILES", "ArmProfile", "cpuinfo", "get_profile"]


@dataclass(frozen=True)
class ArmProfile:
    """A core.

    Attributes:
        core: Arm's name of it.
        qemu_cpus: Models of QEMU that execute its instructions, the best first. Where it is not the core
            itself, only /proc/cpuinfo tells them apart, which is what the choice of kernels goes by.
        part: Primary part number of Arm Ltd., hexadecimal.
        variant, revision: The revision r<variant>p<revision>.
        features: Words of the line Features.
        l2_kib: Second level cache of a usual phone with that core, in units of 1024 bytes. XNNPACK cuts large
            matrix products into tiles by the sizes of the caches.
    """

    core: str
    qemu_cpus: tuple[str, ...]
    part: str
    variant: int
    revision: int
    features: str
    l2_kib: int

    @property
    def name(self) -> str:
        """The NAME of --device arm:NAME."""
        return self.core.lower()


# Without dot product and fp16 arithmetic; with both.
_V8_0 = "fp asimd evtstrm aes pmull sha1 sha2 crc32"
_V8_2 = f"{_V8_0} atomics fphp asimdhp cpuid asimdrdm lrcpc dcpop asimddp"

_LISTED = (
    # Small cores of 2014 to 2018, and since; large ones of 2016 to 2018, and since.
    ArmProfile("Cortex-A53", ("cortex-a53",), "d03", variant=0, revision=4, features=_V8_0, l2_kib=512),
    ArmProfile(
        "Cortex-A55", ("cortex-a55", "cortex-a76"), "d05", variant=1, revision=0, features=_V8_2, l2_kib=128
    ),
    ArmProfile("Cortex-A72", ("cortex-a72",), "d08", variant=0, revision=1, features=_V8_0, l2_kib=1024),
    ArmProfile("Cortex-A76", ("cortex-a76",), "d0b", variant=4, revision=1, features=_V8_2, l2_kib=512),
)

PROFILES = {profile.name: profile for profile in _LISTED}
"""By name."""


def get_profile(name: str) -> ArmProfile:
    """Return the profile of that name.

    Raises:
        InputError: There is none.
    """
    if name in PROFILES:
        return PROFILES[name]
    close = difflib.get_close_matches(name, PROFILES, n=1)
    hint = f"did you mean {close[0]}?" if close else "pass one of them as arm:NAME"
    raise InputError(f"Arm profile {name!r} is unknown, expected one of {', '.join(PROFILES)}; {hint}")


def cpuinfo(profile: ArmProfile) -> str:
    """Return /proc/cpuinfo of a system with one such core, in the form that Linux gives it."""
    lines = (
        "processor\t: 0",
        "BogoMIPS\t: 38.40",
        f"Features\t: {profile.features}",
        "CPU implementer\t: 0x41",
        "CPU architecture: 8",
        f"CPU variant\t: {profile.variant:#x}",
        f"CPU part\t: 0x{profile.part}",
        f"CPU revision\t: {profile.revision}",
    )
    return "\n".join(lines) + "\n\n"
