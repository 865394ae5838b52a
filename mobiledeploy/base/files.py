"""The output folder: files are made in a temporary folder in it, and moved into place all or none."""

from __future__ import annotations

import errno
import hashlib
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from mobiledeploy.base.errors import OutputError

__all__ = ["StagingFolder", "file_sha256", "safe_stem", "staging_folder"]

_LONGEST_STEM = 100
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class StagingFolder:
    """Temporary folder in which files wait until all of them are made.

    Attributes:
        path: The temporary folder.
    """

    def __init__(self, path: Path, out: Path) -> None:
        self.path = path
        self._out = out

    def write(self, name: str, content: bytes) -> Path:
        """Write a file and return its path.

        Raises:
            OutputError: The disk is full, or the folder cannot be written for another reason.
        """
        path = self.path / name
        with _explained(self._out):
            path.write_bytes(content)
        return path


@contextmanager
def staging_folder(out: Path) -> Iterator[StagingFolder]:
    """Open a temporary folder whose files replace those of their names in ``out`` when the block ends well.

    If it ends with an exception, Ctrl-C among them, ``out`` is as it was, and does not exist if it did not.

    Raises:
        OutputError: ``out`` cannot be written, or the disk is full.
    """
    with ExitStack() as undo:
        with _explained(out):
            if out.exists() and not out.is_dir():
                raise OutputError(f"{out} is a file, expected a folder to write to; pass another --out")
            new = [folder for folder in (out, *out.parents) if not folder.exists()]
            undo.callback(_remove_empty, new)
            out.mkdir(parents=True, exist_ok=True)
            path = Path(tempfile.mkdtemp(prefix=".mobiledeploy-", dir=out))
            undo.callback(shutil.rmtree, path, ignore_errors=True)
        yield StagingFolder(path, out)
        with _explained(out):
            _publish(path, out)


def _publish(staging: Path, out: Path) -> None:
    """Move all files into ``out``. If one cannot be moved, put back what the others have replaced."""
    files = sorted(staging.iterdir())
    replaced = Path(tempfile.mkdtemp(dir=staging))
    with ExitStack() as undo:
        for file in files:
            target = out / file.name
            if target.is_dir():
                raise OutputError(f"{target} is a folder, expected to write a file there; pass another --out")
            if os.path.lexists(target):
                os.replace(target, replaced / file.name)
                undo.callback(os.replace, replaced / file.name, target)
            else:
                undo.callback(target.unlink, missing_ok=True)
            os.replace(file, target)
        undo.pop_all()


def _remove_empty(folders: list[Path]) -> None:
    """Remove those folders, innermost first, that hold nothing."""
    for folder in folders:
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()


@contextmanager
def _explained(out: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        if error.errno in _NO_ROOM:
            raise OutputError(
                f"{out} has no room left ({reason}), expected space for the artifacts; free some, or pass "
                "another --out"
            ) from error
        raise OutputError(
            f"{out} cannot be written ({reason}), expected a writable folder; pass another --out"
        ) from error


def safe_stem(text: str) -> str:
    """Return a name that any file system takes and no shell misreads, made from one that a user gave.

    >>> safe_stem("my net (v2)")
    'my_net_v2'
    """
    return re.sub(r"[^A-Za-z0-9._-]+", "_", text).strip(".-_")[:_LONGEST_STEM] or "model"


def file_sha256(path: Path) -> str:
    """Return the SHA-256 (hex) of a file's content."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
