"""A phone over adb, by way of adbutils: its shell and its files, with failures told in our own words.

The protocols of shell and of file transfer are described in Android's packages/modules/adb
(docs/dev/services.md, shell_protocol.h, SYNC.TXT).
"""

from __future__ import annotations

import posixpath
import select
import socket
import stat
import struct
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from shlex import quote
from typing import Any

from mobiledeploy.base.errors import DeviceError, InputError

__all__ = ["Adb", "CommandResult", "Connected", "NoAnswerError", "Shell", "connected", "readable_size"]

READY = "device"
"""adb's state of a phone that takes commands."""

_ANSWER_S = 30.0  # for what a phone does at once, with time to wake up
_SERVER_S = 20.0
_BLOCK = 64 * 1024  # the most that a DATA packet may hold
_STDOUT, _STDERR, _EXIT, _CLOSE_STDIN = 1, 2, 3, 4
_INSTALL = "install it (`apt install adb`, `brew install android-platform-tools`)"


@dataclass(frozen=True)
class Connected:
    """A phone in adb's list.

    Attributes:
        state: "device" if it takes commands; else "unauthorized", "offline", "no permissions", "recovery" ...
        model: The maker's name for it, as far as it tells.
    """

    serial: str
    state: str
    model: str = ""

    def __str__(self) -> str:
        told = [text for text in (self.model, self.state if self.state != READY else "") if text]
        return f"{self.serial} ({', '.join(told)})" if told else self.serial


@dataclass(frozen=True)
class CommandResult:
    """A command that has ended on the phone."""

    code: int
    stdout: str
    stderr: str


class NoAnswerError(DeviceError):
    """A command had not ended at its time limit."""


def connected() -> tuple[Connected, ...]:
    """Return all phones that adb knows of, whatever their state; adb's server is started if none runs.

    Raises:
        InputError: There is no adb on this machine, or its server does not start or answer.
    """
    _start_server()
    from adbutils import AdbError

    try:
        listed = _client().list(extended=True)
    except (AdbError, OSError, ValueError) as error:
        raise InputError(
            f"adb's server does not list its devices ({_reason(error)}), expected it to; restart it with "
            "`adb kill-server`"
        ) from error
    found = []
    for info in listed:
        # adb words it "no permissions (user in plugdev group; ...)", and adbutils splits at spaces.
        state = "no permissions" if info.state == "no" else info.state
        found.append(Connected(info.serial, state, info.tags.get("model", "").replace("_", " ")))
    return tuple(found)


def _client() -> Any:
    try:
        from adbutils import AdbClient  # reads the environment as soon as it is imported

        return AdbClient(socket_timeout=_ANSWER_S)
    except ValueError as error:
        raise InputError(
            f"the environment's ANDROID_ADB_SERVER_PORT is no number ({error}), expected a port; correct or "
            "unset it"
        ) from error


def _server_answers() -> bool:
    client = _client()
    try:
        socket.create_connection((client.host, client.port), timeout=2).close()
    except OSError:
        return False
    return True


def _start_server() -> None:
    """Start adb's server if none answers.

    adbutils would do so, too, but with the server's words on our output, and silent about why it failed.
    """
    client = _client()
    if _server_answers():
        return
    if client.host not in ("127.0.0.1", "localhost", "::1"):
        raise InputError(
            f"no adb server answers at {client.host}:{client.port}, expected the one that "
            "ANDROID_ADB_SERVER_HOST names; start it there, or unset the variable"
        )
    from adbutils import AdbError, adb_path

    # The server outlives us. It must hold none of our pipes, and get none of our terminal's Ctrl-C.
    with tempfile.TemporaryFile() as log:
        streams: dict[str, Any] = {"stdin": subprocess.DEVNULL, "stdout": log, "stderr": log}
        try:
            command = [adb_path(), "start-server"]
            subprocess.run(command, **streams, timeout=_SERVER_S, start_new_session=True, check=True)
        except AdbError as error:
            raise InputError(
                f"there is no adb on this machine, expected Android's tool; {_INSTALL}"
            ) from error
        except (OSError, subprocess.SubprocessError) as error:
            log.seek(0)
            said = log.read().decode(errors="replace").strip().splitlines()
            raise InputError(
                f"adb's server does not start ({said[-1] if said else error}), expected it to listen on port "
                f"{client.port}; try `adb start-server`, or {_INSTALL}"
            ) from error


