"""Which processor a program or library is for."""

from __future__ import annotations

from pathlib import Path

__all__ = ["elf_machine"]

# ELF specification: e_machine.
_MACHINES = {40: "arm", 62: "x86_64", 183: "aarch64"}


def elf_machine(path: Path) -> str:
    """ "aarch64", "x86_64", "arm", "machine N" for others; empty for what is no ELF file of low byte order.

    Raises:
        OSError: The file cannot be read.
    """
    with path.open("rb") as file:
        header = file.read(20)
    if len(header) < 20 or header[:4] != b"\x7fELF" or header[5] != 1:
        return ""
    number = int.from_bytes(header[18:20], "little")
    return _MACHINES.get(number, f"machine {number}")
