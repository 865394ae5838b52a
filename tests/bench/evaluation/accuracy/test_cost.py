from __future__ import annotations

from pathlib import Path

import pytest

from mobiledeploy.bench.evaluation.accuracy.cost import Cost, main, page


def test_an_export_that_fails_in_its_process_says_why(
    network: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--network", network, "--size", "16", "--samples", "4", "--out", str(tmp_path / "out")]
    assert main([*arguments, "--weights", str(tmp_path / "none.pt")]) == 2
    said = capsys.readouterr().err
    assert said.startswith("mobiledeploy: error: weights file ") and said.count("error:") == 1


@pytest.mark.parametrize(
    ("samples", "said"), [("4", "unpack it and pass the folder"), ("40", "has 29 images to calibrate with")]
)
def test_images_that_will_not_do_are_refused_before_any_export(
    samples: str, said: str, archive: Path, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = archive if samples == "4" else data
    arguments = ["--network", "no such network", "--size", "16", "--samples", samples]
    assert main([*arguments, "--calibration", str(given), "--out", str(tmp_path / "out")]) == 2
    assert said in capsys.readouterr().err


def test_the_page_has_every_step_and_adds_up_those_that_quantize() -> None:
    wall = {"PyTorch to ONNX": 5.0, "calibrate": 7.0, "QDQ to int8 TFLite": 2.0, "check int8": 1.0}
    processor = {step: 2 * seconds for step, seconds in wall.items()}
    lines = page(
        [Cost(64, wall, processor, 700.0, 600.0), Cost(256, wall, processor, 701.5, 600.0)]
    ).splitlines()
    assert lines[0] == "| step, seconds (processor seconds) | 64 images | 256 images |"
    assert "| calibrate | 7.0 (14.0) | 7.0 (14.0) |" in lines
    assert "| **quantization alone** (calibrate, QDQ to int8 TFLite) | 9.0 (18.0) | 9.0 (18.0) |" in lines
    assert "| **all** | 15.0 (30.0) | 15.0 (30.0) |" in lines
    assert "| peak memory, MB | 700 | 702 |" in lines
