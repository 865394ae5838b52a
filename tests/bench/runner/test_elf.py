from __future__ import annotations

import sys
from pathlib import Path

import pytest

from mobiledeploy.bench.runner.elf import elf_interpreter, elf_machine


def header(machine: int, byte_order: int = 1) -> bytes:
    return b"\x7fELF\x02" + bytes([byte_order, 1]) + bytes(11) + machine.to_bytes(2, "little")


@pytest.mark.parametrize(
    ("content", "machine"),
    [
        (header(183), "aarch64"),
        (header(62), "x86_64"),
        (header(40), "arm"),
        (header(243), "machine 243"),
        (header(183, byte_order=2), ""),
        (header(183)[:19], ""),
        (b"#!/bin/sh\nexec true; exec true\n", ""),
    ],
)
def test_machine_is_read_from_the_header(content: bytes, machine: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(content)
    assert elf_machine(tmp_path / "file") == machine


def test_the_loader_tells_the_system(tmp_path: Path) -> None:
    assert Path(elf_interpreter(Path(sys.executable))).is_file()
    for content in (b"", header(183) + bytes(40), header(183) + b"\xff" * 100):
        (tmp_path / "file").write_bytes(content)
        assert elf_interpreter(tmp_path / "file") == ""
