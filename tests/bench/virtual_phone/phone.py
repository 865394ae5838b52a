"""A phone that is not there: the device side of adb, on a port of this computer."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import tempfile
import threading
from collections.abc import Callable, Coroutine, Iterable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from mobiledeploy.bench.runner.system_libraries import LOADER
from tests.bench.virtual_phone.emulation import Emulation
from tests.bench.virtual_phone.faults import Call, Faults, Unplug, When
from tests.bench.virtual_phone.models import PhoneModel
from tests.bench.virtual_phone.paths import Paths
from tests.bench.virtual_phone.programs import Launch, Programs
from tests.bench.virtual_phone.protocol import Access, Connection, Service, Stream
from tests.bench.virtual_phone.shell import FEATURES as SHELL_FEATURES
from tests.bench.virtual_phone.shell import parse_service, serve_shell
from tests.bench.virtual_phone.sync import FEATURES as FILE_FEATURES
from tests.bench.virtual_phone.sync import serve_files
from tests.bench.virtual_phone.system import System

__all__ = ["VirtualPhone"]

_T = TypeVar("_T")
_TMP = "/data/local/tmp"


class VirtualPhone:
    """A phone that is switched on; a context manager that switches it off.

    Args:
        emulation: Runs AArch64 programs. Without it, the phone refuses them.
        access: How it answers to a computer.

    Attributes:
        faults: What it is to do wrong.
        system: Its files; see `change`.
        commands: Shell commands so far.
        on_unplug: Called, in any thread, after the cable was pulled.
        on_plug_in: Called likewise when it is in again.
    """

    def __init__(
        self,
        model: PhoneModel,
        emulation: Emulation | None = None,
        access: Access = Access.GRANTED,
    ) -> None:
        self.model = model
        self._emulation, self._access = emulation, access
        self.on_unplug: Callable[[], object] = lambda: None
        self.on_plug_in: Callable[[], object] = lambda: None
        # Short, for the path of a socket has at most 107 bytes; and without links, for output is mapped back.
        self._base = Path(tempfile.mkdtemp(prefix="phone-")).resolve()
        self._state = self._base / "state"
        self._state.mkdir()
        self._paths = Paths(self._base / "root")
        self.system = System(model, self._paths.root)
        self.faults = Faults(self._pull_cable)
        self.commands: list[str] = []
        runs_arm64 = model.abi == "arm64-v8a" and emulation is not None
        self._programs = Programs(self._paths, self.faults, runs_arm64=runs_arm64)
        self._connections: set[Connection] = set()
        self._listener: asyncio.Server | None = None
        self.port = 0
        self._note_cores()
        self._link_guest()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="virtual phone", daemon=True)
        self._thread.start()
        self._await(self._programs.listen(self._state / "programs"))
        self._await(self._listen())

    def __enter__(self) -> VirtualPhone:
        return self

    def __exit__(self, *_: object) -> None:
        self.switch_off()

    @property
    def serial(self) -> str:
        """Under which name adb knows it."""
        return f"127.0.0.1:{self.port}"

    @property
    def launches(self) -> list[Launch]:
        """Starts of AArch64 programs so far, those that went wrong included."""
        return self._programs.launches

    def host_path(self, path: str) -> Path:
        """Where a file of the phone lies on this computer."""
        return self._paths.host(path)

    def left_behind(self) -> list[str]:
        """Device paths of all that is in /data/local/tmp."""
        folder = self.host_path(_TMP)
        # Unlike rglob, walk does not mind that folders go while it looks.
        paths = [Path(place) / name for place, folders, files in os.walk(folder) for name in folders + files]
        return sorted(f"{_TMP}/{path.relative_to(folder)}" for path in paths)

    def processes(self) -> list[int]:
        """Processes of the phone that are still there: shells, their tools, and programs."""
        mark = f"VIRTUAL_PHONE_STATE={self._state}\0".encode()
        found = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                with suppress(OSError):
                    if mark in (entry / "environ").read_bytes() + b"\0":
                        found.append(int(entry.name))
        return found

    def pinned(self) -> list[tuple[str, tuple[int, ...]]]:
        """(program, cores) for each time that one was pinned, taskset included."""
        with suppress(FileNotFoundError):
            lines = (self._state / "pinned").read_text().splitlines()
            return [(name, _bits(int(mask))) for name, mask in (line.rsplit(" ", 1) for line in lines)]
        return []

    def change(self, **what: Any) -> None:
        """Set attributes of `system`, such as thermal_status=3 or online={0, 1}."""
        for name, value in what.items():
            if not hasattr(self.system, name):
                raise AttributeError(f"no {name} in a phone's system")
            setattr(self.system, name, value)
        self.system.write()
        self._note_cores()

    def limit_clocks(self, khz: int, cores: Iterable[int] | None = None) -> None:
        """Throttle clusters: name at least the first core of each; all by default. Lifted by a high limit."""
        for core in cores if cores is not None else range(self.model.core_count):
            highest = self.system.max_khz(core)
            self.system.limits_khz[core] = min(khz, highest)
        self.change()

    def when_command(self, matching: str = "", nth: int | None = None) -> When:
        """Starts of shell commands; only unplug() and call() make sense at them."""
        return self.faults.commands.when(matching, nth)

    def when_program(self, matching: str = "", nth: int | None = None) -> When:
        """Starts of AArch64 programs."""
        return self.faults.programs.when(matching, nth)

    def unplug(self) -> None:
        """Pull the cable: every connection ends at once, and there is no new one. Returns when adb knows."""
        self._await(self._drop())
        self.on_unplug()

    def plug_in(self) -> None:
        """The cable is in again."""
        self._await(self._listen())
        self.on_plug_in()

    def switch_off(self) -> None:
        """End everything; the phone's files are gone."""
        self._await(self._drop())
        self._programs.close()
        for process in self.processes():
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        self._await(self._finish())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        shutil.rmtree(self._base, ignore_errors=True)

    def _await(self, work: Coroutine[Any, Any, _T]) -> _T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(30)

    def _pull_cable(self) -> None:
        """In the phone's own thread."""

        async def pull() -> None:
            await self._drop()
            await self._loop.run_in_executor(None, self.on_unplug)

        for connection in self._connections:
            connection.drop()
        self._later = self._loop.create_task(pull())

    async def _listen(self) -> None:
        if self._listener is None:
            self._listener = await asyncio.start_server(self._connect, "127.0.0.1", self.port)
            self.port = self._listener.sockets[0].getsockname()[1]

    async def _drop(self) -> None:
        if self._listener is not None:
            self._listener.close()
            self._listener = None
        for connection in self._connections:
            connection.drop()

    async def _finish(self) -> None:
        rest = asyncio.all_tasks() - {asyncio.current_task()}
        if rest:
            _, stuck = await asyncio.wait(rest, timeout=5)
            for task in stuck:
                task.cancel()

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        model = self.model
        features = ",".join((*SHELL_FEATURES, *FILE_FEATURES))
        product = (
            f"ro.product.name={model.device};ro.product.model={model.name};ro.product.device={model.device}"
        )
        banner = f"device::{product};features={features}"
        connection = Connection(reader, writer, banner, self._access, self._find_service)
        self._connections.add(connection)
        try:
            await connection.run()
        finally:
            self._connections.discard(connection)

    def _find_service(self, name: str) -> Service | None:
        if name == "sync:":
            return partial(self._delayed, partial(serve_files, paths=self._paths, faults=self.faults))
        shell = parse_service(name)
        if shell is None:
            return None
        command, with_protocol = shell
        return partial(self._delayed, partial(self._run_shell, command=command, with_protocol=with_protocol))

    async def _delayed(self, service: Service, stream: Stream) -> None:
        await asyncio.sleep(self.faults.answer_s)
        await service(stream)

    async def _run_shell(self, stream: Stream, command: str, with_protocol: bool) -> None:
        self.commands.append(command)
        for effect in self.faults.commands.begin(command):
            if isinstance(effect, Unplug):
                self._loop.call_later(effect.after_s, self._pull_cable)
            elif isinstance(effect, Call):
                effect.function()
        await serve_shell(
            stream,
            command,
            with_protocol=with_protocol,
            paths=self._paths,
            environment=self._environment(),
        )

    def _environment(self) -> dict[str, str]:
        """A shell's on the phone, and what our tools and libraries need to know."""
        root = str(self._paths.root)
        found = {
            "PATH": f"{root}/system/bin",
            "HOME": "/",
            "TMPDIR": f"{root}{_TMP}",
            "USER": "shell",
            "LC_ALL": "C",
            "VIRTUAL_PHONE_ROOT": root,
            "VIRTUAL_PHONE_STATE": str(self._state),
        }
        if self._emulation is not None:
            found |= {
                "LD_PRELOAD": str(self._emulation.in_shells),
                "VIRTUAL_PHONE_QEMU": self._emulation.qemu,
                "VIRTUAL_PHONE_CPU": self.model.cpu,
                "VIRTUAL_PHONE_GUEST": str(self._base / "guest"),
                "VIRTUAL_PHONE_PRELOAD": str(self._emulation.in_programs),
            }
        return found

    def _note_cores(self) -> None:
        mask = sum(1 << core for core in self.system.allowed & self.system.online)
        aside = self._state / "cores.new"
        aside.write_text(f"{mask}\n")
        aside.replace(self._state / "cores")

    def _link_guest(self) -> None:
        """What programs see in place of this computer's files; /proc/self is about themselves and stays."""
        guest = self._base / "guest"
        (guest / "proc").mkdir(parents=True)
        (guest / "sys").symlink_to(self._paths.root / "sys")
        for name in ("cpuinfo", "stat", "meminfo", "loadavg"):
            (guest / "proc" / name).symlink_to(self._paths.root / "proc" / name)
        if self._emulation is not None:
            libraries = self._emulation.libraries
            (guest / "system/bin").mkdir(parents=True)
            (guest / "system/bin/linker64").symlink_to(libraries[LOADER])
            (guest / "system/lib64").mkdir()
            for name in ("libc.so.6", "libm.so.6"):
                (guest / "system/lib64" / name).symlink_to(libraries[name])


def _bits(mask: int) -> tuple[int, ...]:
    return tuple(core for core in range(mask.bit_length()) if mask >> core & 1)
