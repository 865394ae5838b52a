"""What a user may bring along for devices. Imports nothing of them: `bench --help` is instant."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from mobiledeploy.base.options import OptionalPath, Options, option

__all__ = ["Tools"]


@dataclass(frozen=True)
class Tools(Options):
    """Files of the user's own that take the place of what mobiledeploy builds or fetches."""

    title: ClassVar[str] = "what runs on phones and emulated CPUs"

    benchmark_model: OptionalPath = option(
        None,
        Path,
        flag="--runner",
        metavar="FILE",
        help="Google's benchmark_model for Android arm64, to run on phones instead of our runner",
    )
    litert_library: OptionalPath = option(
        None, Path, metavar="FILE", help="libLiteRt.so for AArch64 Linux", unset="got by pip, once"
    )
    arm_libraries: OptionalPath = option(
        None, Path, metavar="DIR", help="glibc's loader and libraries for AArch64", unset="those installed"
    )
    keep: bool = option(False, help="leave the files on the phone, for the next run")
