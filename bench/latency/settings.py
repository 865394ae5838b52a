"""The choices of a user about a measurement, and demands on its result."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from mobiledeploy.base.options import Options, UnfitError, number, option, whole
from mobiledeploy.bench.runner.records import LaunchPlan

__all__ = ["Limits", "Settings"]

_INT8, _FP16 = 3, 4
"""XNNPACK's delegate flags: kernels of signed and unsigned int8; float models in half precision."""

_SUFFIXES = {"k": 1e3, "m": 1e6, "g": 1e9}


def _positive(given: float | str) -> float:
    found = number(given)
    if not 0 < found < float("inf"):
        raise UnfitError("a number above 0")
    return found


def _seconds(given: float | str) -> float:
    found = number(given)
    if not 0 <= found < float("inf"):
        raise UnfitError("seconds, 0 or more")
    return found


def _share(given: float | str) -> float:
    """A share, which is a percentage where it is text."""
    return _positive(given) / 100 if isinstance(given, str) else _positive(given)


def _instructions(given: float | str) -> float:
    """A number, which as text may be one of thousands, millions or billions."""
    text = str(given)
    factor = _SUFFIXES.get(text[-1:].lower(), 1.0)
    return _positive(text[:-1] if factor > 1 else text) * factor


@dataclass(frozen=True)
class Settings(Options):
    """Settings of a measurement.

    Attributes:
        rounds, burst: Of a launch: turns of each model, and timed inferences in a turn.
        min_launches: Never fewer, however narrow the interval.
        warm_up_s: Longest warm-up of a launch.
        launch_limit_s: When no further round of a launch begins; one that goes on long after it has hung.
        cool_down_s: Rest before each launch.
        cool_down_limit_s: Longest rest before a launch while the device is throttled.
        outputs: Whether to bring back what the models compute.
    """

    title: ClassVar[str] = "the measurement"

    core: int | None = option(None, whole(0), metavar="N", help="core to measure on", unset="the largest")
    rounds: int = 6
    burst: int = 5
    min_launches: int = 12
    precision: float = option(
        0.01,
        _share,
        flag="--until",
        metavar="PERCENT",
        help="stop when medians and ratios are known this well: half of their interval",
        unset="1",
    )
    time_limit_s: float = option(
        60.0,
        _seconds,
        flag="--time-limit",
        metavar="S",
        help="stop after so many seconds in any case; the verdict says what was reached",
    )
    warm_up_s: float = 2.0
    launch_limit_s: float = 60.0
    cool_down_s: float = 0.1
    cool_down_limit_s: float = 60.0
    seed: int = option(
        0, whole(0), metavar="N", help="random seed of the noise that is fed and of the order of turns"
    )
    fp16: bool = option(False, help="let XNNPACK compute float models in half precision")
    outputs: bool = False

    @property
    def flags(self) -> int:
        """XNNPACK's delegate flags."""
        return _INT8 | (_FP16 if self.fp16 else 0)

    def plan(self, core: int, launch: int, round_s: float) -> LaunchPlan:
        """Plan the launch of that number.

        Args:
            round_s: About how long a round takes; so that all launches fit into the time limit, networks that
                are slow get fewer rounds, though never less than two.
        """
        # Half of the time goes into loading and warm-up. A runner's clock may call a tiny network's time 0.
        affordable = self.time_limit_s / self.min_launches / 2 / max(round_s, 1e-6)
        return LaunchPlan(
            core=core,
            rounds=min(self.rounds, max(2, int(affordable))),
            burst=self.burst,
            warm_up_s=self.warm_up_s,
            limit_s=self.launch_limit_s,
            seed=self.seed + launch,
            flags=self.flags,
        )


@dataclass(frozen=True)
class Limits(Options):
    """What a result must not exceed, for use in CI."""

    title: ClassVar[str] = "limits"

    ms: float | None = option(
        None, _positive, flag="--max-ms", metavar="MS", help="fail when a median is above"
    )
    instructions: float | None = option(
        None, _instructions, flag="--max-insns", metavar="N", help="fail when a count is above, such as 15M"
    )
    stable: bool = option(False, flag="--require-stable", help="fail unless the measurement is stable")
