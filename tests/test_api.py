"""The Python API: types, settings that contradict each other. What an export makes is in test_pipeline.py."""

from __future__ import annotations

import dataclasses
import inspect
import json
import pickle
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import onnx
import pytest

import mobiledeploy
from mobiledeploy.base.errors import InputError
from mobiledeploy.base.progress import Advance
from mobiledeploy.runtime.targets import LITERT_2_3
from mobiledeploy.verify.thresholds import AccuracyBudget

SOURCE = f"{Path(__file__).parent / 'tiny_networks.py'}:squeeze_excite"


class Recorded:
    """Keeps the titles of steps; interrupts one of them at its first unit."""

    def __init__(self, interrupted: str = "") -> None:
        self.titles: list[str] = []
        self._interrupted = interrupted

    @contextmanager
    def step(self, title: str, total: int | None = None) -> Iterator[Advance]:
        self.titles.append(title)
        yield self._interrupt if title == self._interrupted else lambda: None

    def _interrupt(self) -> None:
        raise KeyboardInterrupt


def test_the_package_offers_the_api_lazily() -> None:
    assert set(mobiledeploy.__all__) <= set(dir(mobiledeploy))
    for name in mobiledeploy.__all__:
        assert getattr(mobiledeploy, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = mobiledeploy.nothing


def test_export_returns_a_typed_result(tmp_path: Path) -> None:
    progress = Recorded()
    result = mobiledeploy.export(SOURCE, out=tmp_path, progress=progress)
    assert isinstance(result, mobiledeploy.ExportResult)
    assert result.passed is True
    assert (result.name, result.out) == ("squeeze_excite", tmp_path)
    assert result.artifacts["fp32"] == tmp_path / "squeeze_excite_fp32.tflite"
    assert list(result.seconds) == progress.titles
    assert progress.titles[0] == "open the network" and progress.titles[-1] == "check fp32"


def test_the_default_folder_is_named_after_the_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = mobiledeploy.export(SOURCE)
    assert result.out == Path("artifacts/squeeze_excite")
    assert (tmp_path / "artifacts" / "squeeze_excite" / "report.json").is_file()


@pytest.fixture
def onnx_file(tmp_path: Path) -> str:
    graph = "g (float[1, 3, 8, 8] x) => (float[1, 3, 8, 8] y) { y = Relu(x) }"
    onnx.save(
        onnx.parser.parse_model('<ir_version: 10, opset_import: ["" : 20]>' + graph), tmp_path / "net.onnx"
    )
    return str(tmp_path / "net.onnx")


def test_settings_say_the_same_as_keywords(onnx_file: str, tmp_path: Path) -> None:
    settings = mobiledeploy.ExportSettings(
        onnx_file, precision="int8", out=tmp_path / "a", samples=3, io="int8"
    )
    one = mobiledeploy.run_export(settings, Recorded())
    other = mobiledeploy.export(onnx_file, int8=True, out=str(tmp_path / "b"), samples=3, io="int8")
    assert one.report == other.report


def test_an_interruption_leaves_the_folder_as_it_was(onnx_file: str, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "net_fp32.tflite").write_text("of an earlier run")
    progress = Recorded(interrupted="calibrate")
    with pytest.raises(KeyboardInterrupt):
        mobiledeploy.export(
            onnx_file, int8=True, samples=4, cache=False, out=tmp_path / "out", progress=progress
        )
    assert progress.titles[-1] == "calibrate"
    (left,) = (tmp_path / "out").iterdir()
    assert left.read_text() == "of an earlier run"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"samples": 0},
            "--samples is 0, expected a whole number of 1 or more; correct it, or leave it out for 64",
        ),
        (
            {"size": 0},
            "--size is 0, expected N or HEIGHTxWIDTH .*; correct it, or leave it out for the network's own",
        ),
        ({"target": "phone"}, "--target is 'phone', expected one of litert"),
        ({"io": "int8"}, "--io int8 for fp32, expected .* add --precision int8"),
        ({"io": "int32"}, "--io is 'int32', expected one of float32, int8, uint8, int16"),
        ({"calibrator": "best"}, "--calibrator is 'best', expected one of cubed, mse, min-max, .*, search"),
        ({"validation_limit": 5}, "--validation-limit without --validation, .* pass --validation DIR"),
        ({"options": ["depth"]}, "--option is 'depth', expected NAME=VALUE; correct it, or leave it out"),
    ],
)
def test_settings_that_cannot_be_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        mobiledeploy.export(SOURCE, **settings)


