"""Google's benchmark_model as the program that measures, in place of ours.

It times one model in one process and tells only the mean of its inferences. So that models still take turns,
each turn is a start of its own, and a round's one sample is that mean.
"""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Sequence
from pathlib import Path

from mobiledeploy.base.errors import DeviceError, InputError
from mobiledeploy.base.files import file_sha256
from mobiledeploy.bench.devices.phone.benchmark_output import BenchmarkOutput, complaint, parse, unknown_flags
from mobiledeploy.bench.devices.phone.folder import File, Folder
from mobiledeploy.bench.runner.elf import elf_interpreter, elf_machine
from mobiledeploy.bench.runner.records import Launch, LaunchPlan, Model, ModelSamples

__all__ = ["BenchmarkModel"]

_NAME = "benchmark_model"
_ANDROIDS_LOADER = "/system/bin/linker64"
_WARM_UP_S, _MIN_S = 0.5, 0.25
_MOST_ROUNDS = 2  # each is a start of its own, so it serves as well to launch again
_DEFAULT_FLAGS, _FORCE_FP16 = 3, 4
_DISPENSABLE = ("report_peak_memory_footprint", "enable_op_profiling")
_SIGNALLED = 128


class BenchmarkModel:
    """The binary that the user downloaded."""

    note = "benchmark_model feeds inputs of its own, random ones, and tells one mean per start"

    def __init__(self, path: Path, *, profile: bool = False) -> None:
        """Take the file, if it is one for Android on 64-bit Arm.

        Args:
            profile: Have the time of each kind of op taken, too, where a model is launched alone.

        Raises:
            InputError: It is no program for 64-bit Arm, or cannot be read.
        """
        try:
            machine, loader = elf_machine(path), elf_interpreter(path)
        except OSError as error:
            raise InputError(
                f"{path}: {error.strerror}, expected Google's benchmark_model for Android; correct --runner"
            ) from error
        if machine != "aarch64":
            raise InputError(
                f"{path} is {f'a program for {machine}' if machine else 'no program'}, expected "
                "benchmark_model for Android on aarch64; download that build, and pass it to --runner"
            )
        if loader not in ("", _ANDROIDS_LOADER):
            raise InputError(
                f"{path} asks for the loader {loader}, expected a build for Android, not for Linux; download "
                "that one (android_aarch64), and pass it to --runner"
            )
        self._path = path
        self._profile = profile
        self._runtime = f"{_NAME} of SHA-256 {file_sha256(path)[:12]}"  # it does not print its version

    def files(self, models: Sequence[Model]) -> tuple[File, ...]:
        """The program and the models."""
        found = {model.sha256: File(_file_name(model), model.path.name, model.path) for model in models}
        return (File(_NAME, self._path.name, self._path, executable=True), *found.values())

    def launch(self, folder: Folder, models: Sequence[Model], plan: LaunchPlan) -> Launch:
        """Start it once for each model and round, of which a launch has two at most.

        Where the plan wants details of a model, it is started once before that, to look at memory and ops.
        """
        flags = _flags(plan)
        # Watching its memory takes it a thread, and profiling takes time, so the timed starts do without.
        looks = [self._start(folder, models[0], plan, self._look_flags(flags))] if plan.details else []
        rounds: list[list[BenchmarkOutput]] = []
        order, drawn = list(range(len(models))), random.Random(plan.seed)
        began = time.monotonic()
        wanted = min(plan.rounds, _MOST_ROUNDS)
        while len(rounds) < wanted and (not rounds or time.monotonic() - began < plan.limit_s):
            drawn.shuffle(order)
            turn = {i: self._start(folder, models[i], plan, flags) for i in order}
            rounds.append([turn[i] for i in range(len(models))])
        return Launch(
            models=tuple(_samples(turns) for turns in zip(*rounds, strict=True)),
            runtime=self._runtime,
            core=plan.core,
            seconds=time.monotonic() - began,
            peak_memory_mb=looks[0].peak_memory_mb if looks else None,
            complete=len(rounds) == wanted,
            op_profile={models[0].name: looks[0].op_profile} if looks and looks[0].op_profile else {},
        )

    def _look_flags(self, flags: Sequence[str]) -> list[str]:
        profiling = ["--enable_op_profiling=true"] if self._profile else []
        return [*flags, "--report_peak_memory_footprint=true", *profiling]

    def _start(self, folder: Folder, model: Model, plan: LaunchPlan, flags: Sequence[str]) -> BenchmarkOutput:
        pinned = [] if plan.core is None else ["taskset", f"{1 << plan.core:x}"]
        command = [*pinned, folder.path(_NAME), f"--graph={folder.path(_file_name(model))}", *flags]
        result = folder.start(command, _WARM_UP_S + plan.limit_s)
        text = f"{result.stdout}\n{result.stderr}"
        if result.code != 0:
            raise _failure(folder.serial, model, result.code, text)
        if unknown := [flag for flag in unknown_flags(text) if flag not in _DISPENSABLE]:
            raise InputError(
                f"{self._path} does not know --{', --'.join(unknown)}, expected benchmark_model of "
                "TensorFlow 2.4 or newer, or of LiteRT; download a newer one, and pass it to --runner"
            )
        return parse(text)


