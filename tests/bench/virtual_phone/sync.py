"""The phone's file service: stat, list, push and pull.

After daemon/file_sync_service.cpp and file_sync_protocol.h of Android's packages/modules/adb, error texts
included. Compression is not offered.
"""

from __future__ import annotations

import os
import stat
import struct
from collections.abc import Callable
from pathlib import Path

from tests.bench.virtual_phone.faults import Faults
from tests.bench.virtual_phone.paths import Paths
from tests.bench.virtual_phone.protocol import DisconnectedError, Stream

__all__ = ["FEATURES", "serve_files"]

FEATURES = ("stat_v2", "ls_v2", "fixed_push_mkdir", "fixed_push_symlink_timestamp", "sendrecv_v2")
_CHUNK = 64 * 1024
_LONGEST_PATH = 1024
_WRITABLE = ("/data/local/tmp", "/sdcard")
_STAT_V1 = struct.Struct("<4sIII")
_STAT_V2 = struct.Struct("<4sIQQIIIIQqqq")
_TWO_WORDS = struct.Struct("<4sI")


class _FailedError(Exception):
    """A request that the phone answers with FAIL and this text."""


async def serve_files(stream: Stream, paths: Paths, faults: Faults) -> None:
    """Answer requests until the computer quits or something goes wrong."""
    while True:
        kind, length = _TWO_WORDS.unpack(await stream.read_exactly(_TWO_WORDS.size))
        if kind == b"QUIT":
            return
        try:
            if length > _LONGEST_PATH:
                raise _FailedError("path too long")
            path = (await stream.read_exactly(length)).decode()
            await _request(kind, path, stream, paths, faults)
        except _FailedError as failure:
            reason = str(failure).encode()
            await stream.write(_TWO_WORDS.pack(b"FAIL", len(reason)) + reason)
            return


async def _request(kind: bytes, path: str, stream: Stream, paths: Paths, faults: Faults) -> None:
    if kind == b"STAT":
        await stream.write(_stat_v1(paths.host(path)))
    elif kind in (b"STA2", b"LST2"):
        look_up = os.stat if kind == b"STA2" else os.lstat
        await stream.write(_stat_v2(kind, look_up, paths.host(path)))
    elif kind in (b"LIST", b"LIS2"):
        await stream.write(_listing(kind == b"LIS2", paths.host(path)))
    elif kind == b"SEND":
        path, _, mode = path.rpartition(",")
        if not path:
            raise _FailedError("missing , in ID_SEND_V1")
        await _store(stream, path, int(mode, 0), paths, faults)
    elif kind == b"SND2":
        _, mode_bits, flags = struct.unpack("<4sII", await stream.read_exactly(12))
        if flags:
            raise _FailedError(f"unknown flags: {flags}")
        await _store(stream, path, mode_bits, paths, faults)
    elif kind in (b"RECV", b"RCV2"):
        if kind == b"RCV2":
            await stream.read_exactly(8)
        await _send_back(stream, paths.host(path))
    else:
        raise _FailedError(f"unknown command {int.from_bytes(kind, 'little'):08x}")


def _stat_v1(path: Path) -> bytes:
    try:
        found = path.lstat()
    except OSError:
        return _STAT_V1.pack(b"STAT", 0, 0, 0)
    return _STAT_V1.pack(b"STAT", found.st_mode, found.st_size & 0xFFFFFFFF, int(found.st_mtime))


def _stat_v2(kind: bytes, look_up: Callable[[Path], os.stat_result], path: Path) -> bytes:
    try:
        found = look_up(path)
    except OSError as error:
        return _STAT_V2.pack(kind, error.errno or 0, *[0] * 10)
    numbers = (found.st_dev, found.st_ino, found.st_mode, found.st_nlink, _SHELL, _SHELL, found.st_size)
    return _STAT_V2.pack(kind, 0, *numbers, int(found.st_atime), int(found.st_mtime), int(found.st_ctime))


_SHELL = 2000  # the user and group of adb's shell


def _listing(v2: bool, folder: Path) -> bytes:
    try:
        names = [".", "..", *sorted(os.listdir(folder))]
    except OSError:
        names = []
    entries = []
    for name in names:
        head = _stat_v2(b"DNT2", os.lstat, folder / name) if v2 else b"DENT" + _stat_v1(folder / name)[4:]
        entries.append(head + struct.pack("<I", len(name.encode())) + name.encode())
    end = _STAT_V2.pack(b"DONE", *[0] * 11) if v2 else _STAT_V1.pack(b"DONE", 0, 0, 0)
    return b"".join(entries) + end + struct.pack("<I", 0)


async def _store(stream: Stream, path: str, mode: int, paths: Paths, faults: Faults) -> None:
    target = paths.host(path)
    if not path.startswith(_WRITABLE):
        await _swallow(stream)
        raise _FailedError("couldn't create file: Permission denied")
    try:
        if stat.S_ISLNK(mode):
            mtime = await _store_link(stream, target)
        else:
            mtime = await _store_file(stream, target, mode, path, faults)
    except OSError as error:
        await _swallow(stream)
        raise _FailedError(f"couldn't create file: {os.strerror(error.errno or 0)}") from None
    os.utime(target, (mtime, mtime), follow_symlinks=False)
    await stream.write(_TWO_WORDS.pack(b"OKAY", 0))


async def _store_link(stream: Stream, target: Path) -> int:
    _, length = _TWO_WORDS.unpack(await stream.read_exactly(_TWO_WORDS.size))
    points_to = (await stream.read_exactly(length)).rstrip(b"\0").decode()
    target.unlink(missing_ok=True)
    target.symlink_to(points_to)
    _, mtime = _TWO_WORDS.unpack(await stream.read_exactly(_TWO_WORDS.size))
    return int(mtime)


async def _store_file(stream: Stream, target: Path, mode: int, path: str, faults: Faults) -> int:
    """Returns the time stamp that came with the file. What could not be stored whole is removed again."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if not target.is_dir():
        target.unlink(missing_ok=True)
    push = faults.begin_push(path)
    try:
        with target.open("wb") as file:
            mode &= 0o777
            mode |= mode >> 3 & 0o070  # the owner's bits, also for group and others
            mode |= mode >> 3 & 0o007
            os.fchmod(file.fileno(), mode)
            while True:
                kind, number = _TWO_WORDS.unpack(await stream.read_exactly(_TWO_WORDS.size))
                if kind == b"DONE":
                    return int(number)
                if kind != b"DATA":
                    raise _FailedError("invalid data message")
                block = await stream.read_exactly(number)
                try:
                    file.write(push.pass_on(block))
                except OSError as error:
                    await _swallow(stream)
                    raise _FailedError(f"write failed: {os.strerror(error.errno or 0)}") from None
    except (_FailedError, DisconnectedError):
        target.unlink(missing_ok=True)
        raise


async def _swallow(stream: Stream) -> None:
    """Take the rest of a push that has failed; old computers do not read before they have written it all."""
    while True:
        kind, number = _TWO_WORDS.unpack(await stream.read_exactly(_TWO_WORDS.size))
        if kind != b"DATA":
            return
        await stream.read_exactly(number)


async def _send_back(stream: Stream, path: Path) -> None:
    try:
        with path.open("rb") as file:
            while block := file.read(_CHUNK):
                await stream.write(_TWO_WORDS.pack(b"DATA", len(block)) + block)
    except OSError as error:
        raise _FailedError(f"open failed: {os.strerror(error.errno or 0)}") from None
    await stream.write(_TWO_WORDS.pack(b"DONE", 0))
