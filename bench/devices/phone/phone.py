"""A phone as a device to measure on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import ClassVar, Protocol

from mobiledeploy.base.errors import InputError
from mobiledeploy.base.files import file_sha256
from mobiledeploy.base.progress import Progress
from mobiledeploy.bench.devices.phone import android
from mobiledeploy.bench.devices.phone.adb import Adb
from mobiledeploy.bench.devices.phone.folder import File, Folder, folder
from mobiledeploy.bench.latency import sysfs
from mobiledeploy.bench.latency.measurement import Measurement
from mobiledeploy.bench.latency.protocol import Launcher, measure
from mobiledeploy.bench.latency.settings import Settings
from mobiledeploy.bench.runner.records import Core, Identity, Launch, LaunchPlan, Model, State

__all__ = ["Phone", "PhoneRunner"]


class PhoneRunner(Protocol):
    """A program that runs models and takes the time: ours, or Google's.

    Attributes:
        note: One line that qualifies its figures; empty if there is nothing to say.
    """

    note: str

    def files(self, models: Sequence[Model]) -> Sequence[File]:
        """Return all that is to lie on the phone."""

    def launch(self, folder: Folder, models: Sequence[Model], plan: LaunchPlan) -> Launch:
        """Run models there.

        Raises:
            InputError: A model that the runtime does not load, or a plan that the program cannot follow.
            DeviceError: It crashed, hung, or printed what makes no sense; or the phone failed.
        """


class Phone:
    """One phone, by its serial number. Android's shell user suffices; nothing takes root.

    Attributes:
        note: What qualifies its figures, as the phone was when its state was last asked for; one line.
    """

    concurrent: ClassVar[bool] = True
    is_host: ClassVar[bool] = False

    def __init__(self, serial: str, runner: PhoneRunner, *, keep: bool = False) -> None:
        """
        Args:
            keep: Leave models and runner there, so that the next run need not send them again.
        """
        self._adb = Adb(serial)
        self._runner, self._keep = runner, keep
        self.note = runner.note

    def measure(self, models: Sequence[Model], settings: Settings, progress: Progress) -> Measurement:
        """Measure latency, by the protocol."""
        return measure(self, models, settings, progress)

    def identity(self) -> Identity:
        """Tell which phone it is.

        Raises:
            InputError: It does not run our programs: not 64-bit Arm, or too old an Android.
            DeviceError: It went away; the other methods raise this, too.
        """
        if "shell_v2" not in self._adb.features():
            raise InputError(
                f"{self._adb.serial} has an adbd without shell_v2, expected Android 8 or newer; take another "
                "phone"
            )
        found = self._adb.run("getprop", "being asked what it is")
        return android.identity(self._adb.serial, android.properties(found.stdout))

    def cores(self) -> tuple[Core, ...]:
        """Its processor cores."""
        return sysfs.cores(self._snapshot().files)

    def state(self) -> State:
        """Clocks, temperatures, battery and load now."""
        return self._snapshot().state

    @contextmanager
    def session(self, models: Sequence[Model]) -> Iterator[Launcher]:
        """Put all files there; they are gone when the block ends, unless they are to be kept.

        Raises:
            InputError: Another run has the phone, it does not run our programs, or a model's file changed.
            DeviceError: It has no room, or files arrive damaged.
        """
        self.identity()
        for model in models:
            if file_sha256(model.path) != model.sha256:
                raise InputError(
                    f"{model.path} has changed, expected the file of a moment ago; measure again"
                )
        files = self._runner.files(models)
        with folder(self._adb, keep=self._keep) as place:
            place.fill(files)
            yield partial(self._runner.launch, place)

    def _snapshot(self) -> android.Snapshot:
        found = android.snapshot(self._adb.run(android.snapshot_command(), "being asked how it is").stdout)
        self.note = "; ".join(filter(None, (self._runner.note, *android.warnings(found))))
        return found