def _file_name(model: Model) -> str:
    return f"{model.sha256[:16]}.tflite"


def _flags(plan: LaunchPlan) -> list[str]:
    """The plan in the program's words; InputError where it has no word for something."""
    if plan.outputs:
        raise InputError(
            f"{_NAME} was asked for outputs, expected timing only, for its inputs are random; leave out "
            "--check-outputs, or --runner"
        )
    if plan.flags not in (_DEFAULT_FLAGS, _DEFAULT_FLAGS | _FORCE_FP16):
        raise InputError(
            f"XNNPACK's flags {plan.flags} were asked for, expected {_DEFAULT_FLAGS} or "
            f"{_DEFAULT_FLAGS | _FORCE_FP16} with {_NAME}; leave out --runner"
        )
    return [
        "--num_threads=1",
        "--use_xnnpack=true",
        "--warmup_runs=1",
        f"--warmup_min_secs={min(_WARM_UP_S, plan.warm_up_s):g}",
        f"--num_runs={plan.burst}",
        f"--min_secs={_MIN_S:g}",
        f"--max_secs={plan.limit_s:g}",
        *(["--xnnpack_force_fp16=true"] if plan.flags & _FORCE_FP16 else []),
    ]


def _samples(turns: Sequence[BenchmarkOutput]) -> ModelSamples:
    """One model's starts. Its warm-up ends by the clock, so all that can be said is that there was one."""
    return ModelSamples(
        init_ms=statistics.median(turn.init_ms for turn in turns),
        first_ms=statistics.median(turn.first_ms for turn in turns),
        warm=True,
        rounds_ms=tuple((turn.mean_ms,) for turn in turns),
        warm_up_ms=tuple(turn.warm_up_ms for turn in turns),
        fully_delegated=turns[0].fully_delegated,
    )


def _failure(serial: str, model: Model, code: int, text: str) -> InputError | DeviceError:
    said = complaint(text)
    if code == 1 and said:
        return InputError(
            f"{_NAME} does not run {model.name} ({said}), expected a model that it takes; see whether our "
            "own runner does, without --runner"
        )
    if code > _SIGNALLED:
        return DeviceError(
            f"{_NAME} crashed on {serial} with {model.name} (signal {code - _SIGNALLED}), expected a result; "
            "take another build of it, or our own runner, without --runner"
        )
    lines = said or next((line.strip() for line in text.splitlines() if line.strip()), "it says nothing")
    return DeviceError(
        f"{_NAME} ended on {serial} with exit code {code} ({lines[:200]}), expected a result; see that it is "
        "a build for Android on aarch64"
    )
