from __future__ import annotations

import os
from pathlib import Path

import pytest

from mobiledeploy.bench.compare_peers.latency import interleaved_ms, main, pinned


def test_pinned_keeps_to_one_core_and_lets_go_again() -> None:
    before = os.sched_getaffinity(0)
    with pinned() as core:
        assert os.sched_getaffinity(0) == {core}
    assert os.sched_getaffinity(0) == before


def test_every_file_has_a_latency_for_every_round(linear_files: dict[str, Path]) -> None:
    taken = interleaved_ms(linear_files, rounds=7, loads=3)
    assert taken.keys() == linear_files.keys()
    assert all(values.shape == (7,) and (values > 0).all() for values in taken.values())


def test_command_prints_a_line_for_each_file(
    linear_files: dict[str, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*map(str, linear_files.values()), "--rounds", "3"]) == 0
    header, first, second = capsys.readouterr().out.splitlines()
    assert "median ms" in header
    assert "linear_fp32" in first and "1.000 (1.000 - 1.000)" in first
    assert "linear_int8" in second


def test_command_names_a_file_that_cannot_be_loaded(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = tmp_path / "bad.tflite"
    bad.write_text("no model")
    assert main([str(bad)]) == 2
    assert "bad.tflite" in capsys.readouterr().err
