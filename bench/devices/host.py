"""This machine as a device: the runner as a process of its own."""

from __future__ import annotations

import platform
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from mobiledeploy.base.errors import DeviceError, InputError
from mobiledeploy.bench.devices import sysfs
from mobiledeploy.bench.devices.machine import processor
from mobiledeploy.bench.runner.compile import runner_for
from mobiledeploy.bench.runner.launch import Finished, arguments, patience_s, to_launch
from mobiledeploy.bench.runner.litert_library import host_library, library_version
from mobiledeploy.bench.runner.local_files import put, read, temporary_folder
from mobiledeploy.bench.runner.records import Identity, Launch, LaunchPlan, Model, State

__all__ = ["Host"]


class Host:
    """This machine, if it runs Linux.

    Attributes:
        note: Says that its figures are not a phone's.
    """

    note = "a desktop or server processor is not a phone: compare models here, but expect other ratios there"

    def __init__(self, library: Path | None = None) -> None:
        """
        Args:
            library: libLiteRt.so to use; when left out, that of the package ai-edge-litert.

        Raises:
            InputError: The system is not Linux.
        """
        if platform.system() != "Linux":
            raise InputError(
                f"this machine runs {platform.system()}, expected Linux for models to be timed here; connect "
                "a phone, or use a machine with Linux"
            )
        self._library = library

    def identity(self) -> Identity:
        """Processor, distribution and kernel."""
        return Identity(
            kind="host",
            key="host",
            name=processor() or platform.machine(),
            system=f"{_distribution()}, Linux {platform.release()}",
            abi=platform.machine(),
        )

    def cores(self) -> tuple[sysfs.Core, ...]:
        """The processor's cores."""
        return sysfs.cores(sysfs.read_files())

    def state(self) -> State:
        """Clocks, temperatures and load now, as far as the system states them."""
        return sysfs.state(sysfs.read_files())

    @contextmanager
    def session(self, models: Sequence[Model]) -> Iterator[_Session]:
        """The runner, built if need be, and a folder with the models and their inputs, gone at the end.

        Raises:
            InputError: No compiler, no LiteRT library, or no room for the inputs.
        """
        library = host_library(path=self._library)
        runner = runner_for("host")
        with temporary_folder() as folder:
            paths = {model.name: folder / f"{i}.tflite" for i, model in enumerate(models)}
            for model in models:
                put(model, paths[model.name])
            yield _Session(runner, library, paths)


class _Session:
    """The runner on files that are in place."""

    def __init__(self, runner: Path, library: Path, paths: Mapping[str, Path]) -> None:
        """
        Args:
            paths: Model's name -> where it lies.
        """
        self._runner = runner
        self._library = library
        self._paths = paths
        self._runtime = f"LiteRT {library_version(library)}"

    def launch(self, models: Sequence[Model], plan: LaunchPlan) -> Launch:
        """Start the runner once.

        Raises:
            InputError: A model that LiteRT does not load, or a cache in which no program may run.
            DeviceError: The runner crashed, hung, or printed nothing that makes sense.
        """
        paths = [str(self._paths[model.name]) for model in models]
        try:
            # If we are interrupted, run() ends the runner, too.
            done = subprocess.run(
                [str(self._runner), *arguments(plan, paths, str(self._library))],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=patience_s(plan),
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise DeviceError(
                f"the runner on this host gave no result for {error.timeout:.0f} s and was ended, expected "
                "it to be done; measure again while the machine does nothing else"
            ) from error
        except OSError as error:
            raise InputError(
                f"{self._runner} cannot be started ({error.strerror}), expected a folder whose programs may "
                "run; set XDG_CACHE_HOME to another"
            ) from error
        finished = Finished(done.returncode, done.stdout, done.stderr, paths)
        return to_launch(finished, models, plan, where="this host", runtime=self._runtime, read=read)


def _distribution() -> str:
    try:
        return platform.freedesktop_os_release()["PRETTY_NAME"]
    except (OSError, KeyError):
        return "unknown distribution"
