"""Whole exports, on networks of a few layers."""

from __future__ import annotations

import hashlib
import json
import math
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from numpy.typing import NDArray
from PIL import Image

import mobiledeploy
from mobiledeploy.api import ExportResult
from mobiledeploy.base.errors import InputError
from mobiledeploy.base.progress import Advance
from mobiledeploy.quantize.calibrate.histogram import Histogram
from mobiledeploy.runtime.partitions import forecast_partitions
from mobiledeploy.runtime.runtimes import TfliteSession
from mobiledeploy.runtime.targets import LITERT_2_3
from mobiledeploy.sources.onnx_file import load_onnx

NETWORKS = Path(__file__).parent / "tiny_networks.py"
SOURCE = f"{NETWORKS}:squeeze_excite"


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> ExportResult:
    """The int8 export that most tests look at."""
    return mobiledeploy.export(SOURCE, int8=True, samples=16, out=tmp_path_factory.mktemp("exported"))


def hashes(result: ExportResult) -> dict[str, str]:
    return {key: hashlib.sha256(path.read_bytes()).hexdigest() for key, path in result.artifacts.items()}


def test_an_int8_export_writes_what_it_promises(exported: ExportResult) -> None:
    names = {path.name for path in exported.out.iterdir()}
    stem = "squeeze_excite"
    assert names == {
        f"{stem}.onnx",
        f"{stem}_qdq.onnx",
        f"{stem}_fp32.tflite",
        f"{stem}_int8.tflite",
        "report.json",
        "report.html",
    }
    assert {path.name for path in exported.artifacts.values()} == names
    assert exported.passed


def test_every_form_is_checked_and_close(exported: ExportResult) -> None:
    found = {(check.candidate, check.reference): check.difference for check in exported.report.checks}
    assert found["ONNX", "PyTorch"].relative_error < 1e-5
    assert found["fp32 TFLite", "PyTorch"].relative_error < 1e-5
    assert found["int8 TFLite", "QDQ in ONNX Runtime"].sqnr_db > 35
    assert found["int8 TFLite", "fp32 TFLite"].sqnr_db > 30
    assert found["int8 TFLite", "fp32 TFLite"].samples == 16


def test_layers_are_compared_under_the_names_of_modules(exported: ExportResult) -> None:
    layers = {layer.name: layer.sqnr_db for layer in exported.report.layers}
    assert {"relu", "output"} <= set(layers)
    assert all(value > 20 for value in layers.values())


@pytest.mark.parametrize("key", ["fp32", "int8"])
def test_each_artifact_is_one_partition_as_forecast(exported: ExportResult, key: str) -> None:
    partitions = exported.report.artifacts[key].partitions
    assert partitions is not None
    assert (partitions.count, partitions.outside) == (1, ())
    assert partitions == forecast_partitions(exported.artifacts[key], LITERT_2_3)


def test_the_same_settings_give_the_same_bytes(exported: ExportResult, tmp_path: Path) -> None:
    assert hashes(mobiledeploy.export(SOURCE, int8=True, samples=16, out=tmp_path)) == hashes(exported)


def test_another_process_gives_the_same_bytes(exported: ExportResult, tmp_path: Path) -> None:
    settings = f"int8=True, samples=16, cache=False, out={str(tmp_path)!r}"
    code = f"import mobiledeploy as m; m.export({SOURCE!r}, {settings})"
    # Another hash seed: no order may come from a set.
    subprocess.run(
        [sys.executable, "-c", code], check=True, env={"PYTHONHASHSEED": "7", "OMP_NUM_THREADS": "1"}
    )
    written = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert written == {path.name: path.read_bytes() for path in exported.out.iterdir()}


def test_a_second_export_takes_no_calibration_pass(
    exported: ExportResult, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Histogram, "add", None)  # whoever counts a value now, fails
    again = mobiledeploy.export(SOURCE, int8=True, samples=16, out=tmp_path / "kept")
    assert hashes(again) == hashes(exported)
    monkeypatch.undo()
    anew = mobiledeploy.export(SOURCE, int8=True, samples=16, cache=False, out=tmp_path / "anew")
    assert hashes(anew) == hashes(exported)


