"""The Python API: types, settings that contradict each other. What an export makes is in test_pipeline.py."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import onnx
import pytest

import mobiledeploy
from mobiledeploy.base.errors import InputError
from mobiledeploy.base.progress import Advance

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
        onnx_file, precision=("int8",), out=tmp_path / "a", samples=3, io="int8"
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
        (mobiledeploy.ExportSettings(SOURCE, samples=0), "--samples is 0, expected 1 or more"),
        (
            mobiledeploy.ExportSettings(SOURCE, target="phone"),
            "unknown target 'phone', expected one of litert",
        ),
        (
            mobiledeploy.ExportSettings(SOURCE, io="int8"),
            "--io int8 for fp32, expected .* add --precision int8",
        ),
        (
            mobiledeploy.ExportSettings(SOURCE, io="int32"),  # type: ignore[arg-type]
            "--io is 'int32', expected one of float32, int8, uint8, int16",
        ),
        (
            mobiledeploy.ExportSettings(SOURCE, calibrator="best"),  # type: ignore[arg-type]
            "--calibrator is 'best', expected one of cubed, mse, min-max, .*, search",
        ),
    ],
)
def test_settings_that_cannot_be_are_refused(settings: mobiledeploy.ExportSettings, message: str) -> None:
    with pytest.raises(InputError, match=message):
        mobiledeploy.run_export(settings, Recorded())


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
