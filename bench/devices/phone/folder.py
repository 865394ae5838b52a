"""Our folder on a phone: filled, used by one run at a time, and gone afterwards whatever happens.

While a run lasts, a small script of ours waits on the phone for the end of its input. It has the lock, and
when it ends it kills what is running and removes the folder. adbd ends a command's input and sends it SIGHUP
when the connection goes (`Subprocess::PassDataStreams` in adbd's shell_service.cpp), and adb's server hangs
up when the process that spoke to it is gone. So all this happens after a pulled cable or a killed process,
too. Only where Android restarts adbd, which kills its children, the folder stays until the next run.
"""

from __future__ import annotations

import getpass
import hashlib
import os
import platform
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from shlex import join, quote

from mobiledeploy.base.errors import DeviceError, InputError
from mobiledeploy.base.files import file_sha256
from mobiledeploy.bench.devices.phone.adb import Adb, CommandResult, NoAnswerError, Shell, readable_size

__all__ = ["FOLDER", "GRACE_S", "File", "Folder", "folder"]

_PARENT = "/data/local/tmp"
FOLDER = f"{_PARENT}/mobiledeploy"
"""Always the same, so that what a run leaves there on request is found by the next."""

_GROUP = f"{FOLDER}/.group"  # process group of what is running
_OWNER = f"{FOLDER}/.owner"
_BUSY, _GONE = 75, 76  # exit codes of our scripts
_START_S, _END_S = 20.0, 20.0
GRACE_S = 60.0
"""How much longer than it means to a program may take, for loading and what it has begun; then it hangs."""
_SPARE_BYTES = 1_000_000  # for outputs, and the file system's own needs

_KILL = f"[ -f {_GROUP} ] && kill -KILL -$(cat {_GROUP}) 2>/dev/null"
# The lock is on the parent, for it is never removed. The kernel lifts it when its holder dies. mksh hands a
# file descriptor down to a command only where the command's own redirection says so.
_GUARD = (
    f"exec 9<{_PARENT} || exit 1; "
    f"flock -n 9 9<&9; case $? in 0) ;; 1) cat {_OWNER} 2>/dev/null; exit {_BUSY};; *) exit 1;; esac; "
    f"rm -f {_GROUP}; trap '{_KILL}; %s' EXIT; trap 'exit 1' HUP INT TERM; "
    f"mkdir -p {FOLDER} && echo %s >{_OWNER} && echo ready && cat >/dev/null"
)
_REMOVE_ALL = f"rm -rf {FOLDER}"
_REMOVE_TRACES = f"rm -f {_GROUP} {_OWNER} {FOLDER}/*.out[0-9]*"


@dataclass(frozen=True)
class File:
    """A file that is to lie in the folder.

    Attributes:
        title: What messages call it.
        content: The bytes, or the file on this machine that holds them.
    """

    name: str
    title: str
    content: Path | bytes
    executable: bool = False

    def sha256(self) -> str:
        """Hex digest of the content."""
        if isinstance(self.content, bytes):
            return hashlib.sha256(self.content).hexdigest()
        return file_sha256(self.content)

    def read(self) -> bytes:
        """The content."""
        return self.content if isinstance(self.content, bytes) else self.content.read_bytes()


