"""Runs the runner as an emulated program, and reads what the plugin counted of it."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from mobiledeploy.base.errors import DeviceError, InputError
from mobiledeploy.bench.devices.arm.emulator import CLOCK, LITERT, PLUGIN, RUNNER, Emulator
from mobiledeploy.bench.devices.arm.profile_events import Event, to_events
from mobiledeploy.bench.devices.arm.profiles import ArmProfile
from mobiledeploy.bench.devices.arm.root import make_root
from mobiledeploy.bench.runner.launch import Finished, arguments, to_launch
from mobiledeploy.bench.runner.local_files import folder_with, read
from mobiledeploy.bench.runner.records import Launch, LaunchPlan, Model

__all__ = ["Counts", "Guest", "parse_counts", "started"]

_AGAIN = "count again"

# Names in the folder that the program runs in, the same for all models and machines: how long the paths on
# its stack are has a part in where its data lie, and where these lie in how loops over them begin and end.
_MODEL, _COUNTS, _STDOUT, _STDERR, _ROOT = "model.tflite", "counts", "stdout", "stderr", "root"


@dataclass(frozen=True)
class Counts:
    """The readings of the plugin.

    Attributes:
        inferences: Instructions of each marked inference.
        readings: Tick of the clock -> instructions retired by then; empty without the clock.
        cost: Instructions that a look at the clock takes.
    """

    inferences: tuple[int, ...]
    readings: Mapping[int, int]
    cost: int


def parse_counts(text: str) -> Counts:
    """Read the lines that counter.c writes.

    Raises:
        ValueError: They are not such lines, or some are missing.
    """
    inferences, readings, begin = [], {}, None
    for line in text.splitlines():
        match line.split():
            case ["begin", instructions]:
                begin = int(instructions)
            case ["end", instructions] if begin is not None:
                inferences.append(int(instructions) - begin)
                begin = None
            case ["tick", tick, instructions]:
                readings[int(tick)] = int(instructions)
            case _:
                raise ValueError(f"line {line[:80]!r}")
    if begin is not None or not inferences:
        raise ValueError("no end of an inference")
    # The clock looks at itself twice when it is loaded.
    return Counts(tuple(inferences), readings, readings[2] - readings[1] if readings else 0)


@dataclass(frozen=True)
class Guest:
    """An emulated program that runs.

    Attributes:
        where: What messages call the machine.
        runtime: Name and version of what it runs on.
    """

    process: subprocess.Popen[bytes]
    folder: Path
    model: Model
    plan: LaunchPlan
    where: str
    runtime: str

    def finish(self, deadline: float) -> tuple[Launch, Counts]:
        """Wait for its end, and read its result.

        Args:
            deadline: On the monotonic clock.

        Raises:
            InputError: A model that LiteRT does not load, or a QEMU that does not load the plugin.
            DeviceError: It crashed, is not done by then, or left no counts that make sense.
        """
        begin = time.monotonic()
        try:
            code = self.process.wait(max(deadline - begin, 0))
        except subprocess.TimeoutExpired as error:
            raise DeviceError(
                f"{self.model.name} on {self.where} gave no result before the time limit and was ended, "
                "expected it to be done; count with a longer limit, or a smaller network"
            ) from error
        stderr = (self.folder / _STDERR).read_bytes()
        counts = self.folder / _COUNTS
        if code != 0 and not counts.exists():
            raise InputError(_not_started(stderr))
        finished = Finished(code, (self.folder / _STDOUT).read_bytes(), stderr, [_MODEL])
        launch = to_launch(
            finished,
            [self.model],
            self.plan,
            where=self.where,
            runtime=self.runtime,
            read=lambda path: read(self.folder / path),
        )
        return launch, self._checked(counts)

    def events(self) -> list[Event]:
        """Return what LiteRT's profiler noted of the last inference, once the program has finished.

        Raises:
            DeviceError: Nothing that makes sense.
        """
        try:
            (model,) = json.loads((self.folder / _STDOUT).read_bytes())["models"]
            return to_events(model["events"])
        except (ValueError, KeyError, TypeError) as error:
            raise self._no_sense(error) from error

    def _checked(self, path: Path) -> Counts:
        try:
            counts = parse_counts(path.read_text())
            if len(counts.inferences) != self.plan.rounds * self.plan.burst:
                raise ValueError(f"{len(counts.inferences)} inferences")
        except (OSError, ValueError, KeyError) as error:
            raise self._no_sense(error) from error
        return counts

    def _no_sense(self, error: Exception) -> DeviceError:
        return DeviceError(
            f"the counts of {self.model.name} on {self.where} make no sense ({error}), expected those of "
            f"{self.plan.rounds * self.plan.burst} inferences; {_AGAIN}"
        )


@contextmanager
def started(
    model: Model, plan: LaunchPlan, profile: ArmProfile, emulator: Emulator, *, profiled: bool
) -> Iterator[Guest]:
    """Start the runner in a folder of its own; both are gone at the end, whatever happens.

    Args:
        profiled: Whether LiteRT's profiler runs, on a clock whose every tick is counted.

    Raises:
        InputError: It cannot be started, or there is no room for the model's inputs.
    """
    where = f"the emulated {profile.core}"
    with folder_with({_MODEL: model}) as folder:
        make_root(folder / _ROOT, profile, emulator.libraries)
        for name, file in emulator.files.items():
            (folder / name).symlink_to(file.resolve())
        options = ["--count", "--profile"] if profiled else ["--count"]
        program = [f"./{RUNNER}", *options, *arguments(plan, [_MODEL], f"./{LITERT}")]
        preload = f"./{CLOCK}" if profiled else ""
        command = emulator.qemu.command(profile, f"./{PLUGIN}", _COUNTS, program, preload)
        with (folder / _STDOUT).open("wb") as out, (folder / _STDERR).open("wb") as err:
            try:
                process = subprocess.Popen(
                    command, cwd=folder, env={}, stdin=subprocess.DEVNULL, stdout=out, stderr=err
                )
            except OSError as error:
                raise InputError(
                    f"{command[0]} cannot be started ({error.strerror}), expected QEMU's emulator; "
                    "install it anew"
                ) from error
        try:
            yield Guest(process, folder, model, plan, where, emulator.runtime)
        finally:
            process.kill()
            process.wait()


def _not_started(stderr: bytes) -> str:
    lines: Sequence[str] = stderr.decode(errors="replace").strip().splitlines()
    said = lines[-1] if lines else "nothing"
    return (
        f"QEMU could not start with our plugin (it said: {said[:300]}), expected one that loads plugins; "
        "install such a one, as Debian's qemu-user is"
    )
