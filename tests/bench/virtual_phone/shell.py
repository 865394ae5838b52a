"""The phone's shell service, with and without the shell protocol.

After daemon/shell_service.cpp and shell_protocol.h of Android's packages/modules/adb. The child leads a
session of its own; its stdin and stdout are one socket, so that both end together. When the stream closes,
adbd sends SIGHUP to the shell, to no other process, and closes the sockets; the exit code is sent when the
shell has exited and nobody holds stdout and stderr any more.

Without the shell protocol adbd's child has a terminal, in raw mode. A socket stands in for it here: what
counts is that stdout and stderr are one stream, and that SIGHUP goes to all processes in the foreground.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import struct
from collections.abc import Mapping
from contextlib import suppress

from tests.bench.virtual_phone.paths import Paths, ToDevice
from tests.bench.virtual_phone.protocol import DisconnectedError, Stream

__all__ = ["FEATURES", "parse_service", "serve_shell"]

FEATURES = ("shell_v2",)
_STDIN, _STDOUT, _STDERR, _EXIT, _CLOSE_STDIN = range(5)
_HEADER = struct.Struct("<BI")
_CHUNK = 64 * 1024


def parse_service(name: str) -> tuple[str, bool] | None:
    """(command, with the shell protocol), from a name such as "shell,v2,raw:ls"; None if it is no shell."""
    kind, _, command = name.partition(":")
    service, *arguments = kind.split(",")
    if service not in ("shell", "exec"):
        return None
    return command, "v2" in arguments


async def serve_shell(
    stream: Stream,
    command: str,
    *,
    with_protocol: bool,
    paths: Paths,
    environment: Mapping[str, str],
) -> None:
    """Run one command, or a shell that reads commands, until it ends or the stream closes."""
    ours, theirs = socket.socketpair()
    our_errors, their_errors = socket.socketpair() if with_protocol else (None, theirs)
    with theirs, their_errors:
        process = await asyncio.create_subprocess_exec(
            paths.host("/system/bin/sh"),
            *(["-c", paths.host_text(command)] if command else ["-"]),
            stdin=theirs.fileno(),
            stdout=theirs.fileno(),
            stderr=their_errors.fileno(),
            env=environment,
            cwd=paths.root,
            start_new_session=True,
        )
    reader, writer = await asyncio.open_connection(sock=ours)
    output = [_pass_output(reader, stream, _STDOUT if with_protocol else None, paths)]
    writers = [writer]
    if our_errors is not None:
        errors, error_writer = await asyncio.open_connection(sock=our_errors)
        output.append(_pass_output(errors, stream, _STDERR, paths))
        writers.append(error_writer)
    passing = [asyncio.create_task(part) for part in output]
    listening = asyncio.create_task(_pass_input(stream, writer, with_protocol))
    closing = asyncio.create_task(stream.closed.wait())
    finished = asyncio.create_task(_all(passing))
    try:
        await asyncio.wait([finished, closing], return_when=asyncio.FIRST_COMPLETED)
        if closing.done() and process.returncode is None:
            with suppress(ProcessLookupError):
                if with_protocol:
                    process.send_signal(signal.SIGHUP)
                else:
                    os.killpg(process.pid, signal.SIGHUP)
    finally:
        for task in (*passing, finished, listening, closing):
            task.cancel()
        for each in writers:
            each.transport.abort()
    code = await process.wait()
    if with_protocol and not stream.closed.is_set():
        await stream.write(_HEADER.pack(_EXIT, 1) + bytes([code if code >= 0 else 128 - code]))


async def _all(tasks: list[asyncio.Task[None]]) -> None:
    await asyncio.wait(tasks)


async def _pass_output(
    reader: asyncio.StreamReader, stream: Stream, identity: int | None, paths: Paths
) -> None:
    rewriter = ToDevice(paths)
    ended = False
    while not ended:
        data = b""
        with suppress(ConnectionError):
            data = await reader.read(_CHUNK)
        ended = not data
        text = rewriter.flush() if ended else rewriter.feed(data)
        if text:
            head = b"" if identity is None else _HEADER.pack(identity, len(text))
            try:
                await stream.write(head + text)
            except DisconnectedError:
                return


async def _pass_input(stream: Stream, writer: asyncio.StreamWriter, with_protocol: bool) -> None:
    with suppress(ConnectionError, DisconnectedError):
        while True:
            identity = _STDIN
            if with_protocol:
                identity, length = _HEADER.unpack(await stream.read_exactly(_HEADER.size))
                data = await stream.read_exactly(length)
            elif not (data := await stream.read()):
                return
            if identity == _STDIN:
                writer.write(data)
                await writer.drain()
            elif identity == _CLOSE_STDIN:
                writer.write_eof()
