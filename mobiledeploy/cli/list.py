"""``mobiledeploy list``."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING

from mobiledeploy.base.options import Options
from mobiledeploy.base.terminal import console
from mobiledeploy.cli.command import Command, Output
from mobiledeploy.models.registry import specs

if TYPE_CHECKING:
    from mobiledeploy.models.spec import ModelSpec, Reported, Width

__all__ = ["COMMAND"]


def _list(_: Options, output: Output) -> int:
    if output.json:
        print(json.dumps({name: asdict(spec) for name, spec in specs().items()}, indent=2))
        return 0
    from rich import box
    from rich.table import Table

    columns = ("network", "task", "input", "params", "MAdds", "acc.", "arXiv")  # 80 characters wide
    table = Table(*columns, box=box.SIMPLE_HEAD, show_edge=False, padding=0)
    for spec in specs().values():
        sides = dict.fromkeys(spec.input_size)  # one number of a square
        arxiv = spec.paper.rpartition("arXiv:")[2]
        table.add_row(spec.name, spec.task, "x".join(map(str, sides)), *_figures(spec, spec.reported), arxiv)
        for width in spec.widths:
            table.add_row(f"  width {width.width_mult:g}", "", "", *_figures(width, width.reported))
    console(sys.stdout).print(table)
    return 0


def _figures(counted: ModelSpec | Width, reported: Reported | None) -> Iterator[str]:
    """Parameters and multiply-adds as counted, accuracy as reported."""
    yield f"{counted.parameters / 1e6:.2f}M"
    yield f"{counted.multiply_adds_m:.{0 if counted.multiply_adds_m >= 100 else 1}f}M"
    yield "" if reported is None or reported.accuracy is None else f"{reported.accuracy:.1f}"


COMMAND = Command(Options, _list, description="List the networks that are built in, with their figures.")