def test_the_search_for_ranges_says_what_it_chose(tmp_path: Path) -> None:
    result = mobiledeploy.export(SOURCE, int8=True, samples=16, calibrator="search", out=tmp_path)
    read = json.loads(result.artifacts["report"].read_text())
    assert read["calibration"]["search"]["methods"]["cubed"] > 0


def test_without_int8_there_are_the_float_artifacts_alone(tmp_path: Path) -> None:
    result = mobiledeploy.export(SOURCE, num_classes=3, out=tmp_path)
    assert set(result.artifacts) == {"onnx", "fp32", "report", "html"}
    assert result.report.calibration is None and not result.report.warnings
    assert TfliteSession(result.artifacts["fp32"]).outputs["output"]["shape"].tolist() == [1, 3]


@pytest.mark.parametrize("io", ["int8", "uint8"])
def test_the_type_of_inputs_and_outputs(exported: ExportResult, tmp_path: Path, io: Any) -> None:
    result = mobiledeploy.export(str(exported.artifacts["qdq"]), io=io, out=tmp_path)
    record = result.report.artifacts["int8"]
    session = TfliteSession(result.artifacts["int8"])
    for side, tensors in ((record.inputs, session.inputs), (record.outputs, session.outputs)):
        (told,) = side
        detail = tensors[told.name]
        assert told.dtype == np.dtype(detail["dtype"]).name == io
        assert (told.scale, told.zero_point) == pytest.approx(detail["quantization"])
        assert told.shape == tuple(detail["shape"])
    assert result.passed


def test_a_float_onnx_file_is_exported_like_its_module(exported: ExportResult, tmp_path: Path) -> None:
    result = mobiledeploy.export(str(exported.artifacts["onnx"]), int8=True, samples=16, out=tmp_path)
    assert result.passed
    assert {check.reference for check in result.report.checks} == {
        "ONNX Runtime",
        "QDQ in ONNX Runtime",
        "fp32 TFLite",
    }
    assert hashes(result)["fp32"] == hashes(exported)["fp32"]


def scales_of_file(path: Path) -> set[bytes]:
    """The scales of all activations and weights of a QDQ file, bit by bit."""
    graph = onnx.load(path).graph
    constants = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in graph.initializer}
    quantizers = [node for node in graph.node if node.op_type.endswith("uantizeLinear")]
    scales: list[NDArray[np.float32]] = [constants[node.input[1]] for node in quantizers]
    zero_points = [constants[node.input[2]].dtype if len(node.input) > 2 else None for node in quantizers]
    # The scales of int32 biases are products of two others.
    return {s.tobytes() for s, dtype in zip(scales, zero_points, strict=True) if dtype == np.int8}


def test_a_qdq_file_keeps_its_scales_to_the_bit(exported: ExportResult, tmp_path: Path) -> None:
    result = mobiledeploy.export(str(exported.artifacts["qdq"]), out=tmp_path)
    assert set(result.artifacts) == {"qdq", "int8", "report", "html"}
    assert result.name == "squeeze_excite"
    session = TfliteSession(result.artifacts["int8"], delegate=False)
    kept = {
        np.asarray(detail["quantization_parameters"]["scales"], np.float32).tobytes()
        for detail in session.tensors().values()
        if detail["dtype"] == np.int8 and detail["quantization_parameters"]["scales"].size  # else scratch
    }
    assert scales_of_file(exported.artifacts["qdq"]) == kept
    assert hashes(result)["int8"] == hashes(exported)["int8"]
    assert [check.reference for check in result.report.checks] == ["QDQ in ONNX Runtime"]


def test_the_written_onnx_files_are_valid_and_quantized_or_not(exported: ExportResult) -> None:
    for key, quantized in (("onnx", False), ("qdq", True)):
        onnx.checker.check_model(str(exported.artifacts[key]), full_check=True)
        ops = {node.op_type for node in ir.load(exported.artifacts[key]).graph}
        assert ("QuantizeLinear" in ops) is quantized
        load_onnx(exported.artifacts[key])


