"""Translates a plan into the runner's arguments, and what it printed into a launch.

The form of both is stated at the head of runner.c.
"""

from __future__ import annotations

import json
import math
import signal
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from mobiledeploy.base.errors import DeviceError, InputError
from mobiledeploy.bench.runner.records import Launch, LaunchPlan, Model, ModelSamples

__all__ = ["Finished", "arguments", "patience_s", "to_launch"]

_FORMAT = 1
_BAD_INPUT, _REFUSED = 2, 3  # as in runner.c
_GRACE_S = 60.0
_MOST_OUTPUTS = 1000
_AGAIN = "measure again"


@dataclass(frozen=True)
class Finished:
    """A start of the runner that has ended.

    Attributes:
        exit_code: Negative, or above 128 from a shell: it was ended by a signal.
        paths: What each model of the plan was called for the runner.
    """

    exit_code: int
    stdout: bytes
    stderr: bytes
    paths: Sequence[str]


def arguments(plan: LaunchPlan, paths: Sequence[str], library: str) -> list[str]:
    """Return the runner's arguments.

    Args:
        paths: Where the runner finds the models.
        library: Path of libLiteRt.so there.
    """
    options = {
        "library": library,
        "core": plan.core,
        "rounds": plan.rounds,
        "burst": plan.burst,
        "warm-up-ms": round(plan.warm_up_s * 1000),
        "limit-ms": round(plan.limit_s * 1000),
        "flags": plan.flags,
        "seed": plan.seed,
    }
    told = {name: value for name, value in options.items() if value is not None}
    words = [word for name, value in told.items() for word in (f"--{name}", str(value))]
    return [*words, *(["--outputs"] if plan.outputs else []), *paths]


def patience_s(plan: LaunchPlan) -> float:
    """Return after how long a runner hangs: it ends by itself before, but for loading and its last round."""
    return plan.warm_up_s + plan.limit_s + _GRACE_S


def to_launch(
    finished: Finished,
    models: Sequence[Model],
    plan: LaunchPlan,
    *,
    where: str,
    runtime: str,
    read: Callable[[str], bytes],
) -> Launch:
    """Read what the runner measured.

    Args:
        where: What messages call the device.
        runtime: Name and version of what the runner ran on, as `library_version` tells it.
        read: The content of a file at the runner's place; for the outputs, if the plan asks for them.

    Raises:
        InputError: A model or its inputs are not what LiteRT can run. The message names the file.
        DeviceError: The runner crashed, was refused something, or printed nothing that makes sense.
    """
    _raise_for_exit(finished, models, where)
    text = finished.stdout.decode(errors="replace")
    try:
        document = json.loads(text)
        launch = _launch(document, plan, len(models), runtime)
        output_counts = [_output_count(model) for model in document["models"]]
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
        shown = text.strip().partition("\n")[0][:80]
        fault = f"no {error.args[0]}" if isinstance(error, KeyError) else error
        raise DeviceError(
            f"the runner on {where} printed {shown!r} ({fault}), expected its JSON document; {_AGAIN}"
        ) from error
    if not plan.outputs:
        return launch
    outputs = [
        tuple(read(f"{path}.out{i}") for i in range(count))
        for path, count in zip(finished.paths, output_counts, strict=True)
    ]
    filled = [replace(samples, outputs=own) for samples, own in zip(launch.models, outputs, strict=True)]
    return replace(launch, models=tuple(filled))


def _raise_for_exit(finished: Finished, models: Sequence[Model], where: str) -> None:
    code = finished.exit_code
    if code == 0:
        return
    lines = [line for line in finished.stderr.decode(errors="replace").splitlines() if line.strip()]
    said = lines[-1].strip().removeprefix("runner: ") if lines else "nothing"
    if code == _BAD_INPUT:
        for path, model in zip(finished.paths, models, strict=True):
            said = said.replace(path, str(model.path))
        raise InputError(f"{said}, expected a TFLite model that LiteRT can run; export it again")
    if code == _REFUSED:
        raise DeviceError(f"the runner on {where} stopped ({said}), expected it to measure; {_AGAIN}")
    number = -code if code < 0 else code - 128
    try:
        how = f"was ended by {signal.Signals(number).name}"
    except ValueError:
        how = f"ended with exit code {code}"
    raise DeviceError(f"the runner on {where} {how} (it said: {said[:200]}), expected a result; {_AGAIN}")


def _launch(document: Any, plan: LaunchPlan, model_count: int, runtime: str) -> Launch:
    """Return the document's content.

    Raises:
        ValueError, KeyError, TypeError, OverflowError: It is not what the runner prints for this plan.
    """
    if document["runner"] != _FORMAT:
        raise ValueError(f"format {document['runner']}")
    rounds = _count("rounds", document["rounds"])
    if not 1 <= rounds <= plan.rounds:
        raise ValueError(f"{rounds} rounds")
    if len(document["models"]) != model_count:
        raise ValueError(f"{len(document['models'])} models")
    clocks = tuple(_count("clock_khz", khz) for khz in document["clock_khz"])
    if clocks and len(clocks) != rounds:
        raise ValueError(f"{len(clocks)} clocks")
    core, peak_kb = document["core"], _count("peak_kb", document["peak_kb"])
    return Launch(
        models=tuple(_samples(model, rounds, plan.burst) for model in document["models"]),
        runtime=runtime,
        core=None if core == -1 else _count("core", core),
        seconds=_number("seconds", document["seconds"]),
        clock_khz=clocks,
        involuntary_switches=_count("involuntary_switches", document["involuntary_switches"]),
        peak_memory_mb=peak_kb / 1024 if peak_kb else None,
        complete=rounds == plan.rounds,
    )


def _samples(model: Mapping[str, Any], rounds: int, burst: int) -> ModelSamples:
    samples_us = model["samples_us"]
    if len(samples_us) != rounds or any(len(turn) != burst for turn in samples_us):
        raise ValueError("another number of samples")
    return ModelSamples(
        init_ms=_number("init_us", model["init_us"]) / 1000,
        first_ms=_number("first_us", model["first_us"]) / 1000,
        warm=_flag("warm", model["warm"]),
        rounds_ms=tuple(tuple(_time_ms("samples_us", us) for us in turn) for turn in samples_us),
        warm_up_ms=tuple(_time_ms("warm_up_us", us) for us in model["warm_up_us"]),
        fully_delegated=_flag("fully_delegated", model["fully_delegated"]),
    )


def _output_count(model: Mapping[str, Any]) -> int:
    count = _count("outputs", model["outputs"])
    if count > _MOST_OUTPUTS:
        raise ValueError(f"{count} outputs")
    return count


def _number(key: str, value: Any) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value < math.inf:
        raise ValueError(f"{key} {value!r}")
    return float(value)


def _time_ms(key: str, microseconds: Any) -> float:
    if _number(key, microseconds) == 0:
        raise ValueError(f"{key} 0")
    return float(microseconds) / 1000


def _count(key: str, value: Any) -> int:
    if not isinstance(value, int):
        raise ValueError(f"{key} {value!r}")
    _number(key, value)
    return value


def _flag(key: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError(f"{key} {value!r}")
    return value
