"""Kinds of artifact: all of them from one run."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

import mobiledeploy
from mobiledeploy.base.errors import InputError
from mobiledeploy.base.terminal import drawn
from mobiledeploy.report.sections import sections
from mobiledeploy.runtime.partitions import forecast_partitions
from mobiledeploy.runtime.precisions import KINDS, choose_kinds
from mobiledeploy.runtime.runtimes import TfliteSession
from mobiledeploy.runtime.targets import LITERT_2_3

SOURCE = f"{Path(__file__).parents[1] / 'tiny_networks.py'}:squeeze_excite"
INNER = {"fp16": 1, "int8": 1, "int8-dynamic": 1, "int16x8": 0}
"""Kind -> XNNPACK partitions."""


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> mobiledeploy.ExportResult:
    return mobiledeploy.export(
        SOURCE,
        int8=True,
        precision="int16x8,fp16,int8-dynamic",
        num_classes=200,
        samples=16,
        out=tmp_path_factory.mktemp("exported"),
    )


def test_names_in_any_order() -> None:
    assert choose_kinds([]) == ("fp32",)
    assert choose_kinds(["int16x8, fp16", "int8", "fp16"]) == ("fp32", "fp16", "int8", "int16x8")
    with pytest.raises(InputError, match="--precision is 'int4', expected one or more of fp32, fp16, int8"):
        choose_kinds(["fp16,int4"])


def test_every_kind_is_written_checked_and_close(exported: mobiledeploy.ExportResult) -> None:
    assert {"fp32", "onnx", "qdq", "qdq_int16x8", "report", "html", *INNER} == set(exported.artifacts)
    assert exported.passed
    found = {(check.candidate, check.reference): check for check in exported.report.checks}
    assert found["int16x8 TFLite", "QDQ in ONNX Runtime"].difference.sqnr_db > 60
    least = {"fp16": 60, "int8": 30, "int8-dynamic": 40, "int16x8": 40}
    for kind, sqnr_db in least.items():
        check = found[f"{kind} TFLite", "fp32 TFLite"]
        assert check.difference.sqnr_db > sqnr_db, kind
    assert str(found["fp16 TFLite", "fp32 TFLite"].limit) == "SQNR >= 30 dB"


@pytest.mark.parametrize("kind", INNER)
def test_partitions_are_as_forecast(exported: mobiledeploy.ExportResult, kind: str) -> None:
    partitions = exported.report.artifacts[kind].partitions
    assert partitions is not None and partitions.count == INNER[kind]
    assert partitions == forecast_partitions(exported.artifacts[kind], LITERT_2_3)


def test_an_app_loads_each_by_the_same_signature(exported: mobiledeploy.ExportResult) -> None:
    for kind in KINDS:
        session = TfliteSession(exported.artifacts[kind])
        assert set(session.inputs) == {"image"} and set(session.outputs) == {"output"}
        assert session.inputs["image"]["dtype"] == np.float32


def test_the_table_has_what_each_costs(exported: mobiledeploy.ExportResult) -> None:
    text = io.StringIO()
    Console(file=text, width=200).print(*map(drawn, sections(exported.report)))
    rows = {line.split()[0]: line for line in text.getvalue().splitlines() if ".tflite" in line}
    for kind in INNER:
        against_fp32 = exported.report.against_fp32(kind)
        assert against_fp32 is not None
        assert f"{against_fp32.difference.sqnr_db:.1f}" in rows[f"squeeze_excite_{kind}.tflite"]
    assert "nothing is delegated in int16 by litert-2.3" in rows["squeeze_excite_int16x8.tflite"]
    assert "fp16: 4 CONV_2D with float32 weights: fewer than 1024 elements" in text.getvalue()
    read = json.loads(exported.artifacts["report"].read_text())
    assert read["artifacts"]["int8-dynamic"]["notes"]


def test_an_int16_qdq_file_keeps_its_scales(exported: mobiledeploy.ExportResult, tmp_path: Path) -> None:
    result = mobiledeploy.export(str(exported.artifacts["qdq_int16x8"]), out=tmp_path)
    assert set(result.artifacts) == {"qdq_int16x8", "int16x8", "report", "html"}
    assert result.artifacts["int16x8"].read_bytes() == exported.artifacts["int16x8"].read_bytes()


def test_int16_at_the_boundaries(exported: mobiledeploy.ExportResult, tmp_path: Path) -> None:
    source = str(exported.artifacts["qdq_int16x8"])
    result = mobiledeploy.export(source, io="int16", out=tmp_path)
    (image,) = result.report.artifacts["int16x8"].inputs
    assert (image.dtype, image.zero_point) == ("int16", 0)
    assert result.passed
    with pytest.raises(
        InputError, match=r"--io uint8 for .* which becomes int16x8, expected float32 or int16"
    ):
        mobiledeploy.export(source, io="uint8", out=tmp_path)


def test_integer_boundaries_are_for_the_kind_that_can_have_them(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"--io int16 for fp32, int8, .* add --precision int16x8"):
        mobiledeploy.export(SOURCE, int8=True, io="int16", out=tmp_path)
