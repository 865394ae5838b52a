"""What `mobiledeploy bench` does, from Python."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from mobiledeploy.base.errors import InputError, MobileDeployError
from mobiledeploy.base.progress import Progress, Silent
from mobiledeploy.bench.devices.arm.emulator import Emulator, count
from mobiledeploy.bench.devices.arm.instruction_count import InstructionCount
from mobiledeploy.bench.devices.arm.profiles import ArmProfile
from mobiledeploy.bench.devices.device import Device
from mobiledeploy.bench.devices.host import Host
from mobiledeploy.bench.devices.open_devices import Tools, find
from mobiledeploy.bench.devices.phone.phone import Phone
from mobiledeploy.bench.latency.measurement import Measurement
from mobiledeploy.bench.latency.models import models_of
from mobiledeploy.bench.latency.protocol import measure
from mobiledeploy.bench.latency.settings import Limits, Settings
from mobiledeploy.bench.report.document import document
from mobiledeploy.bench.report.outputs import OutputCheck, check_outputs
from mobiledeploy.bench.runner.records import Model, Plan
from mobiledeploy.bench.runner.tensors import interface

__all__ = ["BenchResult", "bench"]

Result = Measurement | InstructionCount


@dataclass(frozen=True)
class BenchResult:
    """Results of all devices that could be measured.

    Attributes:
        results: Latencies of phones and of this host, instruction counts of emulated CPUs.
        checks: Outputs against this host's, if they were asked for.
        errors: What kept other devices from being measured.
        warnings: What the user should know.
    """

    results: tuple[Result, ...]
    checks: tuple[OutputCheck, ...] = ()
    errors: tuple[MobileDeployError, ...] = ()
    warnings: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The document of the run."""
        checks = [check.to_json() for check in self.checks]
        content = document([result.to_json() for result in self.results])
        return content | {"output_checks": checks, "errors": [str(error) for error in self.errors]}

    def failures(self, limits: Limits) -> list[str]:
        """What exceeds a limit, in words, and outputs that differ."""
        exceeded = [line for result in self.results for line in _exceeded(result, limits)]
        return exceeded + [check.failure() for check in self.checks if not check.passed]


def bench(
    files: Sequence[Path],
    devices: Sequence[str] = (),
    *,
    settings: Settings | None = None,
    tools: Tools | None = None,
    inputs: Path | None = None,
    check: bool = False,
    per_op: bool = False,
    progress: Progress | None = None,
) -> BenchResult:
    """Measure .tflite files on devices.

    Args:
        files: Measured in turns; the first is what the others are set against.
        devices: Serial numbers, "phone", "all", "host", "arm:PROFILE"; none: the phone that is connected if
            there is one, else this host. Phones are measured at the same time.
        inputs: .npy or .npz that every file is fed; none: noise of the settings' seed.
        check: Whether to compare what devices compute with what this host computes.
        per_op: Whether Google's benchmark tool is to time each op, too. Counts always are by op.

    Raises:
        InputError: A file, option or device that cannot be used, or a program that is not installed.
        DeviceError: The only device failed. With several, those that did not fail are returned.
    """
    settings, tools, progress = settings or Settings(), tools or Tools(), progress or Silent()
    models = models_of(files, inputs, settings.seed)
    found, warnings = find(devices, tools, per_op)
    if check and all(isinstance(device, Host) for device in found):
        raise InputError(
            "outputs are to be compared with this host's, expected a device that is another; pass --device "
            "SERIAL or arm:PROFILE"
        )
    if check and settings.fp16:
        raise InputError(
            "outputs in half precision were to be compared, expected single precision, since sums in half "
            "differ by percents between processors; leave out --fp16, or --check-outputs"
        )
    work = _Work(models, replace(settings, outputs=check), tools, progress)
    results, errors = _all(found, work)
    checks = _checks(models, results, work) if check else ()
    return BenchResult(tuple(results), tuple(checks), tuple(errors), tuple(warnings))


@dataclass(frozen=True)
class _Work:
    """What is to be done on each device."""

    models: Sequence[Model]
    settings: Settings
    tools: Tools
    progress: Progress

    def on(self, device: Device | ArmProfile) -> Result:
        if not isinstance(device, ArmProfile):
            return measure(device, self.models, self.settings, self.progress)
        emulator = Emulator.found(self.tools.litert_library, self.tools.arm_libraries)
        flags, progress = self.settings.flags, self.progress
        return count(self.models, device, flags=flags, emulator=emulator, progress=progress)


def _all(devices: Sequence[Device | ArmProfile], work: _Work) -> tuple[list[Result], list[MobileDeployError]]:
    """Results and errors. Phones work at the same time; what keeps this host busy comes afterwards."""
    if len(devices) == 1:
        return [work.on(devices[0])], []
    phones = [device for device in devices if isinstance(device, Phone)]
    others = [device for device in devices if not isinstance(device, Phone)]
    results: list[Result] = []
    errors: list[MobileDeployError] = []
    executor = ThreadPoolExecutor(max(1, len(phones)))
    try:
        tasks = [partial(future.result) for future in [executor.submit(work.on, phone) for phone in phones]]
        tasks += [partial(work.on, device) for device in others]
        for task in tasks:
            try:
                results.append(task())
            except MobileDeployError as error:
                errors.append(error)
    finally:
        # Ctrl-C must not wait for phones; each cleans up when this process has gone.
        executor.shutdown(wait=False, cancel_futures=True)
    if not results:
        raise errors[0]
    return results, errors


def _checks(models: Sequence[Model], results: Sequence[Result], work: _Work) -> Iterator[OutputCheck]:
    plan = Plan(rounds=1, burst=1, warm_up_s=0.0, flags=work.settings.flags, outputs=True)
    with Host().session(models) as session:
        reference = [session.launch([model], plan).models[0].outputs for model in models]
    tensors = [interface(model.path).outputs for model in models]
    for result in results:
        if result.identity.kind == "host":
            continue  # it would be held against itself
        outputs = [record.outputs for record in result.models]
        for model, kinds, found, expected in zip(models, tensors, outputs, reference, strict=True):
            yield from check_outputs(model.name, result.identity.name, kinds, found, expected)


def _exceeded(result: Result, limits: Limits) -> Iterator[str]:
    where = result.identity.name
    if isinstance(result, InstructionCount):
        for counted in result.models:
            if limits.instructions is not None and counted.instructions > limits.instructions:
                yield (
                    f"{counted.name} takes {counted.instructions / 1e6:.3f} M instructions on {where}, "
                    f"expected at most {limits.instructions / 1e6:.3f} M; --per-op lists where they go"
                )
        return
    for model, figures in zip(result.models, result.summaries, strict=True):
        if limits.ms is not None and figures.median.value > limits.ms:
            yield (
                f"{model.name} takes {figures.median.value:.3f} ms on {where}, expected at most "
                f"{limits.ms:g} ms; make it faster, or raise --max-ms"
            )
    if limits.stable and result.reasons:
        reasons = "; ".join(result.reasons)
        yield (
            f"the measurement on {where} is not stable, expected it to be: {reasons}; measure again while "
            "the device does nothing else, or raise --time-limit"
        )
