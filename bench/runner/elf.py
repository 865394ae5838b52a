"""Tells for which processor and system a program or library was built."""

from __future__ import annotations

import struct
from pathlib import Path

__all__ = ["elf_interpreter", "elf_machine"]

# ELF specification: e_machine, and p_type of the program header that names the loader.
_MACHINES = {40: "arm", 62: "x86_64", 183: "aarch64"}
_INTERPRETER = 3


def elf_machine(path: Path) -> str:
    """Return "aarch64", "x86_64", "arm" or "machine N"; empty for what is no ELF file of low byte order.

    Raises:
        OSError: The file cannot be read.
    """
    with path.open("rb") as file:
        header = file.read(20)
    if len(header) < 20 or header[:4] != b"\x7fELF" or header[5] != 1:
        return ""
    number = int.from_bytes(header[18:20], "little")
    return _MACHINES.get(number, f"machine {number}")


def elf_interpreter(path: Path) -> str:
    """Return the loader that a 64-bit program asks for; empty if it asks for none, or is damaged.

    Raises:
        OSError: The file cannot be read.
    """
    content = path.read_bytes()
    try:
        (start,) = struct.unpack_from("<Q", content, 32)
        size, count = struct.unpack_from("<HH", content, 54)
        for number in range(count):
            kind, _, offset, _, _, length = struct.unpack_from("<IIQQQQ", content, start + number * size)
            if kind == _INTERPRETER:
                return content[offset : offset + length].rstrip(b"\0").decode(errors="replace")
    except (struct.error, OverflowError):  # it states places that are not there
        pass
    return ""
