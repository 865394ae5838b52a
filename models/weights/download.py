"""Official weights files: from a local cache if one has them, else from their host; hash-checked."""

from __future__ import annotations

import os
import urllib.error
import urllib.request
from collections.abc import Callable, Generator
from contextlib import closing, suppress
from http.client import HTTPException
from pathlib import Path

import torch

from mobiledeploy.base.cache import cache_folder, sha256_or_nothing
from mobiledeploy.base.errors import WeightsError
from mobiledeploy.base.version import __version__
from mobiledeploy.models.spec import WeightsEntry

__all__ = ["HOSTS", "Progress", "default_cache", "fetch"]

# By publisher.
HOSTS = {"torchvision": "https://download.pytorch.org", "timm": "https://github.com"}

# Called with the bytes done, and the bytes in all where the server says how many.
Progress = Callable[[int, int | None], None]

_CHUNK_BYTES = 1 << 16
_OTHERWISE = "get the file elsewhere and pass --weights FILE, or pass --weights random"


def default_cache() -> Path:
    """mobiledeploy/weights in XDG_CACHE_HOME, or in ~/.cache without one."""
    return cache_folder("weights")


def fetch(
    entry: WeightsEntry,
    *,
    host: str | None = None,
    cache: Path,
    timeout_s: float,
    progress: Progress | None = None,
) -> Path:
    """A local file with the bytes of `entry`: from `cache`, from torch hub's, else downloaded into `cache`.

    A copy with another hash is passed over; in `cache`, the download takes its place.

    Args:
        entry: one with a path.
        host: a mirror to download from; its publisher's host when left out.
        timeout_s: seconds to wait for the connection, and again for each piece of the answer.

    Raises:
        WeightsError: it cannot be had. No part of it is left behind.
    """
    for folder in (cache, Path(torch.hub.get_dir()) / "checkpoints"):
        copy = folder / entry.file_name
        if sha256_or_nothing(copy).startswith(entry.sha256_prefix):
            return copy
    target = cache / entry.file_name
    part = cache / f"{entry.file_name}.{os.getpid()}.part"
    try:
        cache.mkdir(parents=True, exist_ok=True)
        _download(f"{(host or HOSTS[entry.publisher]).rstrip('/')}/{entry.path}", part, timeout_s, progress)
        _check_hash(part, entry)
        os.replace(part, target)
    except OSError as error:
        raise WeightsError(
            f"weights cache {cache} gives {error.strerror!r}, expected a folder with room to write in; set "
            "XDG_CACHE_HOME to another, or pass --weights FILE"
        ) from error
    finally:
        with suppress(OSError):
            part.unlink()
    return target


def _download(url: str, path: Path, timeout_s: float, progress: Progress | None) -> None:
    done = 0
    with path.open("wb") as file, closing(_pieces(url, timeout_s)) as pieces:
        for piece, total in pieces:
            done += file.write(piece)
            if progress is not None:
                progress(done, total)


def _pieces(url: str, timeout_s: float) -> Generator[tuple[bytes, int | None], None, None]:
    """The answer's body, each piece with the length of the whole. Faults of the network are WeightsErrors."""
    request = urllib.request.Request(url, headers={"User-Agent": f"mobiledeploy/{__version__}"})
    done = 0
    total: int | None = None
    try:
        with urllib.request.urlopen(request, timeout=timeout_s) as answer:
            total = answer.length
            while piece := answer.read(_CHUNK_BYTES):
                done += len(piece)
                yield piece, total
    except (OSError, HTTPException) as error:
        fault = _network_fault(error, timeout_s)
        raise WeightsError(f"{url} {fault}, expected the weights file; {_OTHERWISE}") from error
    if total is not None and done < total:
        raise WeightsError(
            f"{url} broke off after {done} bytes, expected {total}; try again, or {_OTHERWISE}"
        )


def _network_fault(error: OSError | HTTPException, timeout_s: float) -> str:
    if isinstance(error, urllib.error.HTTPError):
        return f"answers {error.code} {error.reason}"
    cause = error.reason if isinstance(error, urllib.error.URLError) else error
    if isinstance(cause, TimeoutError):
        return f"is silent for {timeout_s:g} s"
    return f"cannot be had ({cause})"


def _check_hash(path: Path, entry: WeightsEntry) -> None:
    got = sha256_or_nothing(path)[: len(entry.sha256_prefix)]
    if got != entry.sha256_prefix:
        raise WeightsError(
            f"{entry.path} came with the SHA-256 {got}..., expected {entry.sha256_prefix}...; it is not the "
            f"official file and was thrown away: try again, or {_OTHERWISE}"
        )
