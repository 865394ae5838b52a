"""``mobiledeploy list``."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from itertools import groupby
from typing import TYPE_CHECKING

from mobiledeploy.base.options import Options
from mobiledeploy.base.section import Section
from mobiledeploy.base.terminal import show
from mobiledeploy.cli.command import Command, Output
from mobiledeploy.models.registry import specs

if TYPE_CHECKING:
    from mobiledeploy.models.spec import ModelSpec, Reported, Width

__all__ = ["COMMAND"]

_NOTE = "params, MAdds: as counted here; acc.: in percent, as the authors print it"


def _list(_: Options, output: Output) -> int:
    if output.json:
        print(json.dumps({name: asdict(spec) for name, spec in specs().items()}, indent=2))
        return 0
    tasks = groupby(sorted(specs().values(), key=lambda spec: spec.task), key=lambda spec: spec.task)
    show(Section(task, list(_rows(found)), [_NOTE], names=["network"]) for task, found in tasks)
    return 0


def _rows(found: Iterable[ModelSpec]) -> Iterator[dict[str, str]]:
    for spec in found:
        sides = dict.fromkeys(spec.input_size)  # one number of a square
        figures = _figures(spec, spec.reported)
        arxiv = spec.paper.rpartition("arXiv:")[2]
        yield {"network": spec.name, "input": "x".join(map(str, sides)), **figures, "arXiv": arxiv}
        for width in spec.widths:
            yield {"network": f"  width {width.width_mult:g}", **_figures(width, width.reported)}


def _figures(counted: ModelSpec | Width, reported: Reported | None) -> dict[str, str]:
    """Return parameters and multiply-adds as counted, accuracy as reported."""
    return {
        "params": f"{counted.parameters / 1e6:.2f}M",
        "MAdds": f"{counted.multiply_adds_m:.{0 if counted.multiply_adds_m >= 100 else 1}f}M",
        "acc.": "" if reported is None or reported.accuracy is None else f"{reported.accuracy:.1f}",
    }


COMMAND = Command(Options, _list, description="List the networks that are built in, with their figures.")
