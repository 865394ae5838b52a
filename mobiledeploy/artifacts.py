"""The output folder: files are made in a temporary folder beside it and moved into place whole, or not at all."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mobiledeploy.errors import OutputError

__all__ = ["sha256", "staged_folder"]


@contextmanager
def staged_folder(out: Path) -> Iterator[Path]:
    """A temporary folder whose files replace those of the same names in ``out`` when the block ends well.

    If it ends with an exception, or with Ctrl-C, ``out`` is as it was.

    Raises:
        OutputError: ``out`` cannot be written, or the disk is full.
    """
    staging: Path | None = None
    made = [folder for folder in (out, *out.parents) if not folder.exists()]
    try:
        if out.exists() and not out.is_dir():
            raise OutputError(f"{out} is a file, expected a folder to write to; pass another --out DIR")
        out.mkdir(parents=True, exist_ok=True)
        staging = Path(tempfile.mkdtemp(prefix=".mobiledeploy-", dir=out))
        yield staging
        for file in sorted(staging.iterdir()):
            os.replace(file, out / file.name)
        made = []
    except OSError as error:
        raise _explained(out, error) from error
    finally:
        if staging is not None:
            shutil.rmtree(staging, ignore_errors=True)
        for folder in made:
            if folder.is_dir() and not any(folder.iterdir()):
                folder.rmdir()


def _explained(out: Path, error: OSError) -> OutputError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return OutputError(f"no room left in {out}, expected space for the artifacts; free some or pass another --out")
    reason = error.strerror or str(error)
    return OutputError(f"{out} cannot be written ({reason}), expected a writable folder; pass another --out DIR")


def sha256(path: Path) -> str:
    """Hex digest of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
