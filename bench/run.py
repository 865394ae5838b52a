"""Measures .tflite files on devices: `mobiledeploy bench`, from Python."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from mobiledeploy.base.errors import InputError, MobileDeployError
from mobiledeploy.base.files import file_sha256
from mobiledeploy.base.progress import Progress, Silent
from mobiledeploy.base.section import Section
from mobiledeploy.bench.devices.device import Device, Result
from mobiledeploy.bench.devices.host import Host
from mobiledeploy.bench.devices.open_devices import open_devices
from mobiledeploy.bench.devices.tools import Tools
from mobiledeploy.bench.latency.settings import Limits, Settings
from mobiledeploy.bench.report.document import document
from mobiledeploy.bench.report.outputs import OutputCheck, check_outputs, outputs_section
from mobiledeploy.bench.runner.records import LaunchPlan, Model
from mobiledeploy.bench.runner.tensors import given_inputs, interface, noise_inputs

__all__ = ["BenchResult", "bench", "models_of"]


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
        """Return the document of the run."""
        checks = [check.to_json() for check in self.checks]
        content = document([result.to_json() for result in self.results])
        return content | {"output_checks": checks, "errors": [str(error) for error in self.errors]}

    def sections(self, per_op: bool = False) -> Iterator[Section]:
        """Return what a reader is shown; every op, too, if asked for."""
        for result in self.results:
            yield from result.sections(per_op)
        if self.checks:
            yield outputs_section(self.checks)

    def failures(self, limits: Limits) -> list[str]:
        """Say what exceeds a limit, and which outputs differ."""
        exceeded = [line for result in self.results for line in result.exceeded(limits)]
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
    if check and settings.fp16:
        raise InputError(
            "outputs in half precision were to be compared, expected single precision, since sums in half "
            "differ by percents between processors; leave out --fp16, or --check-outputs"
        )
    models = models_of(files, inputs, settings.seed)
    found, warnings = open_devices(devices, tools, per_op)
    if check and all(device.is_host for device in found):
        raise InputError(
            "outputs are to be compared with this host's, expected a device that is another; pass --device "
            "SERIAL or arm:PROFILE"
        )
    wanted = replace(settings, outputs=check)
    results, errors = _all(found, lambda device: device.measure(models, wanted, progress))
    checks = _checks(models, results, settings.flags) if check else ()
    return BenchResult(tuple(results), tuple(checks), tuple(errors), tuple(warnings))


def models_of(files: Sequence[Path], inputs: Path | None = None, seed: int = 0) -> list[Model]:
    """Return files with their inputs, each under the shortest end of its path that no other shares.

    Raises:
        InputError: A file is missing or no TFLite model, or the inputs do not fit it.
    """
    models = []
    for name, path in zip(_names(files), files, strict=True):
        tensors = interface(path)
        fed = noise_inputs(tensors, seed) if inputs is None else given_inputs(tensors, inputs)
        models.append(Model(name, path, file_sha256(path), fed))
    return models


def _names(files: Sequence[Path]) -> list[str]:
    """Stems; with folders where stems are the same, with numbers where it is the same file."""
    stems = [path.resolve().with_suffix("") for path in files]
    names = []
    for i, stem in enumerate(stems):
        others = {other for other in stems if other != stem}
        ends = ("/".join(stem.parts[-length:]) for length in range(1, len(stem.parts) + 1))
        name = next(end for end in ends if not any(f"/{other}".endswith(f"/{end}") for other in others))
        again = stems[:i].count(stem)
        names.append(f"{name} ({again + 1})" if again else name)
    return names


def _all(
    devices: Sequence[Device], measure: Callable[[Device], Result]
) -> tuple[list[Result], list[MobileDeployError]]:
    """Results and errors. Devices that keep this host busy come after those that work at the same time."""
    if len(devices) == 1:
        return [measure(devices[0])], []
    concurrent = [device for device in devices if device.concurrent]
    results: list[Result] = []
    errors: list[MobileDeployError] = []
    executor = ThreadPoolExecutor(max(1, len(concurrent)))
    try:
        tasks = [executor.submit(measure, device).result for device in concurrent]
        tasks += [partial(measure, device) for device in devices if not device.concurrent]
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


def _checks(models: Sequence[Model], results: Sequence[Result], flags: int) -> Iterator[OutputCheck]:
    plan = LaunchPlan(rounds=1, burst=1, warm_up_s=0.0, flags=flags, outputs=True)
    with Host().session(models) as launch:
        reference = [launch([model], plan).models[0].outputs for model in models]
    tensors = [interface(model.path).outputs for model in models]
    for result in results:
        if result.identity.kind == "host":
            continue  # it would be held against itself
        outputs = [model.outputs for model in result.models]
        for model, kinds, found, expected in zip(models, tensors, outputs, reference, strict=True):
            yield from check_outputs(model.name, result.identity.name, kinds, found, expected)
