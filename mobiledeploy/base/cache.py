"""The user's cache: what was downloaded or built once, to be used again."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mobiledeploy.base.errors import InputError
from mobiledeploy.base.files import file_sha256

__all__ = ["cache_folder", "placed", "sha256_or_nothing"]


def cache_folder(part: str) -> Path:
    """Return mobiledeploy/`part` in XDG_CACHE_HOME, or in ~/.cache without one."""
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(base).expanduser() / "mobiledeploy" / part


@contextmanager
def placed(target: Path) -> Iterator[Path]:
    """Yield a path to write a file to, which takes the place of `target` when the block ends.

    Two processes may do so at once. If the block fails, target is as it was, and nothing is left.

    Raises:
        InputError: The cache cannot be written. It is raised for an OSError of the block, too.
    """
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".part-", dir=target.parent) as folder:
            aside = Path(folder) / target.name
            yield aside
            os.replace(aside, target)
    except OSError as error:
        raise InputError(
            f"cache {target.parent} gives {error.strerror!r}, expected a folder with room to write in; set "
            "XDG_CACHE_HOME to another"
        ) from error


def sha256_or_nothing(path: Path) -> str:
    """Return the SHA-256 (hex) of a file; empty where there is none that can be read."""
    try:
        return file_sha256(path)
    except OSError:
        return ""