def test_several_outputs_keep_their_order(tmp_path: Path) -> None:
    result = mobiledeploy.export(f"{NETWORKS}:two_heads", int8=True, samples=8, out=tmp_path)
    assert result.passed
    record = result.report.artifacts["int8"]
    assert [tensor.name for tensor in record.outputs] == ["output_0", "output_1"]
    outputs = {check.output for check in result.report.checks}
    assert outputs == {"output_0", "output_1"}


def test_a_registry_network_goes_all_the_way(tmp_path: Path) -> None:
    result = mobiledeploy.export(
        "mobilenetv3_small", int8=True, weights="random", size=64, width_mult=0.35, samples=8, out=tmp_path
    )
    for key in ("fp32", "int8"):
        partitions = result.report.artifacts[key].partitions
        assert partitions is not None and partitions.count == 1
    float_checks = [check for check in result.report.checks if check.candidate != "int8 TFLite"]
    assert all(check.difference.relative_error < 1e-4 for check in float_checks)
    assert result.report.model["width_mult"] == 0.35


@pytest.fixture
def labelled(tmp_path: Path) -> Path:
    """Two classes of flat colours, with a broken image."""
    rng = np.random.default_rng(0)
    for label in ("0", "1"):
        (tmp_path / "val" / label).mkdir(parents=True)
        for number in range(3):
            pixels = np.full((40, 44, 3), rng.integers(0, 255, 3), np.uint8)
            Image.fromarray(pixels).save(tmp_path / "val" / label / f"{number}.png")
    (tmp_path / "val" / "1" / "broken.png").write_text("no image")
    return tmp_path / "val"


def test_accuracy_is_measured_on_labelled_images(
    exported: ExportResult, labelled: Path, tmp_path: Path
) -> None:
    source = str(exported.artifacts["onnx"])
    result = mobiledeploy.export(
        source, int8=True, samples=8, validation=labelled, task="classification", out=tmp_path / "out"
    )
    rows = {row.artifact: row for row in result.report.accuracy}
    assert set(rows) == {"fp32 TFLite", "int8 TFLite"}
    for row in rows.values():
        assert row.samples == 6 and [figure.key for figure in row.figures] == ["top1", "top5"]
        assert all(figure.share is not None for figure in row.figures)
    assert any("broken.png" in warning for warning in result.report.warnings)
    qdq = mobiledeploy.export(
        str(result.artifacts["qdq"]), validation=labelled, task="classification", out=tmp_path / "qdq"
    )
    assert [row.artifact for row in qdq.report.accuracy] == ["int8 TFLite"]


def test_a_missed_threshold_keeps_the_artifacts(exported: ExportResult, tmp_path: Path) -> None:
    thresholds = mobiledeploy.Thresholds(int8_sqnr_db=200)
    source = str(exported.artifacts["onnx"])
    result = mobiledeploy.export(source, int8=True, samples=8, thresholds=thresholds, out=tmp_path)
    assert not result.passed
    failure, worst = result.report.failures
    assert "output 'output' of int8 TFLite differs from fp32 TFLite" in failure and ">= 200 dB" in failure
    assert "the layer of least SQNR is" in worst
    assert json.loads((tmp_path / "report.json").read_text())["passed"] is False
    assert all(path.is_file() for path in result.artifacts.values())


def test_calibration_images_and_their_warnings_reach_the_report(
    exported: ExportResult, labelled: Path, tmp_path: Path
) -> None:
    source = str(exported.artifacts["onnx"])
    result = mobiledeploy.export(source, int8=True, samples=4, calibration=labelled, out=tmp_path / "out")
    assert result.report.calibration is not None
    assert result.report.calibration["samples"] == 4
    assert result.report.calibration["inputs"].startswith("4 images, 2 held back; val, ")
    assert str(tmp_path) not in (tmp_path / "out" / "report.json").read_text()
    assert result.report.warnings == ["left out, as they cannot be read: 1/broken.png (not a JPEG or PNG)"]


def test_what_is_kept_in_float_by_name_is_float_in_the_artifact(
    exported: ExportResult, tmp_path: Path
) -> None:
    source = str(exported.artifacts["onnx"])
    result = mobiledeploy.export(source, int8=True, samples=8, keep_float=["op:HardSwish"], out=tmp_path)
    ops = [node["op_name"] for node in TfliteSession(result.artifacts["int8"], delegate=False).nodes()]
    assert "HARD_SWISH" in ops
    partitions = result.report.artifacts["int8"].partitions
    assert partitions is not None and (partitions.count, partitions.outside) == (1, ())
    assert result.passed and result.report.kept_float
    # The file says so, too: made again from the QDQ graph, it is the same.
    again = mobiledeploy.export(str(result.artifacts["qdq"]), out=tmp_path / "again")
    assert hashes(again)["int8"] == hashes(result)["int8"]


