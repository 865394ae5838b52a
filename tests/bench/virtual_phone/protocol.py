"""The device side of the ADB protocol: packets, the handshake and streams.

After protocol.txt, adb.h and adb.cpp of Android's packages/modules/adb: a packet is a header of six little-
endian words and a payload; each side may have one unacknowledged write on a stream.
"""

from __future__ import annotations

import asyncio
import os
import struct
from collections.abc import Callable, Coroutine, Iterator
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum

__all__ = ["Access", "Connection", "DisconnectedError", "Service", "Stream"]

_CNXN, _AUTH, _OPEN, _OKAY, _WRTE, _CLSE = (int.from_bytes(name, "little") for name in (
    b"CNXN", b"AUTH", b"OPEN", b"OKAY", b"WRTE", b"CLSE"
))  # fmt: skip
_HEADER = struct.Struct("<6I")
_VERSION = 0x01000001  # from this version on only the handshake has checksums
_MAX_PAYLOAD = 1 << 20
_AUTH_TOKEN, _TOKEN_SIZE = 1, 20


class DisconnectedError(Exception):
    """The other side closed the stream, or the connection is gone."""


class Access(Enum):
    """How a phone answers to a computer that connects."""

    GRANTED = "device"
    UNAUTHORIZED = "unauthorized"
    OFFLINE = "offline"


@dataclass(frozen=True)
class _Packet:
    command: int
    arg0: int
    arg1: int
    payload: bytes


class Stream:
    """One service, as it was opened by the computer; reads and writes like a socket."""

    def __init__(self, connection: Connection, local: int, remote: int) -> None:
        self.local, self.remote = local, remote
        self.closed = asyncio.Event()
        self._connection = connection
        self._incoming = asyncio.StreamReader()
        self._acknowledged = asyncio.Event()
        self._one_writer = asyncio.Lock()

    async def read(self, limit: int = 1 << 16) -> bytes:
        """At most `limit` bytes; none if the stream is closed."""
        return await self._incoming.read(limit)

    async def read_exactly(self, count: int) -> bytes:
        """Raises: DisconnectedError: Fewer bytes came before the end."""
        try:
            return await self._incoming.readexactly(count)
        except asyncio.IncompleteReadError:
            raise DisconnectedError from None

    async def write(self, data: bytes) -> None:
        """Return when the computer has taken all of it.

        Raises:
            DisconnectedError: It never will.
        """
        async with self._one_writer:
            for start in range(0, len(data), _MAX_PAYLOAD):
                if self.closed.is_set():
                    raise DisconnectedError
                self._acknowledged.clear()
                self._connection.send(_WRTE, self.local, self.remote, data[start : start + _MAX_PAYLOAD])
                await self._acknowledged.wait()
        if self.closed.is_set():
            raise DisconnectedError

    def receive(self, data: bytes) -> None:
        """Take what the computer wrote."""
        self._incoming.feed_data(data)
        self._connection.send(_OKAY, self.local, self.remote)

    def acknowledge(self) -> None:
        """The computer is ready for more."""
        self._acknowledged.set()

    def end(self) -> None:
        """Nothing more passes in either direction."""
        if not self.closed.is_set():
            self.closed.set()
            self._incoming.feed_eof()
            self._acknowledged.set()


Service = Callable[[Stream], Coroutine[None, None, None]]


class Connection:
    """One computer (its adb server) that is connected to the phone.

    Args:
        banner: What the phone tells about itself: "device::NAME=VALUE;...".
        find_service: From a name such as "shell:ls" to what runs it on a stream; None if there is none.
    """

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        banner: str,
        access: Access,
        find_service: Callable[[str], Service | None],
    ) -> None:
        self._reader, self._writer = reader, writer
        self._banner, self._access, self._find_service = banner, access, find_service
        self._streams: dict[int, Stream] = {}
        self._services: set[asyncio.Task[None]] = set()
        self._numbers: Iterator[int] = iter(range(1, 1 << 31))

    def send(self, command: int, arg0: int, arg1: int, payload: bytes = b"") -> None:
        """Queue one packet; once the connection is gone, nothing happens."""
        if not self._writer.is_closing():
            checksum = sum(payload) if command in (_CNXN, _AUTH) else 0
            head = (command, arg0, arg1, len(payload), checksum, command ^ 0xFFFFFFFF)
            self._writer.write(_HEADER.pack(*head) + payload)

    async def run(self) -> None:
        """Answer until the connection ends, then wait until every service has cleaned up."""
        try:
            while True:
                self._answer(await self._receive())
                with suppress(ConnectionError):
                    await self._writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self.drop()
            for stream in self._streams.values():
                stream.end()
            if self._services:
                await asyncio.wait(self._services)

    def drop(self) -> None:
        """As if the cable was pulled."""
        self._writer.transport.abort()

    async def _receive(self) -> _Packet:
        command, arg0, arg1, length, _, magic = _HEADER.unpack(await self._reader.readexactly(_HEADER.size))
        if magic != command ^ 0xFFFFFFFF or length > _MAX_PAYLOAD:
            raise ConnectionError("not a packet of the ADB protocol")
        return _Packet(command, arg0, arg1, await self._reader.readexactly(length))

    def _answer(self, packet: _Packet) -> None:
        if packet.command == _CNXN:
            self._greet()
        elif packet.command == _AUTH and self._access is Access.UNAUTHORIZED:
            if (
                packet.arg0 == 2
            ):  # a signature; after the last key comes the public key, which waits for the user
                self.send(_AUTH, _AUTH_TOKEN, 0, os.urandom(_TOKEN_SIZE))
        elif packet.command == _OPEN:
            self._open(packet.arg0, packet.payload.rstrip(b"\0").decode())
        elif (stream := self._streams.get(packet.arg1)) is not None:
            if packet.command == _WRTE:
                stream.receive(packet.payload)
            elif packet.command == _OKAY:
                stream.acknowledge()
            elif packet.command == _CLSE:
                stream.end()

    def _greet(self) -> None:
        if self._access is Access.UNAUTHORIZED:
            self.send(_AUTH, _AUTH_TOKEN, 0, os.urandom(_TOKEN_SIZE))
            return
        self.send(_CNXN, _VERSION, _MAX_PAYLOAD, self._banner.encode())
        if self._access is Access.OFFLINE:
            self.send(_AUTH, 0, 0)  # a kind that does not exist: the computer takes the phone for offline

    def _open(self, remote: int, name: str) -> None:
        service = self._find_service(name)
        if service is None:
            self.send(_CLSE, 0, remote)
            return
        stream = Stream(self, next(self._numbers), remote)
        self._streams[stream.local] = stream
        task = asyncio.get_running_loop().create_task(self._run_service(service, stream))
        self._services.add(task)
        task.add_done_callback(self._services.discard)

    async def _run_service(self, service: Service, stream: Stream) -> None:
        self.send(_OKAY, stream.local, stream.remote)
        try:
            with suppress(DisconnectedError):
                await service(stream)
        finally:
            self.send(_CLSE, stream.local, stream.remote)
            stream.end()
            self._streams.pop(stream.local, None)
