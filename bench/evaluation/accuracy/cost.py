"""Time and memory of default quantization: `python -m mobiledeploy.bench.evaluation.accuracy.cost`.

Each export runs in a process of its own, which its peak memory belongs to. Steps are those of the export
itself, their processor time includes all threads.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from mobiledeploy.base.errors import InputError, MobileDeployError
from mobiledeploy.base.progress import Advance
from mobiledeploy.base.terminal import complain
from mobiledeploy.bench.evaluation.accuracy.markdown import line
from mobiledeploy.bench.evaluation.accuracy.steps import quantizes, seconds_to_quantize
from mobiledeploy.cli.arguments import Parser, at_least
from mobiledeploy.inputs.open_inputs import open_inputs
from mobiledeploy.sources.open_source import INPUT_NAME

__all__ = ["Cost", "Processor", "measure_cost", "page"]

PROGRAM = "python -m mobiledeploy.bench.evaluation.accuracy.cost"
TIMEOUT_S = 3600
_ERROR = "mobiledeploy: error: "


@dataclass(frozen=True)
class Cost:
    """What an export took.

    Attributes:
        samples: Number of calibration images.
        wall_s, processor_s: Step -> seconds.
        peak_mb: Largest resident set of the process, in units of 2^20 bytes.
        before_mb: The same when calibration began.
    """

    samples: int
    wall_s: dict[str, float]
    processor_s: dict[str, float]
    peak_mb: float
    before_mb: float


class Processor:
    """A progress that notes the processor time of each step, and the peak memory before calibration."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self.before_mb = 0.0

    @contextmanager
    def step(self, title: str, total: int | None = None) -> Iterator[Advance]:
        """Time a step."""
        if title.startswith("calibrate") and not self.before_mb:
            self.before_mb = _peak_mb()
        start = time.process_time()
        yield lambda: None
        self.seconds[title] = self.seconds.get(title, 0.0) + time.process_time() - start


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024  # Linux counts kB


def measure_cost(arguments: Sequence[str], samples: int) -> Cost:
    """Run an export in a process of its own.

    Args:
        arguments: As of this command, but for the numbers of samples.

    Raises:
        InputError: It failed; with its own message if it gave one.
    """
    command = [sys.executable, "-m", "mobiledeploy.bench.evaluation.accuracy.cost", *arguments]
    command += ["--samples", str(samples), "--only"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        if last.startswith(_ERROR):
            raise InputError(last.removeprefix(_ERROR))
        raise InputError(f"the export with {samples} images failed ({last}), expected it to end well")
    return Cost(**json.loads(done.stdout.strip().splitlines()[-1]))


def _require_images(path: Path | None, size: int, samples: int) -> None:
    """Refuse what an export would refuse only after its process has started, or make do with."""
    found = open_inputs(path, {INPUT_NAME: (1, 3, size, size)}, None, samples, seed=0)
    if len(found.calibration) < samples:
        raise InputError(
            f"{path} has {len(found.calibration)} images to calibrate with beside {len(found.held_back)} to "
            f"check on, expected {samples}; pass fewer --samples"
        )


def _here(args: argparse.Namespace) -> Cost:
    import mobiledeploy

    processor = Processor()
    result = mobiledeploy.export(
        args.network,
        int8=True,
        weights=args.weights,
        size=args.size,
        calibration=args.calibration,
        samples=args.samples[0],
        cache=False,
        out=args.out / f"samples_{args.samples[0]}",
        progress=processor,
    )
    return Cost(args.samples[0], result.seconds, processor.seconds, _peak_mb(), processor.before_mb)


def page(costs: Sequence[Cost]) -> str:
    """Seconds of each step, wall and processor, and peak memory, as Markdown."""
    titles = list(dict.fromkeys(step for cost in costs for step in cost.wall_s))
    heads = [f"{cost.samples} images" for cost in costs]
    lines = [line(["step, seconds (processor seconds)", *heads]), line(["---"] * (len(costs) + 1))]
    for title in titles:
        pairs = [(cost.wall_s.get(title), cost.processor_s.get(title, 0.0)) for cost in costs]
        lines.append(line([title, *("" if a is None else f"{a:.1f} ({b:.1f})" for a, b in pairs)]))
    quantized, whole = (
        [f"{total(cost.wall_s):.1f} ({total(cost.processor_s):.1f})" for cost in costs]
        for total in (seconds_to_quantize, lambda steps: sum(steps.values()))
    )
    counted = ", ".join(filter(quantizes, titles))
    lines.append(line([f"**quantization alone** ({counted})", *quantized]))
    lines.append(line(["**all**", *whole]))
    lines.append(line(["peak memory, MB", *(f"{cost.peak_mb:.0f}" for cost in costs)]))
    lines.append(line(["of it before calibration, MB", *(f"{cost.before_mb:.0f}" for cost in costs)]))
    return "\n".join([*lines, ""])


def main(arguments: list[str] | None = None) -> int:
    """Parse, export with each number of samples, print the table. Returns the exit code."""
    given = sys.argv[1:] if arguments is None else arguments
    args = _parser().parse_args(given)
    try:
        if args.only:
            print(json.dumps(asdict(_here(args))))
            return 0
        _require_images(args.calibration, args.size, max(args.samples))
        kept: list[str] = ["--network", args.network, "--size", str(args.size), "--out", str(args.out)]
        for flag, value in (("--weights", args.weights), ("--calibration", args.calibration)):
            kept += [] if value is None else [flag, str(value)]
        costs = [measure_cost(kept, samples) for samples in args.samples]
    except MobileDeployError as error:
        complain(f"error: {error}")
        return error.exit_code
    record: dict[str, Any] = {"network": args.network, "size": args.size}
    args.out.mkdir(parents=True, exist_ok=True)
    (args.out / "cost.json").write_text(
        json.dumps({**record, "costs": [asdict(cost) for cost in costs]}, indent=2) + "\n"
    )
    print(page(costs), end="")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = Parser(prog=PROGRAM, description="Time and memory of default quantization.")
    add = parser.add_argument
    add("--network", default="mobilenetv3_large", metavar="NAME", help="default: %(default)s")
    add("--weights", default="random", help="as of an export (default: %(default)s)")
    add("--size", type=at_least(8), default=224, metavar="N", help="side of the input (default: 224)")
    add("--calibration", type=Path, metavar="DIR|FILE", help="images (default: generated ones)")
    add(
        "--samples",
        type=at_least(1),
        nargs="+",
        default=[64, 256, 1024],
        metavar="N",
        help="numbers of calibration images (default: 64 256 1024)",
    )
    add("--out", type=Path, default=Path("artifacts/cost"), metavar="DIR", help="default: %(default)s")
    add("--only", action="store_true", help=argparse.SUPPRESS)  # one export, in this process
    return parser


if __name__ == "__main__":
    sys.exit(main())