class Folder:
    """The folder of one phone, ours for the time being."""

    def __init__(self, adb: Adb) -> None:
        self.serial = adb.serial
        self._adb = adb

    def path(self, name: str) -> str:
        """Return where a file of the folder lies on the phone."""
        return f"{FOLDER}/{name}"

    def fill(self, files: Sequence[File]) -> None:
        """Bring files there, but for those that are there already.

        Raises:
            DeviceError: The phone has too little room, goes away, or gets other bytes than were sent.
        """
        wanted = {self.path(file.name): file.sha256() for file in files}
        there = self._adb.hashes(list(wanted))
        missing = [file for file in files if there.get(self.path(file.name)) != wanted[self.path(file.name)]]
        if not missing:
            return
        contents = {file.name: file.read() for file in missing}
        self._check_room(sum(map(len, contents.values())), len(missing))
        for file in missing:
            path, content = self.path(file.name), contents[file.name]
            self._adb.push(content, path, file.title, executable=file.executable)
        self._check_arrived(wanted, missing)

    def start(self, command: Sequence[str], limit_s: float) -> CommandResult:
        """Run a program in the folder, to its end.

        Args:
            limit_s: How long it means to take.

        Raises:
            DeviceError: It had not ended in that time and was killed, or the phone went away.
        """
        limit_s += GRACE_S
        # adbd makes the shell the leader of a process group, which the program inherits.
        inside = f"cd {FOLDER} 2>/dev/null && echo $$ >{_GROUP} || exit {_GONE}"
        script = f"{inside}; {join(command)}; s=$?; rm -f {_GROUP}; exit $s"
        try:
            result = self._adb.run(script, "running the models", limit_s)
        except NoAnswerError as error:
            with suppress(DeviceError):
                self._adb.run(_KILL, "having its runner killed")
            raise DeviceError(
                f"the runner on {self.serial} had not ended after {limit_s:g} s and was killed, expected a "
                "result; restart the phone if it happens again"
            ) from error
        if result.code == _GONE:
            raise DeviceError(
                f"{self.serial} was gone for a moment, and our files with it, expected it to stay connected; "
                "check cable and port, and run again"
            )
        return result

    def pull(self, path: str) -> bytes:
        """Return the content of a file of the folder.

        Raises:
            DeviceError: It is not there, or the phone went away.
        """
        return self._adb.pull(path, "sending back the outputs")

    def _check_room(self, size: int, count: int) -> None:
        table = self._adb.run(f"df -k {FOLDER}", "being asked for its free room").stdout.split()
        # ... Available Use% Mounted-on
        if len(table) < 3 or not table[-3].isdecimal():
            return
        free = int(table[-3]) * 1024
        if free < size + _SPARE_BYTES:
            raise DeviceError(
                f"{self.serial} has {readable_size(free)} left in {_PARENT}, expected "
                f"{readable_size(size + _SPARE_BYTES)} for {count} files; free some, and run again"
            )

    def _check_arrived(self, wanted: Mapping[str, str], sent: Sequence[File]) -> None:
        arrived = self._adb.hashes([self.path(file.name) for file in sent])
        for file in sent:
            path = self.path(file.name)
            if arrived.get(path) != wanted[path]:
                raise DeviceError(
                    f"{file.title} arrived damaged on {self.serial} (SHA-256 "
                    f"{arrived.get(path, 'none')[:12]}), expected {wanted[path][:12]}; try another cable or "
                    "port"
                )


@contextmanager
def folder(adb: Adb, *, keep: bool = False) -> Iterator[Folder]:
    """Make our folder on a phone, for the length of the block.

    Args:
        keep: Leave the files there, for the next run to find.

    Raises:
        InputError: Another run has it.
        DeviceError: It cannot be made, or the phone went away.
    """
    owner = f"{_user()}@{platform.node()}, process {os.getpid()}"
    script = _GUARD % (_REMOVE_TRACES if keep else _REMOVE_ALL, quote(owner))
    with ExitStack() as connection:
        with adb.explained("having our folder made", _START_S):
            guard = connection.enter_context(adb.open(script))
            _wait_until_ready(guard, adb.serial)
        try:
            yield Folder(adb)
        finally:
            # If the phone is gone, so is our end of the script, which then does all this on its own.
            with suppress(OSError, EOFError):
                guard.close_input()
                for _ in guard.packets(_END_S):
                    pass


def _wait_until_ready(guard: Shell, serial: str) -> None:
    said = b""
    for _, data in guard.packets(_START_S):
        said += data
        if said.endswith(b"ready\n"):
            return
    code, text = said[-1], said[:-1].decode(errors="replace").strip()
    if code == _BUSY:
        raise InputError(
            f"{serial} is in use by another run ({text or 'it does not say whose'}), expected to measure on "
            "it alone; wait for that one to end"
        )
    raise DeviceError(
        f"{serial} does not let us make {FOLDER} ({text or f'exit code {code}'}), expected to write there; "
        f"look at it with `adb -s {serial} shell ls -la {_PARENT}`"
    )


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a user id without an entry, as in containers
        return f"user {os.getuid()}"
