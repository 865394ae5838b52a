from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

from mobiledeploy.bench.evaluation.accuracy.figures import Figures
from mobiledeploy.bench.evaluation.accuracy.row import Row, Rows

FIGURES = Figures(5000, 83.38, 83.52, -0.14, 0.13, 25.86, 98.7)
ORIGIN = {"weights_sha256": "12ab", "settings": {"keep_float": ("op:HardSwish",)}}
ROW = Row("mobilenetv2 width_mult=0.5", "default", ORIGIN, figures=FIGURES, partitions=1, outside={"PAD": 2})


def test_a_row_that_is_kept_is_found_again(tmp_path: Path) -> None:
    rows = Rows(tmp_path)
    rows.keep(replace(ROW, figures=replace(FIGURES, sqnr_db=math.inf)))
    found = Rows(tmp_path).find(ROW.network, ROW.method, ORIGIN)
    assert found is not None
    assert (found.figures, found.partitions) == (replace(FIGURES, sqnr_db=math.inf), 1)
    assert not list(tmp_path.rglob("*.part"))


def test_a_row_of_other_weights_is_measured_again(tmp_path: Path) -> None:
    Rows(tmp_path).keep(ROW)
    assert Rows(tmp_path).find(ROW.network, ROW.method, ORIGIN | {"weights_sha256": "34cd"}) is None


def test_a_failure_is_tried_again(tmp_path: Path) -> None:
    Rows(tmp_path).keep(replace(ROW, figures=None, error="InputError: no"))
    assert Rows(tmp_path).find(ROW.network, ROW.method, ORIGIN) is None


def test_half_a_row_is_none(tmp_path: Path) -> None:
    Rows(tmp_path).keep(ROW)
    (path,) = tmp_path.rglob("default.json")
    path.write_text(path.read_text()[:100])
    assert Rows(tmp_path).find(ROW.network, ROW.method, ORIGIN) is None
