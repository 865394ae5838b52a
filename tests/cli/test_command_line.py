"""What the command prints, where, and its exit codes. Bad input is in test_bad_input.py."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

import mobiledeploy
from mobiledeploy.cli.command_line import COMMANDS, main

SOURCE = f"{Path(__file__).parents[1] / 'tiny_networks.py'}:squeeze_excite"
Capture = pytest.CaptureFixture[str]


def run(capsys: Capture, *arguments: str) -> tuple[int, str, str]:
    """Exit code, stdout, stderr."""
    capsys.readouterr()
    code = main(arguments)
    printed = capsys.readouterr()
    return code, printed.out, printed.err


@pytest.fixture(scope="module")
def artifacts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("artifacts")
    mobiledeploy.export(SOURCE, int8=True, samples=8, out=out)
    return out


def test_version_and_help_succeed(capsys: Capture) -> None:
    assert run(capsys, "--version")[:2] == (0, f"mobiledeploy {mobiledeploy.__version__}\n")
    code, text, _ = run(capsys, "export", "--help")
    assert code == 0
    assert "runs the code in that file" in " ".join(text.split())
    assert "3 artifacts were written but miss a threshold" in " ".join(text.split())


@pytest.mark.parametrize(
    "arguments",
    [["--version"], ["--help"], *([name, "--help"] for name in COMMANDS), ["list"], ["list", "--json"]],
)
def test_quick_commands_import_nothing_heavy(arguments: list[str]) -> None:
    code = (
        "import sys; from mobiledeploy.cli import main; code = main(sys.argv[1:]);"
        "print('heavy:', sorted({'torch', 'numpy', 'onnx', 'onnxruntime', 'onnx_ir', 'ai_edge_litert', 'PIL'}"
        "& set(sys.modules)), code)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "heavy: [] 0"


def test_list_shows_every_network(capsys: Capture) -> None:
    code, text, _ = run(capsys, "list")
    assert code == 0
    _, document, _ = run(capsys, "list", "--json")
    specs = json.loads(document)
    assert "mobilenetv3_small" in specs and all(name in text for name in specs)
    small = specs["mobilenetv3_small"]
    assert small["input_size"] == [224, 224]
    assert small["widths"][1]["reported"]["why"].startswith("printed for a head of 1280 channels")
    assert [entry["name"] for entry in small["weights"]][-1] == "tf_in1k_075"


def test_list_fits_a_terminal_and_has_a_line_for_each_width(capsys: Capture) -> None:
    _, text, _ = run(capsys, "list")
    lines = text.splitlines()
    assert max(map(len, lines)) <= 80
    (at,) = (i for i, line in enumerate(lines) if line.startswith("mobilenetv1 "))
    assert lines[at].split() == [
        "mobilenetv1",
        "224",
        "4.23M",
        "569M",
        "70.6",
        "1704.04861",
    ]
    assert lines[at + 3].split() == ["width", "0.25", "0.47M", "41.0M", "50.6"]


def test_a_command_line_that_makes_no_sense_gets_one_line(capsys: Capture) -> None:
    for arguments in ([], ["bogus"], ["export"], ["export", "x", "--nonsense"]):
        code, text, errors = run(capsys, *arguments)
        assert (code, text) == (2, "")
        assert errors.startswith("mobiledeploy: error: ") and errors.count("\n") == 1
        assert "--help" in errors


def test_a_mistyped_option_names_the_nearest_and_the_help_of_its_command(capsys: Capture) -> None:
    code, text, errors = run(capsys, "export", "net.onnx", "--sampels=3")
    assert (code, text) == (2, "")
    assert "--sampels=3, expected such as --samples; see mobiledeploy export --help" in errors


def test_results_go_to_stdout_and_the_rest_to_stderr(
    capsys: Capture, artifacts: Path, tmp_path: Path
) -> None:
    source = str(artifacts / "squeeze_excite.onnx")
    flags = ["--int8", "--samples", "8", "-v", "--calibrator", "search"]
    code, text, errors = run(capsys, "export", source, *flags, "--out", str(tmp_path))
    assert code == 0
    assert "by cubed x " in text
    assert "squeeze_excite_int8.tflite" in text and f"written to {tmp_path}" in text
    assert "HardSwishToRelu6 x 1" in text and " s  calibrate" in text
    assert "calibrate ...\n" in errors
    assert "mobiledeploy: warning: calibration used generated images" in errors
    assert "warning" not in text and "..." not in text


def test_quiet_prints_nothing(capsys: Capture, artifacts: Path, tmp_path: Path) -> None:
    source = str(artifacts / "squeeze_excite.onnx")
    assert run(capsys, "export", source, "-q", "--out", str(tmp_path)) == (0, "", "")


def test_json_is_one_document_whatever_the_users_code_prints(capsys: Capture, tmp_path: Path) -> None:
    code = Path(SOURCE.rpartition(":")[0]).read_text()
    (tmp_path / "loud.py").write_text(code + "\nprint('loud')\n")
    source = f"{tmp_path / 'loud.py'}:squeeze_excite"
    code_, text, errors = run(capsys, "export", source, "--json", "--out", str(tmp_path / "out"))
    document = json.loads(text)
    assert code_ == 0 and "loud" in errors
    assert document["files"]["fp32"] == str(tmp_path / "out" / "squeeze_excite_fp32.tflite")
    assert document["report"] == json.loads((tmp_path / "out" / "report.json").read_text())
    assert set(document["seconds"]) >= {"open the network", "PyTorch to ONNX"}


def test_a_missed_threshold_has_its_own_exit_code(capsys: Capture, artifacts: Path, tmp_path: Path) -> None:
    source = str(artifacts / "squeeze_excite.onnx")
    arguments = ["export", source, "--int8", "--samples", "8", "--min-sqnr", "200", "--out", str(tmp_path)]
    code, text, errors = run(capsys, *arguments)
    assert code == 3
    assert "fails: SQNR >= 200 dB" in text
    assert f"mobiledeploy: error: the artifacts in {tmp_path} miss a threshold:" in errors
    assert "output 'output' of int8 TFLite" in errors and "the layer of least SQNR is" in errors
    assert (tmp_path / "squeeze_excite_int8.tflite").is_file()


def test_verify_passes_and_fails(capsys: Capture, artifacts: Path) -> None:
    files = [str(artifacts / f"squeeze_excite_{key}.tflite") for key in ("int8", "fp32")]
    code, text, errors = run(capsys, "verify", *files, "--samples", "4")
    assert code == 0
    assert "squeeze_excite_int8.tflite" in text and "Layers of least SQNR" in text
    assert (
        errors
        == "mobiledeploy: warning: compared on generated inputs; for figures on real ones pass --inputs DIR\n"
    )
    code, text, errors = run(capsys, "verify", *files, "--samples", "4", "--min-sqnr", "200", "-q")
    assert (code, text) == (3, "")
    assert "output 'output' of squeeze_excite_int8.tflite differs from squeeze_excite_fp32.tflite" in errors


def test_verify_as_json(capsys: Capture, artifacts: Path) -> None:
    file = str(artifacts / "squeeze_excite_fp32.tflite")
    code, text, _ = run(capsys, "verify", file, file, "--samples", "2", "--json")
    document = json.loads(text)
    assert code == 0
    assert document["checks"][0]["sqnr_db"] == "inf" and document["checks"][0]["passed"] is True
    assert document["layers"]["output"] == "inf"


def test_verify_names_a_file_that_is_none(capsys: Capture, tmp_path: Path) -> None:
    (tmp_path / "a.tflite").write_text("words " * 20)
    for file, fault in (("a.tflite", "LiteRT cannot load it"), ("gone.tflite", "no such file")):
        code, text, errors = run(capsys, "verify", str(tmp_path / file), str(tmp_path / file))
        assert (code, text) == (2, "")
        assert f"{file}: {fault}" in errors


@pytest.fixture
def bug(monkeypatch: pytest.MonkeyPatch) -> None:
    def export(*arguments: object, **settings: object) -> None:
        raise KeyError("missing")

    monkeypatch.setattr("mobiledeploy.api.run_export", export)


@pytest.mark.usefixtures("bug")
def test_a_bug_is_one_line_and_with_v_a_traceback(capsys: Capture) -> None:
    code, text, errors = run(capsys, "export", "net")
    assert (code, text) == (1, "")
    assert errors.startswith("mobiledeploy: internal error: KeyError: 'missing' (test_command_line.py:")
    assert "please report it" in errors and errors.count("\n") == 1
    code, _, errors = run(capsys, "export", "net", "-v")
    assert code == 1 and "Traceback" in errors


def test_a_reader_that_goes_away_is_no_error() -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "mobiledeploy", "list"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout is not None and process.stderr is not None
    process.stdout.close()
    assert process.wait(timeout=60) == 0
    assert process.stderr.read() == b""
    process.stderr.close()
