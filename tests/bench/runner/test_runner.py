from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from mobiledeploy.bench.runner.litert_library import host_library
from mobiledeploy.bench.runner.tensors import interface, noise_inputs, to_array
from mobiledeploy.runtime.runtimes import TfliteSession


def placed(folder: Path, source: Path, seed: int = 0) -> Path:
    """A copy of a model with noise for its inputs."""
    path = folder / source.name
    path.write_bytes(source.read_bytes())
    for i, content in enumerate(noise_inputs(interface(path), seed)):
        path.with_name(f"{path.name}.in{i}").write_bytes(content)
    return path


def start(command: list[str], *arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*command, *map(str, arguments)], capture_output=True, text=True, check=False, timeout=60
    )


def run(runner: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    return start([str(runner), "--library", str(host_library())], *arguments)


def measured(runner: Path, *arguments: object) -> dict[str, Any]:
    done = run(runner, *arguments)
    assert done.returncode == 0, done.stderr
    document: dict[str, Any] = json.loads(done.stdout)
    return document


def reference(path: Path) -> list[NDArray[Any]]:
    """What the interpreter of the Python package computes from the inputs beside a model."""
    interpreter = TfliteSession(path).interpreter
    for i, (detail, tensor) in enumerate(
        zip(interpreter.get_input_details(), interface(path).inputs, strict=True)
    ):
        interpreter.set_tensor(
            detail["index"], to_array(tensor, path.with_name(f"{path.name}.in{i}").read_bytes())
        )
    interpreter.invoke()
    return [interpreter.get_tensor(detail["index"]) for detail in interpreter.get_output_details()]


def assert_same_outputs(path: Path, document: dict[str, Any]) -> None:
    expected = reference(path)
    assert document["models"][0]["outputs"] == len(expected)
    for i, (tensor, array) in enumerate(zip(interface(path).outputs, expected, strict=True)):
        got = to_array(tensor, path.with_name(f"{path.name}.out{i}").read_bytes())
        np.testing.assert_array_equal(got, array, err_msg=tensor.name, strict=True)


def test_samples_come_by_model_round_and_burst(
    host_runner: Path, linear_files: dict[str, Path], tmp_path: Path
) -> None:
    models = [placed(tmp_path, path) for path in linear_files.values()]
    document = measured(host_runner, "--rounds", 4, "--burst", 3, "--core", 0, *models)
    assert document["runner"] == 1
    assert (document["core"], document["rounds"]) == (0, 4)
    assert len(document["models"]) == 2
    for model in document["models"]:
        assert np.shape(model["samples_us"]) == (4, 3)
        assert np.min(model["samples_us"]) > 0
        assert model["init_us"] > 0
        assert model["first_us"] > 0
        assert model["fully_delegated"] is True
        assert len(model["warm_up_us"]) == len(document["models"][0]["warm_up_us"]) >= 4
    assert document["peak_kb"] > 1000
    assert not list(tmp_path.glob("*.out0"))


@pytest.mark.parametrize("kind", ["fp32", "int8"])
def test_outputs_are_those_of_the_python_package(
    kind: str, host_runner: Path, linear_files: dict[str, Path], tmp_path: Path
) -> None:
    path = placed(tmp_path, linear_files[kind])
    assert_same_outputs(path, measured(host_runner, "--rounds", 2, "--outputs", path))


def test_inputs_of_all_types_in_the_order_of_the_graph(
    host_runner: Path, odd_files: dict[str, Path], tmp_path: Path
) -> None:
    path = placed(tmp_path, odd_files["many"])
    document = measured(host_runner, "--rounds", 1, "--outputs", path)
    assert document["models"][0]["fully_delegated"] is False  # some run on LiteRT's own kernels
    assert_same_outputs(path, document)


def test_a_model_of_which_xnnpack_takes_nothing(
    host_runner: Path, odd_files: dict[str, Path], tmp_path: Path
) -> None:
    path = placed(tmp_path, odd_files["not"])
    document = measured(host_runner, "--rounds", 1, "--outputs", path)
    assert document["models"][0]["fully_delegated"] is False
    assert_same_outputs(path, document)


def test_no_warm_up_if_none_is_wanted(
    host_runner: Path, linear_files: dict[str, Path], tmp_path: Path
) -> None:
    document = measured(host_runner, "--warm-up-ms", 0, placed(tmp_path, linear_files["fp32"]))
    assert document["models"][0]["warm_up_us"] == []
    assert document["models"][0]["warm"] is False


def test_it_stops_after_the_round_in_which_the_limit_passes(
    host_runner: Path, linear_files: dict[str, Path], tmp_path: Path
) -> None:
    path = placed(tmp_path, linear_files["fp32"])
    assert measured(host_runner, "--limit-ms", 0, "--rounds", 9, path)["rounds"] == 1
    short = measured(host_runner, "--limit-ms", 50, "--rounds", 100000, path)
    assert 1 < short["rounds"] < 100000
    assert 0.05 <= short["seconds"] < 5
    assert len(short["models"][0]["samples_us"]) == short["rounds"]


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["{model}", "--rounds", "0"], 2, "--rounds 0, expected a whole number from 1 to 1000000"),
        (["{model}", "--burst", "5x"], 2, "--burst 5x, expected a whole number from 1 to 1000000"),
        (["{model}", "--fast"], 2, "option --fast is unknown or lacks its value"),
        (["{model}", "--core"], 2, "option --core is unknown or lacks its value"),
        ([], 2, "no model, expected runner [options] MODEL.tflite ..."),
        (["{folder}/none.tflite"], 2, "{folder}/none.tflite: LiteRT cannot read it (status 500)"),
        (["{text}"], 2, "{text}: LiteRT cannot read it (status 500)"),
        (["{model}", "--core", "1000"], 3, "cannot be pinned to core 1000 (Invalid argument)"),
        (["{model}", "--library", "{text}"], 3, "no LiteRT library: {text}: file too short"),
    ],
)
def test_errors_end_in_one_clear_line(
    arguments: list[str],
    code: int,
    said: str,
    host_runner: Path,
    linear_files: dict[str, Path],
    odd_files: dict[str, Path],
    tmp_path: Path,
) -> None:
    names = {"model": placed(tmp_path, linear_files["fp32"]), "folder": tmp_path, "text": odd_files["text"]}
    done = run(host_runner, *(argument.format(**names) for argument in arguments))
    assert (done.returncode, done.stdout) == (code, "")
    assert done.stderr.splitlines()[-1] == f"runner: {said.format(**names)}"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "No such file or directory"),
        (bytes(191), "less than the 192 bytes that the model takes"),
        (bytes(193), "more than the 192 bytes that the model takes"),
    ],
)
def test_an_input_file_that_does_not_fit_is_named(
    content: bytes | None, said: str, host_runner: Path, linear_files: dict[str, Path], tmp_path: Path
) -> None:
    path = placed(tmp_path, linear_files["fp32"])
    file = tmp_path / f"{path.name}.in0"
    file.unlink()
    if content is not None:
        file.write_bytes(content)
    done = run(host_runner, path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.splitlines()[-1] == f"runner: {file}: {said}"


def test_a_size_left_open_is_the_one_that_the_file_starts_with(
    host_runner: Path, odd_files: dict[str, Path], tmp_path: Path
) -> None:
    path = placed(tmp_path, odd_files["open"])
    assert_same_outputs(path, measured(host_runner, "--rounds", 1, "--outputs", path))


def test_a_model_that_fails_when_it_runs_is_named(
    host_runner: Path, odd_files: dict[str, Path], tmp_path: Path
) -> None:
    path = placed(tmp_path, odd_files["where"])
    done = run(host_runner, path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.splitlines()[-1] == f"runner: {path}: LiteRT cannot run it (status 3)"


def test_outputs_that_cannot_be_written_are_an_error(
    host_runner: Path, linear_files: dict[str, Path], tmp_path: Path
) -> None:
    path = placed(tmp_path, linear_files["fp32"])
    (tmp_path / f"{path.name}.out0").mkdir()
    done = run(host_runner, "--rounds", 1, "--outputs", path)
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr.splitlines()[-1] == f"runner: {path}.out0 cannot be written (Is a directory)"


def test_a_document_that_cannot_be_written_is_an_error(
    host_runner: Path, linear_files: dict[str, Path], tmp_path: Path
) -> None:
    path = placed(tmp_path, linear_files["fp32"])
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [host_runner, "--library", host_library(), path], stdout=full, stderr=subprocess.PIPE, check=False
        )
    assert done.returncode == 3
    assert done.stderr.endswith(b"runner: the result cannot be written (No space left on device)\n")


@pytest.mark.parametrize("name", ["fp32", "int8", "many"])
def test_emulated_aarch64_computes_what_this_host_does(
    name: str, arm_root: Path, linear_files: dict[str, Path], odd_files: dict[str, Path], tmp_path: Path
) -> None:
    path = placed(tmp_path, {**linear_files, **odd_files}[name])
    emulator = ["qemu-aarch64", "-cpu", "cortex-a76", "-L", str(arm_root), str(arm_root / "runner")]
    limits = ["--library", "/lib/libLiteRt.so", "--rounds", 1, "--burst", 1, "--warm-up-ms", 0, "--outputs"]
    done = start(emulator, *limits, path)
    assert done.returncode == 0, done.stderr
    expected = reference(path)
    assert json.loads(done.stdout)["models"][0]["outputs"] == len(expected)
    for i, (tensor, array) in enumerate(zip(interface(path).outputs, expected, strict=True)):
        got = to_array(tensor, Path(f"{path}.out{i}").read_bytes())
        step = 1 if tensor.dtype.itemsize == 1 and tensor.dtype.kind in "iu" else 0
        np.testing.assert_allclose(got, array, rtol=1e-5, atol=max(step, 1e-5), err_msg=tensor.name)
