"""Starts of AArch64 programs: counted, and made to go wrong."""

from __future__ import annotations

import asyncio
import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tests.bench.virtual_phone.faults import Call, Crash, Effect, Faults, Hang, Replace, Unplug
from tests.bench.virtual_phone.paths import Paths

__all__ = ["Launch", "Programs"]

_AARCH64 = 183  # EM_AARCH64, the machine in an ELF file's header


@dataclass(frozen=True)
class Launch:
    """One start of an AArch64 program.

    Attributes:
        arguments: The program's path and arguments, as the phone's shell had them.
    """

    process: int
    arguments: tuple[str, ...]


class Programs:
    """What exec_under_qemu.c asks before it starts a program.

    Args:
        runs_arm64: Whether the phone's processor, and this computer, can run AArch64 programs.

    Attributes:
        launches: All starts so far, those that went wrong included.
    """

    def __init__(self, paths: Paths, faults: Faults, *, runs_arm64: bool) -> None:
        self._paths, self._faults, self._runs_arm64 = paths, faults, runs_arm64
        self.launches: list[Launch] = []

    async def listen(self, path: Path) -> None:
        """Answer at a socket of this name, until `close`."""
        self._server = await asyncio.start_unix_server(self._answer, path)

    def close(self) -> None:
        """What is started from now on ends at once."""
        self._server.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head, *arguments = (await reader.read()).decode().split("\0")
        process, machine = map(int, head.split())
        launch = Launch(process, tuple(self._paths.device_text(argument) for argument in arguments))
        writer.write(self._begin(launch, machine))
        with suppress(ConnectionError):
            await writer.drain()
        writer.close()

    def _begin(self, launch: Launch, machine: int) -> bytes:
        if machine != _AARCH64 or not self._runs_arm64:
            return _exit(126, b"", f"{launch.arguments[0]}: not executable: 64-bit ELF file\n".encode())
        self.launches.append(launch)
        answer = b"run\n"
        for effect in self._faults.programs.begin(" ".join(launch.arguments)):
            answer = self._set_in(effect, launch.process) or answer
        return answer

    def _set_in(self, effect: Effect, process: int) -> bytes | None:
        """What to answer; None if the program is to run."""
        loop = asyncio.get_running_loop()
        if isinstance(effect, Unplug):
            loop.call_later(effect.after_s, self._faults.unplug)
        elif isinstance(effect, Call):
            effect.function()
        elif isinstance(effect, Hang):
            return b"hang\n"
        elif isinstance(effect, Replace):
            return _exit(effect.exit_code, effect.stdout, effect.stderr)
        elif effect.after_s == 0:
            return b"signal %d\n" % effect.signal
        else:
            loop.call_later(effect.after_s, _end, process, effect)
        return None


def _exit(code: int, stdout: bytes, stderr: bytes) -> bytes:
    return b"exit %d %d\n" % (code, len(stdout)) + stdout + stderr


def _end(process: int, crash: Crash) -> None:
    with suppress(ProcessLookupError):
        os.kill(process, crash.signal)
