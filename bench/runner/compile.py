"""Builds the project's C programs on first use, by whatever compiler there is."""

from __future__ import annotations

import hashlib
import importlib.metadata
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mobiledeploy.base.cache import cache_folder, placed
from mobiledeploy.base.errors import InputError

__all__ = ["Compiler", "aarch64_compilers", "built", "host_compilers", "runner_for"]

_FOLDER = Path(__file__).parent
_WARNINGS = ("-std=c11", "-O2", "-Wall", "-Wextra")
# The C library that the AArch64 build of LiteRT asks for, too; since this version dlopen is in libc.so.6.
_AARCH64_TARGET = "aarch64-linux-gnu.2.34"
_REMEDY = "pip install 'mobiledeploy[bench]' brings one"


@dataclass(frozen=True)
class Compiler:
    """A C compiler for one target.

    Attributes:
        command: The program and the arguments that choose the target.
        version: What it says of itself; a program built by another version is another.
    """

    command: tuple[str, ...]
    version: str


def host_compilers() -> list[Compiler]:
    """Return compilers for this machine, best first: the system's own, then the Python package ziglang's."""
    return [*_installed("cc", "gcc", "clang"), *_zig()]


def aarch64_compilers() -> list[Compiler]:
    """Return compilers for AArch64 Linux, best first."""
    return [*_zig("-target", _AARCH64_TARGET), *_installed("aarch64-linux-gnu-gcc")]


def _installed(*names: str) -> list[Compiler]:
    found: list[Compiler] = []
    seen = set()
    for name in names:
        path = shutil.which(name)
        if path is None or Path(path).resolve() in seen:
            continue
        seen.add(Path(path).resolve())
        asked = subprocess.run([path, "--version"], capture_output=True, text=True, check=False)
        if asked.returncode == 0:
            found.append(Compiler((path,), asked.stdout.partition("\n")[0]))
    return found


def _zig(*target: str) -> list[Compiler]:
    try:
        version = importlib.metadata.version("ziglang")
    except importlib.metadata.PackageNotFoundError:
        return []
    return [Compiler((sys.executable, "-m", "ziglang", "cc", *target), f"zig {version}")]


def runner_for(machine: str, *, cache: Path | None = None) -> Path:
    """Return the runner, built for "aarch64" or for "host".

    Raises:
        InputError: No compiler, or none that can build it. The message says what to install.
    """
    compilers = host_compilers() if machine == "host" else aarch64_compilers()
    headers = (_FOLDER / "litert_api.h",)
    return built(_FOLDER / "runner.c", compilers, headers=headers, libraries=("-ldl",), cache=cache)


def built(
    source: Path,
    compilers: Sequence[Compiler],
    *,
    flags: Sequence[str] = (),
    headers: Sequence[Path] = (),
    libraries: Sequence[str] = (),
    cache: Path | None = None,
) -> Path:
    """Return the program built from a C file, by the first compiler that can; once built, it is used again.

    Args:
        headers: Files that `source` includes.
        cache: Folder to keep it in; the user's cache when left out.

    Raises:
        InputError: No compiler, or none that can build it, or the cache cannot be written.
    """
    if not compilers:
        raise InputError(f"no C compiler was found, expected one to build {source.name}; {_REMEDY}")
    faults = []
    for compiler in compilers:
        arguments = [*_WARNINGS, *flags]
        digest = _digest(compiler, [*arguments, *libraries], [source, *headers])
        program = (cache or cache_folder("built")) / f"{source.stem}-{digest}"
        if program.is_file():
            return program
        try:
            with placed(program) as output:
                _compile([*compiler.command, *arguments, str(source), "-o", str(output), *libraries])
        except _BuildError as error:
            faults.append(f"{compiler.version}: {error}")
        else:
            return program
    raise InputError(
        f"{source.name} cannot be built ({'; '.join(faults)}), expected a C compiler with its headers; "
        f"{_REMEDY}"
    )


class _BuildError(Exception):
    """What a compiler said last."""


def _digest(compiler: Compiler, arguments: Sequence[str], files: Sequence[Path]) -> str:
    """A name for all that the program depends on."""
    summary = hashlib.sha256()
    for text in (*compiler.command, compiler.version, *arguments):
        summary.update(text.encode() + b"\0")
    for file in files:
        summary.update(hashlib.sha256(file.read_bytes()).digest())
    return summary.hexdigest()[:16]


def _compile(command: Sequence[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    if done.returncode != 0:
        lines = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
        raise _BuildError(next((line for line in lines if "error" in line), lines[-1]))