def test_an_accuracy_budget_in_db(exported: ExportResult, tmp_path: Path) -> None:
    source = str(exported.artifacts["onnx"])
    demanded = exported.report.against_fp32("int8")
    assert demanded is not None
    result = mobiledeploy.export(
        source, int8=True, samples=16, accuracy_budget=f"{demanded.difference.sqnr_db + 3}dB", out=tmp_path
    )
    mixed, reached = result.report.mixed_precision, result.report.against_fp32("int8")
    assert mixed is not None and reached is not None and result.passed
    assert mixed.met and 0 < len(mixed.layers) < len(result.report.sensitivity)
    assert mixed.final == pytest.approx(reached.difference.sqnr_db, abs=0.5)
    assert not {found.layer for found in result.report.findings} & set(mixed.layers)
    # What it says of --keep-float gives the same layers.
    again = mobiledeploy.export(
        source, int8=True, samples=16, keep_float=mixed.keep_float, out=tmp_path / "again"
    )
    assert again.report.kept_float == mixed.keep_float


def test_a_budget_in_points_leaves_other_images_to_measure_accuracy_on(
    exported: ExportResult, labelled: Path, tmp_path: Path
) -> None:
    source = str(exported.artifacts["onnx"])
    result = mobiledeploy.export(
        source,
        int8=True,
        samples=4,
        accuracy_budget=50,
        validation=labelled,
        task="classification",
        out=tmp_path / "out",
    )
    mixed = result.report.mixed_precision
    assert not result.report.sensitivity  # nothing needs it
    assert mixed is not None and mixed.layers == [] and mixed.final is not None and mixed.final <= 50
    chosen_on = int(mixed.measured_on.split(" on ")[1].split()[0])
    assert chosen_on + result.report.accuracy[0].samples == 6  # one of 7 is broken
    assert "of the labelled images, on which accuracy is then not measured" in mixed.measured_on


class Steps:
    """Keeps the titles of steps, of which a terminal shows one at a time."""

    def __init__(self) -> None:
        self.titles: list[str] = []
        self._inside = False

    @contextmanager
    def step(self, title: str, total: int | None = None) -> Iterator[Advance]:
        assert not self._inside
        self.titles.append(title)
        self._inside = True
        yield lambda: None
        self._inside = False


def test_int8_is_measured_before_the_sensitivity_and_that_once(
    exported: ExportResult, tmp_path: Path
) -> None:
    source, steps = str(exported.artifacts["onnx"]), Steps()
    result = mobiledeploy.export(
        source, int8=True, samples=4, accuracy_budget="1dB", sensitivity=True, out=tmp_path, progress=steps
    )
    assert result.report.sensitivity and result.report.mixed_precision is not None
    assert not result.report.mixed_precision.layers and "choose layers for float" not in steps.titles
    first = steps.titles.index("measure int8 against the budget")
    assert steps.titles[first + 1] == "measure sensitivity" and steps.titles.count("measure sensitivity") == 1


def test_a_budget_in_points_needs_a_task(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"20dB, needs no labels.*--task"):
        mobiledeploy.export(f"{NETWORKS}:two_heads", int8=True, accuracy_budget=0.5, out=tmp_path)


def test_a_task_of_unknown_networks_compares_numbers_alone(exported: ExportResult) -> None:
    assert exported.report.task["name"] == "tensors"
    assert not any(check.agreement for check in exported.report.checks)


def test_the_worst_layers_have_reasons(exported: ExportResult) -> None:
    findings = exported.report.findings
    assert len({found.layer for found in findings}) == 5
    for found in findings:
        assert found.text and found.remedy and math.isfinite(found.sqnr_db + found.own_sqnr_db)
    page = exported.artifacts["html"].read_text()
    assert all(found.layer in page for found in findings)
