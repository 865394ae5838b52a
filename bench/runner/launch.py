"""From a plan to the runner's arguments, and from what it printed to a launch.

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
    """How the runner ended.

    Attributes:
        exit_code: Negative, or above 128 from a shell: it was ended by a signal.
        paths: What each model of the plan was called for the runner.
    """

    exit_code: int
    stdout: bytes
    stderr: bytes
    paths: Sequence[str]


def arguments(plan: LaunchPlan, paths: Sequence[str], library: str) -> list[str]:
    """The runner's arguments.

    Args:
        paths: Of the models, where the runner finds them.
        library: Path of libLiteRt.so there.
    """
    found = ["--library", library]
    if plan.core is not None:
        found += ["--core", str(plan.core)]
    found += ["--rounds", str(plan.rounds), "--burst", str(plan.burst)]
    found += [
        "--warm-up-ms",
        str(round(plan.warm_up_s * 1000)),
        "--limit-ms",
        str(round(plan.limit_s * 1000)),
    ]
    found += ["--flags", str(plan.flags), "--seed", str(plan.seed)]
    if plan.outputs:
        found.append("--outputs")
    return [*found, *paths]


def patience_s(plan: LaunchPlan) -> float:
    """Seconds after which a runner hangs: it ends by itself before, but for loading and its last round."""
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
    """What the runner measured.

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
    """The document's content.

    Raises:
        ValueError, KeyError, TypeError, OverflowError: It is not what the runner prints for this plan.
    """
    if document["runner"] != _FORMAT:
        raise ValueError(f"format {document['runner']}")
    rounds = _whole(document, "rounds")
    if not 1 <= rounds <= plan.rounds:
        raise ValueError(f"{rounds} rounds")
    if len(document["models"]) != model_count:
        raise ValueError(f"{len(document['models'])} models")
    clocks = tuple(_checked_whole("clock_khz", khz) for khz in document["clock_khz"])
    if clocks and len(clocks) != rounds:
        raise ValueError(f"{len(clocks)} clocks")
    core = document["core"]
    peak_kb = _whole(document, "peak_kb")
    return Launch(
        models=tuple(_samples(model, rounds, plan.burst) for model in document["models"]),
        runtime=runtime,
        core=None if core == -1 else _checked_whole("core", core),
        seconds=_checked("seconds", document["seconds"]),
        clock_khz=clocks,
        involuntary_switches=_whole(document, "involuntary_switches"),
        peak_memory_mb=peak_kb / 1024 if peak_kb else None,
        complete=rounds == plan.rounds,
    )


def _samples(model: Mapping[str, Any], rounds: int, burst: int) -> ModelSamples:
    samples_us = model["samples_us"]
    if len(samples_us) != rounds or any(len(turn) != burst for turn in samples_us):
        raise ValueError("another number of samples")
    return ModelSamples(
        init_ms=_checked("init_us", model["init_us"]) / 1000,
        first_ms=_checked("first_us", model["first_us"]) / 1000,
        warm=_flag(model, "warm"),
        rounds_ms=tuple(tuple(_positive("samples_us", us) / 1000 for us in turn) for turn in samples_us),
        warm_up_ms=tuple(_positive("warm_up_us", us) / 1000 for us in model["warm_up_us"]),
        fully_delegated=_flag(model, "fully_delegated"),
    )


def _output_count(model: Mapping[str, Any]) -> int:
    count = _whole(model, "outputs")
    if count > _MOST_OUTPUTS:
        raise ValueError(f"{count} outputs")
    return count


def _checked(key: str, value: Any) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool) or not math.isfinite(value) or value < 0:
        raise ValueError(f"{key} {value!r}")
    return float(value)


def _positive(key: str, value: Any) -> float:
    if _checked(key, value) == 0:
        raise ValueError(f"{key} 0")
    return float(value)


def _checked_whole(key: str, value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ValueError(f"{key} {value!r}")
    return value


def _whole(document: Mapping[str, Any], key: str) -> int:
    return _checked_whole(key, document[key])


def _flag(document: Mapping[str, Any], key: str) -> bool:
    if not isinstance(document[key], bool):
        raise ValueError(f"{key} {document[key]!r}")
    return bool(document[key])
