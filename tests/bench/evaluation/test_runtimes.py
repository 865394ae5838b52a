from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mobiledeploy.bench.evaluation.__main__ import main
from mobiledeploy.bench.evaluation.runtimes import Figures, Tolerances, complaint, figures_of_run

INT8 = Figures(
    partitions=0,
    max_abs=0.0,
    max_steps=0.0,
    relative=0.0,
    unequal=0,
    values=4,
    beyond=0,
    inputs=2,
    sqnr_db=20.0,
)
FP32 = replace(INT8, max_steps=None, sqnr_db=120.0)


def test_litert_agrees_with_itself_and_its_other_kernels(
    linear_files: dict[str, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["runtimes", str(linear_files["fp32"]), str(linear_files["int8"]), "--samples", "3"]
    assert main([*arguments, "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)["rows"]
    kinds = [(row["names"][0], row["names"][2]) for row in rows]
    assert kinds == [(a, k) for a in ("fp32", "int8") for k in ("default", "builtin", "reference")]
    runs = [row["figures"] for row in rows]
    assert [run["partitions"] for run in runs] == [1, 0, 0, 1, 0, 0]
    assert all(run["values"] == 15 and not run["complaint"] for run in runs)
    assert [run["max_steps"] for run in runs[:4]] == [None, None, None, 0.0]
    assert 20 < runs[3]["sqnr_db"] < 60  # against fp32

    assert main(arguments) == 0
    assert capsys.readouterr().out.count(" ok ") == 6


def test_an_interpreter_without_the_runtime_is_named(
    linear_files: dict[str, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    files = [str(linear_files["fp32"]), str(linear_files["int8"])]
    assert main(["runtimes", *files, "--samples", "1", "--tensorflow-python", "/nowhere/python"]) == 2
    message = capsys.readouterr().err
    assert "/nowhere/python cannot be run" in message and "interpreter that has tensorflow" in message


def test_a_file_that_is_no_artifact_is_named(
    linear_files: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = tmp_path / "bad.tflite"
    bad.write_text("no model")
    assert main(["runtimes", str(bad), str(linear_files["int8"])]) == 2
    assert "bad.tflite" in capsys.readouterr().err


def test_figures_count_steps_and_unequal_values() -> None:
    reference = np.array([[0.0, 0.5], [-1.0, 1.0]])
    found = figures_of_run(reference, np.array([[0.0, 0.75], [-1.0, 0.5]]), reference, step=0.25)
    assert (found.max_abs, found.max_steps, found.unequal, found.values) == (0.5, 2.0, 2, 4)
    assert (found.beyond, found.inputs) == (1, 2)
    assert found.relative == 0.25  # of a range of 2
    assert found.sqnr_db == pytest.approx(10 * np.log10(2.25 / 0.3125))


def test_figures_of_float_have_no_steps() -> None:
    reference = np.array([[0.0, 1.0]])
    assert figures_of_run(reference, reference, reference, step=None).max_steps is None


def test_a_constant_output_is_no_division_by_zero() -> None:
    ones = np.ones((1, 2))
    assert figures_of_run(ones, ones, ones, step=None).relative == 0.0


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (replace(INT8, partitions=1, max_steps=1.0), ""),
        (
            replace(INT8, partitions=1, max_steps=2.0, beyond=1),
            "2 quantization steps apart, expected at most 1; 1 of 2",
        ),
        (replace(INT8, max_steps=5.0, sqnr_db=19.5), ""),
        (replace(INT8, max_steps=5.0, sqnr_db=18.0), "2.0 dB below"),
        (replace(INT8, sqnr_db=25.0), ""),
        (replace(FP32, relative=5e-5), ""),
        (replace(FP32, partitions=1, relative=3e-4), "3.0e-04 of the output range"),
    ],
)
def test_complaints(found: Figures, words: str) -> None:
    message = complaint(found, INT8, Tolerances())
    assert words in message
    assert bool(message) == bool(words)
