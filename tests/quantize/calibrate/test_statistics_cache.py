"""Histograms that are kept between runs: the same ones or none."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx_ir as ir
import pytest

from mobiledeploy.graph.onnx_graph import result_of
from mobiledeploy.quantize.calibrate.histogram import Histogram, pack
from mobiledeploy.quantize.calibrate.observe import collect_histograms
from mobiledeploy.quantize.calibrate.statistics_cache import StatisticsCache, identity
from mobiledeploy.runtime.runtimes import Sample
from mobiledeploy.testing import model_from_text, random_sample


def network(seed: int = 0) -> ir.Model:
    return model_from_text(
        """g (float[1,3,8,8] x) => (float[1,4,8,8] y) <float[4,3,1,1] w> {
            c = Conv(x, w)
            y = Relu(c)
        }""",
        seed,
    )


def collected(
    folder: Path, model: ir.Model, samples: Sequence[Sample], limit_bytes: int = 1 << 20
) -> tuple[list[Histogram], int]:
    """The histograms, and how many samples were run for them."""
    counted: list[int] = []
    cache = StatisticsCache(folder, identity("", samples, []), limit_bytes)
    groups = [[result_of(node)] for node in model.graph]
    found = collect_histograms(model, groups, samples, lambda: counted.append(1), cache)
    return found, len(counted)


def same(one: Sequence[Histogram], other: Sequence[Histogram]) -> bool:
    first, second = pack(one), pack(other)
    return all(np.array_equal(first[name], second[name]) for name in first)


@pytest.fixture
def samples() -> list[Sample]:
    return [random_sample(network(), seed) for seed in range(4)]


def test_the_second_run_counts_nothing_and_gives_the_same(tmp_path: Path, samples: list[Sample]) -> None:
    first, counted = collected(tmp_path, network(), samples)
    second, counted_again = collected(tmp_path, network(), samples)
    assert (counted, counted_again) == (4, 0)
    assert same(first, second)


def test_another_network_or_other_samples_are_counted(tmp_path: Path, samples: list[Sample]) -> None:
    first, _ = collected(tmp_path, network(), samples)
    for model, others in (
        (network(seed=1), samples),
        (network(), samples[:3]),
        (network(), [random_sample(network(), 9), *samples[1:]]),
    ):
        found, counted = collected(tmp_path, model, others)
        assert counted == len(others) and not same(first, found)


def test_samples_are_told_apart_by_how_they_are_made(samples: list[Sample]) -> None:
    same_files = identity("files", samples, ["bilinear"])
    assert same_files == identity("files", list(samples), ["bilinear"])
    brighter = [{name: array + 1 for name, array in sample.items()} for sample in samples]
    assert same_files != identity("other files", samples, ["bilinear"])
    assert same_files != identity("files", samples, ["box"])
    assert same_files != identity("files", brighter, ["bilinear"])


@pytest.mark.parametrize("damage", [b"", b"not a zip file", None])
def test_a_damaged_file_is_written_anew(tmp_path: Path, samples: list[Sample], damage: bytes | None) -> None:
    first, _ = collected(tmp_path, network(), samples)
    (file,) = tmp_path.iterdir()
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2] if damage is None else damage)
    second, counted = collected(tmp_path, network(), samples)
    assert counted == 4 and same(first, second)
    assert collected(tmp_path, network(), samples)[1] == 0
    assert list(tmp_path.iterdir()) == [file]


def test_the_least_recently_used_make_room(tmp_path: Path, samples: list[Sample]) -> None:
    for seed in range(3):
        collected(tmp_path, network(seed), samples)
        for age, file in enumerate(sorted(tmp_path.iterdir(), key=lambda path: -path.stat().st_mtime_ns)):
            os.utime(file, (1000 - age, 1000 - age))  # the clock of a file system may be coarse
    collected(tmp_path, network(0), samples)  # the oldest is used
    room = sum(file.stat().st_size for file in tmp_path.iterdir())
    collected(tmp_path, network(3), samples, limit_bytes=room)
    counted = [collected(tmp_path, network(seed), samples, room)[1] for seed in (0, 2, 3)]
    assert counted == [0, 0, 0]
    assert collected(tmp_path, network(1), samples, room)[1] == 4


def test_a_folder_that_cannot_be_written_costs_the_cache_alone(tmp_path: Path, samples: list[Sample]) -> None:
    (tmp_path / "file").write_text("in the way")
    _, counted = collected(tmp_path / "file" / "cache", network(), samples)
    assert counted == 4