def test_loose_values_are_held_strictly() -> None:
    settings = mobiledeploy.ExportSettings(
        Path("net.onnx"),
        precision="int8,fp16",
        size=160,
        out="folder",
        calibration="photos/",
        keep_float="op:Mul",
        accuracy_budget=0.5,
        options={"depth": 2},
        target=LITERT_2_3,
        thresholds=None,
    )
    assert settings.source == "net.onnx"
    assert settings.precision == ("fp32", "fp16", "int8") and settings.quantizes
    assert (settings.size, settings.out, settings.calibration) == ((160, 160), Path("folder"), Path("photos"))
    assert settings.keep_float == ("op:Mul",)
    assert settings.accuracy_budget == AccuracyBudget(points=0.5)
    assert (settings.target, settings.thresholds) == (LITERT_2_3, mobiledeploy.Thresholds())
    assert mobiledeploy.ExportSettings("net", int8=True).precision == ("fp32", "int8")


def test_what_a_report_records_is_plain_and_names_no_folder() -> None:
    kept = mobiledeploy.ExportSettings(
        "/secret/net.onnx", calibration="/secret/photos", out="/secret"
    ).recorded()
    assert (kept["source"], kept["calibration"], kept["target"]) == ("net.onnx", "photos", "litert-2.3")
    assert kept["thresholds"]["float_error"] == 1e-4
    assert "secret" not in json.dumps(kept)
    assert not {"out", "cache", "int8", "weights_host"} & kept.keys()


def test_export_shows_its_keywords_to_python() -> None:
    parameters = inspect.signature(mobiledeploy.export).parameters
    assert next(iter(parameters)) == "source"
    assert {"int8", "calibration", "weights", "effort", "thresholds", "progress"} <= parameters.keys()
    assert parameters["samples"].default == 64
    text = " ".join((mobiledeploy.export.__doc__ or "").split())
    assert "samples: inputs to calibrate with (when left out: 64)" in text
    assert "cache: False: calibrate anew" in text
    with pytest.raises(TypeError, match=r"export\(\) got an unexpected keyword argument 'sample'"):
        mobiledeploy.export(SOURCE, sample=3)  # type: ignore[call-arg]


@pytest.mark.parametrize(
    ("settings", "flag"),
    [
        ({"keep_float": ["op:Mul"]}, "--keep-float"),
        ({"accuracy_budget": 0.5}, "--accuracy-budget"),
        ({"sensitivity": True}, "--sensitivity"),
        ({"effort": "high"}, "--effort high"),
    ],
)
def test_what_is_about_int8_needs_an_int8_artifact(
    settings: dict[str, object], flag: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=f"{flag} without an int8 artifact, expected one; add --int8"):
        mobiledeploy.export(SOURCE, out=tmp_path, **settings)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="expected points of accuracy such as"):
        mobiledeploy.export(SOURCE, int8=True, accuracy_budget="some", out=tmp_path)


def test_settings_can_be_printed_pickled_and_taken_apart() -> None:
    settings = mobiledeploy.ExportSettings("net.onnx", size=[24, 32])
    assert pickle.loads(pickle.dumps(settings)) == settings
    assert dataclasses.asdict(settings)["target"] == "litert-2.3"
    assert settings.size == (24, 32) and len(repr(settings)) < 2000