class Shell:
    """A command that is running on a phone, spoken to in adb's shell protocol."""

    def __init__(self, connection: socket.socket) -> None:
        self._socket = connection

    def packets(self, limit_s: float) -> Iterator[tuple[int, bytes]]:
        """(stream, data) as they come, the one with the exit code last.

        Raises:
            TimeoutError: The command has not ended after `limit_s` seconds.
            EOFError: The connection ended before the command did.
        """
        deadline = time.monotonic() + limit_s
        while True:
            kind, length = struct.unpack("<BI", _exactly(self._socket, 5, deadline))
            data = _exactly(self._socket, length, deadline)
            yield kind, data
            if kind == _EXIT:
                return

    def close_input(self) -> None:
        """Let the command read the end of its standard input."""
        self._socket.sendall(struct.pack("<BI", _CLOSE_STDIN, 0))


class Adb:
    """One phone, by its serial number.

    What a method is called for goes into its error messages: "... went away while PURPOSE".
    """

    def __init__(self, serial: str) -> None:
        self.serial = serial

    def features(self) -> frozenset[str]:
        """Return what the phone's adbd can do.

        Raises:
            DeviceError: It went away.
        """
        with self.explained("being asked what it is"):
            return frozenset(self._device().get_features().split(","))

    def run(self, command: str, purpose: str, limit_s: float = _ANSWER_S) -> CommandResult:
        """Run a shell command to its end.

        Raises:
            NoAnswerError: It had not ended after `limit_s` seconds.
            DeviceError: The phone went away meanwhile.
        """
        output: dict[int, bytearray] = {_STDOUT: bytearray(), _STDERR: bytearray(), _EXIT: bytearray()}
        with self.explained(purpose, limit_s), self.open(command) as shell:
            for kind, data in shell.packets(limit_s):
                output.setdefault(kind, bytearray()).extend(data)
        return CommandResult(
            code=output[_EXIT][0] if output[_EXIT] else 255,
            stdout=output[_STDOUT].decode(errors="replace"),
            stderr=output[_STDERR].decode(errors="replace"),
        )

    @contextmanager
    def open(self, command: str) -> Iterator[Shell]:
        """Start a shell command, as part of what is `explained`.

        When the block ends, we hang up: the phone's adbd ends the command's input, and sends it SIGHUP.
        """
        with self._service(f"shell,v2,raw:{command}") as connection:
            yield Shell(connection)

    def push(self, content: bytes, target: str, title: str, *, executable: bool = False) -> None:
        """Write a file on the phone. Whether it arrived whole is for `hashes` to tell.

        Args:
            title: What messages call it.

        Raises:
            DeviceError: The phone went away or has no room left.
        """
        title = f"{title} ({readable_size(len(content))})"
        mode = stat.S_IFREG | (0o755 if executable else 0o644)
        # adbutils' own push has no time limit, and drops the phone's reason when it refuses.
        with self.explained(f"being sent {title}"), self._service("sync:") as connection:
            path = f"{target},{mode}".encode()
            connection.sendall(b"SEND" + struct.pack("<I", len(path)) + path)
            for start in range(0, len(content), _BLOCK):
                block = content[start : start + _BLOCK]
                connection.sendall(b"DATA" + struct.pack("<I", len(block)) + block)
                if select.select([connection], [], [], 0)[0]:
                    break  # it speaks before its turn, so it refuses
            else:
                connection.sendall(b"DONE" + struct.pack("<I", int(time.time())))
            refusal = _sync_status(connection)
        if refusal:
            raise DeviceError(self._refused(refusal, posixpath.dirname(target), title))

    def pull(self, path: str, purpose: str) -> bytes:
        """Content of a file.

        Raises:
            DeviceError: There is no such file, or the phone went away.
        """
        with self.explained(purpose):
            content: bytes = self._device().sync.read_bytes(path)
        return content

    def hashes(self, paths: Sequence[str]) -> Mapping[str, str]:
        """Path -> hex SHA-256 of those files that exist."""
        listing = self.run(
            f"sha256sum {' '.join(map(quote, paths))} 2>/dev/null", "having its files hashed", limit_s=60
        )
        pairs = (line.split(maxsplit=1) for line in listing.stdout.splitlines())
        return {pair[1].lstrip("*"): pair[0] for pair in pairs if len(pair) == 2}

    def _device(self) -> Any:
        return _client().device(self.serial)

    @contextmanager
    def _service(self, name: str) -> Iterator[socket.socket]:
        """A connection to a service of the phone's adbd."""
        connection = self._device().open_transport(timeout=_ANSWER_S)
        try:
            connection.send_command(name)
            connection.check_okay()
            yield connection.conn
        finally:
            connection.close()

    @contextmanager
    def explained(self, purpose: str, limit_s: float = _ANSWER_S) -> Iterator[None]:
        """Turn whatever adbutils and sockets raise in the block into an error of ours.

        Raises:
            NoAnswerError: Something took longer than its limit, which was `limit_s`.
            DeviceError: The phone went away, or adb's server did.
        """
        from adbutils import AdbError, AdbTimeout

        try:
            yield
        except (AdbTimeout, TimeoutError) as error:
            raise NoAnswerError(
                f"{self.serial} did not answer for {limit_s:g} s while {purpose}, expected it to; wake it "
                "up, and run again"
            ) from error
        except (AdbError, EOFError, OSError) as error:
            raise DeviceError(self._lost(purpose, _reason(error))) from error

    def _lost(self, purpose: str, reason: str) -> str:
        """Say what happened, after the connection broke or adb refused to make one."""
        if not _server_answers():
            what = f"adb's server ended while {self.serial} was {purpose}, expected it to go on"
            return f"{what}; leave it alone, and run again"
        state = self._state()
        if state == READY:
            time.sleep(0.5)  # adb's list lags behind
            state = self._state()
        if state == READY:
            told = f" ({reason})" if reason else ""
            what = f"the connection to {self.serial} broke while {purpose}{told}, expected it to last"
        elif state in ("", "offline"):
            what = f"{self.serial} went away while {purpose}, expected it to stay connected"
        else:
            what = f"{self.serial} became {state} while {purpose}, expected it to stay connected"
            return f"{what}; see to its screen, and run again"
        return f"{what}; check cable and port, and run again"

    def _state(self) -> str:
        """As adb lists it now; empty if it does not."""
        with suppress(InputError):
            return next((phone.state for phone in connected() if phone.serial == self.serial), "")
        return ""

    def _refused(self, reason: str, folder: str, title: str) -> str:
        if "no space" in reason.lower():
            return (
                f"{self.serial} has no room left for {title}, expected space in {folder}; free some, and run "
                "again"
            )
        return (
            f"{self.serial} refuses {title}, saying {reason!r}, expected to take it into {folder}; look at "
            f"that with `adb -s {self.serial} shell ls -la {folder}`"
        )


def readable_size(size: float) -> str:
    """Bytes for people, in units of 10^3.

    >>> readable_size(2_849_000)
    '2.8 MB'
    """
    for unit in ("bytes", "kB", "MB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "bytes" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} GB"


def _sync_status(connection: socket.socket) -> str:
    """Why a transfer was refused; empty if it was not."""
    status, length = struct.unpack("<4sI", _exactly(connection, 8))
    if status == b"OKAY":
        return ""
    return _exactly(connection, length).decode(errors="replace") or "no reason given"


def _exactly(connection: socket.socket, length: int, deadline: float | None = None) -> bytes:
    """Return the next bytes.

    Raises:
        TimeoutError: They have not come by the deadline on the monotonic clock, or in the socket's own time.
        EOFError: The connection ended before.
    """
    read = bytearray()
    while len(read) < length:
        if deadline is not None:
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError
            connection.settimeout(left)
        block = connection.recv(length - len(read))
        if not block:
            raise EOFError
        read += block
    return bytes(read)


def _reason(error: BaseException) -> str:
    """An exception's own words, on one line."""
    return " ".join(str(error).split()) or type(error).__name__
