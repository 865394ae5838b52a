"""The choices of a user about a measurement, and demands on its result."""

from __future__ import annotations

from dataclasses import dataclass

from mobiledeploy.bench.runner.records import LaunchPlan

__all__ = ["FP16", "INT8", "Limits", "Settings"]

INT8, FP16 = 3, 4
"""XNNPACK's delegate flags: kernels of signed and unsigned int8; float models in half precision."""


@dataclass(frozen=True)
class Settings:
    """Settings of a measurement.

    Attributes:
        core: The core to measure on; None: the largest.
        rounds, burst: Of a launch: turns of each model, and timed inferences in a turn.
        min_launches: Never fewer, however narrow the interval.
        precision: Half width of the medians' and ratios' intervals, as a share, at which to stop.
        time_limit_s: When no further launch begins; the stability verdict then says what was reached.
        warm_up_s: Longest warm-up of a launch.
        launch_limit_s: When no further round of a launch begins; one that goes on long after it has hung.
        cool_down_s: Rest before each launch.
        cool_down_limit_s: Longest rest before a launch while the device is throttled.
        seed: Of the order of turns.
        flags: XNNPACK's delegate flags.
        outputs: Whether to bring back what the models compute.
    """

    core: int | None = None
    rounds: int = 6
    burst: int = 5
    min_launches: int = 12
    precision: float = 0.01
    time_limit_s: float = 60.0
    warm_up_s: float = 2.0
    launch_limit_s: float = 60.0
    cool_down_s: float = 0.1
    cool_down_limit_s: float = 60.0
    seed: int = 0
    flags: int = INT8
    outputs: bool = False

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
class Limits:
    """Limits of a result, for use in CI; None or False: anything goes.

    Attributes:
        ms: Of every median.
        instructions: Of every count.
        stable: Whether every measurement must be stable.
    """

    ms: float | None = None
    instructions: float | None = None
    stable: bool = False
