"""Latency of artifacts taken in turns on one core, so that what disturbs the machine disturbs all alike.

python -m mobiledeploy.bench.compare_peers.latency A.tflite B.tflite ...
"""

from __future__ import annotations

import argparse
import gc
import os
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mobiledeploy.bench.compare_peers.artifact import Artifact
from mobiledeploy.bench.compare_peers.ratios import ratio, spread
from mobiledeploy.errors import MobileDeployError

__all__ = ["interleaved_ms", "main", "pinned"]

WARM_UP_ROUNDS = 3


@contextmanager
def pinned(core: int | None = None) -> Iterator[int]:
    """Keep this thread on one core: `core`, or the last that it may use. Yields the core's number."""
    before = os.sched_getaffinity(0)
    chosen = max(before) if core is None else core
    os.sched_setaffinity(0, {chosen})
    try:
        yield chosen
    finally:
        os.sched_setaffinity(0, before)


def interleaved_ms(
    files: Mapping[str, Path], *, rounds: int = 200, burst: int = 5, loads: int = 10
) -> dict[str, NDArray[np.float64]]:
    """Milliseconds per inference of each file in each round, on seeded noise.

    In a round each file takes its turn of `burst` timed inferences, after an untimed one that brings its
    weights back into the caches; the turn counts with its median. The order is drawn anew for every round.
    All files are loaded `loads` times over: where an interpreter's memory happens to lie makes a difference
    of some percent, even between two interpreters of one file.

    Args:
        files: .tflite files by name.
        rounds: rounds that count, over all loads; each load runs a few before them.
        burst: timed inferences per turn.
        loads: how often to load afresh.

    Returns:
        For each name the milliseconds per round, (rounds,).

    Raises:
        InputError: a file that LiteRT does not load.
    """
    taken: dict[str, list[float]] = {name: [] for name in files}
    rng = np.random.default_rng(0)
    for share in np.array_split(np.arange(rounds), min(loads, rounds)):
        artifacts = {name: Artifact(path) for name, path in files.items()}
        for artifact in artifacts.values():
            artifact.feed_noise()
        with _no_garbage_collection():
            for number in range(-WARM_UP_ROUNDS, len(share)):
                for name in rng.permutation(list(files)):
                    turn_ms = _turn_ms(artifacts[name], burst)
                    if number >= 0:
                        taken[name].append(turn_ms)
    return {name: np.array(values) for name, values in taken.items()}


@contextmanager
def _no_garbage_collection() -> Iterator[None]:
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _turn_ms(artifact: Artifact, burst: int) -> float:
    artifact.invoke()
    times = np.empty(burst)
    for i in range(burst):
        start = time.perf_counter_ns()
        artifact.invoke()
        times[i] = time.perf_counter_ns() - start
    return float(np.median(times)) / 1e6


def main(arguments: list[str] | None = None) -> int:
    """Command line: medians of any number of files, and their ratios to the first."""
    parser = argparse.ArgumentParser(
        prog="python -m mobiledeploy.bench.compare_peers.latency",
        description="latency of TFLite files taken in turns on one core, one thread",
    )
    parser.add_argument("files", type=Path, nargs="+", metavar="FILE.tflite")
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--core", type=int, help="core to run on (default: the last that may be used)")
    args = parser.parse_args(arguments)
    try:
        with pinned(args.core):
            files = {str(path): path for path in args.files}
            taken = interleaved_ms(files, rounds=args.rounds)
            partitions = {name: Artifact(path).partitions for name, path in files.items()}
    except MobileDeployError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    first = taken[str(args.files[0])]
    width = max(map(len, files))
    print(f"{'file':{width}}  partitions  median ms  quartiles       ratio to the first")
    for name, values in taken.items():
        middle, relative = spread(values), ratio(values, first)
        print(
            f"{name:{width}}  {partitions[name]:10d}  {middle.median:9.3f}  "
            f"{middle.low:.3f} - {middle.high:.3f}   {relative.rounds.median:.3f} "
            f"({relative.interval[0]:.3f} - {relative.interval[1]:.3f})"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
