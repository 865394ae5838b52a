"""This machine as a device: the runner as a process of its own."""

from __future__ import annotations

import platform
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar

from mobiledeploy.base.errors import DeviceError, InputError
from mobiledeploy.base.progress import Progress
from mobiledeploy.bench.latency import sysfs
from mobiledeploy.bench.latency.measurement import Measurement
from mobiledeploy.bench.latency.protocol import Launcher, measure
from mobiledeploy.bench.latency.settings import Settings
from mobiledeploy.bench.runner.compile import runner_for
from mobiledeploy.bench.runner.launch import Finished, arguments, patience_s, to_launch
from mobiledeploy.bench.runner.litert_library import host_library, library_version
from mobiledeploy.bench.runner.local_files import folder_with, read
from mobiledeploy.bench.runner.records import Core, Identity, Launch, LaunchPlan, Model, State

__all__ = ["Host", "processor"]


class Host:
    """This machine, if it runs Linux."""

    concurrent: ClassVar[bool] = False
    is_host: ClassVar[bool] = True
    note = "a desktop or server processor is not a phone: compare models here, but expect other ratios there"

    def __init__(self) -> None:
        """
        Raises:
            InputError: The system is not Linux.
        """
        if platform.system() != "Linux":
            raise InputError(
                f"this machine runs {platform.system()}, expected Linux for models to be timed here; connect "
                "a phone, or use a machine with Linux"
            )

    def measure(self, models: Sequence[Model], settings: Settings, progress: Progress) -> Measurement:
        """Measure latency, by the protocol."""
        return measure(self, models, settings, progress)

    def identity(self) -> Identity:
        """Processor, distribution and kernel."""
        return Identity(
            kind="host",
            key="host",
            name=processor() or platform.machine(),
            system=f"{_distribution()}, Linux {platform.release()}",
            abi=platform.machine(),
        )

    def cores(self) -> tuple[Core, ...]:
        """The processor's cores."""
        return sysfs.cores(sysfs.read_files())

    def state(self) -> State:
        """Clocks, temperatures and load now, as far as the system states them."""
        return sysfs.state(sysfs.read_files())

    @contextmanager
    def session(self, models: Sequence[Model]) -> Iterator[Launcher]:
        """Build the runner if need be, and put models and inputs into a folder that is gone at the end.

        Raises:
            InputError: No compiler, no LiteRT library, or no room for the inputs.
        """
        library = host_library()
        runner, runtime = runner_for("host"), f"LiteRT {library_version(library)}"
        files = {f"{i}.tflite": model for i, model in enumerate(models)}
        with folder_with(files) as folder:
            paths = {model.name: str(folder / name) for name, model in files.items()}

            def launch(models: Sequence[Model], plan: LaunchPlan) -> Launch:
                places = [paths[model.name] for model in models]
                done = _run([str(runner), *arguments(plan, places, str(library))], patience_s(plan))
                finished = Finished(done.returncode, done.stdout, done.stderr, places)
                return to_launch(finished, models, plan, where="this host", runtime=runtime, read=read)

            yield launch


def _run(command: Sequence[str], limit_s: float) -> subprocess.CompletedProcess[bytes]:
    try:
        # If we are interrupted, run() ends the runner, too.
        return subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, timeout=limit_s, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise DeviceError(
            f"the runner on this host gave no result for {error.timeout:.0f} s and was ended, expected it "
            "to be done; measure again while the machine does nothing else"
        ) from error
    except OSError as error:
        raise InputError(
            f"{command[0]} cannot be started ({error.strerror}), expected a folder whose programs may run; "
            "set XDG_CACHE_HOME to another"
        ) from error


def processor() -> str:
    """Return this machine's processor's name as Linux states it, else as Python does."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = (line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor())


def _distribution() -> str:
    try:
        return platform.freedesktop_os_release()["PRETTY_NAME"]
    except (OSError, KeyError):
        return "unknown distribution"
