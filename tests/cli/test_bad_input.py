"""What users get wrong: one clear message on stderr, exit code 2, nothing left behind."""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from PIL import Image

from mobiledeploy.cli import main

Refused = Callable[..., str]

TINY = """
import torch
from torch import nn

class Tiny(nn.Module):
    input_size = (8, 8)

    def __init__(self, head=4 * 4 * 4):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, 2, 1)
        self.head = nn.Linear(head, 5)

    def forward(self, x):
        return self.head(self.conv(x).relu().flatten(1))

def tiny():
    return Tiny()
"""


RELU = "g (float[1, 3, 16, 16] x) => (float[1, 3, 16, 16] y) { y = Relu(x) }"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory of the command, with net.py:tiny and net.onnx in it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    (tmp_path / "net.py").write_text(TINY)
    save_onnx(tmp_path / "net.onnx", RELU)
    return tmp_path


@pytest.fixture
def refused(folder: Path, capsys: pytest.CaptureFixture[str]) -> Refused:
    """Runs `mobiledeploy export` with those arguments, holds it to the rules and returns its message."""

    def run(*arguments: str) -> str:
        before = sorted(folder.rglob("*"))
        code = main(["export", *arguments])
        printed = capsys.readouterr()
        message = "".join(line for line in printed.err.splitlines(True) if not line.endswith("...\n"))
        assert code == 2, message
        assert printed.out == ""
        assert message.startswith("mobiledeploy: error: ") and message.count("mobiledeploy:") == 1
        assert "Traceback" not in message
        assert sorted(folder.rglob("*")) == before
        return message

    return run


def save_onnx(path: Path, graph: str) -> None:
    header = '<ir_version: 10, opset_import: ["" : 20]>'
    onnx.save(onnx.parser.parse_model(header + graph), path)


def network(folder: Path, code: str, factory: str = "make") -> str:
    """A user's file with more code in it."""
    (folder / "user.py").write_text(TINY + code)
    return f"user.py:{factory}"


# Names and options


def test_an_unknown_network_names_the_nearest(refused: Refused) -> None:
    assert "'mobilnetv3smal' is not known" in (message := refused("mobilnetv3smal"))
    assert "mobilenetv3_small" in message


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--width-mult", "0"], "width_mult 0.0 for mobilenetv3_small, expected more than 0"),
        (["--width-mult=-1"], "width_mult -1.0 for mobilenetv3_small, expected more than 0"),
        (["--width-mult", "inf"], "width_mult inf for mobilenetv3_small, expected more than 0"),
        (["--width-mult", "1e9"], "mobilenetv3_small with width_mult 1e+09 does not fit into memory"),
        (
            ["--width-mult", "nan"],
            "--width-mult is nan, expected a number; correct it",
        ),
        (["--option", "depth=2"], "mobilenetv3_small has no option 'depth', expected one of num_classes"),
        (["--option", "depth"], "--option is 'depth', expected NAME=VALUE; correct it, or leave it out"),
        (["--width-mult", "1", "--option", "width_mult=2"], "width_mult is given twice"),
        (["--weights-as", "tf"], "'tf' is no weights entry of mobilenetv3_small, expected one of imagenet1k"),
        (["--num-classes", "0"], "--num-classes is 0, expected a whole number of 1 or more"),
        (["--size", "0"], "--size is 0, expected N or HEIGHTxWIDTH in pixels"),
        (["--size", "100000"], "HEIGHTxWIDTH in pixels, such as 224, with sides of up to 4096"),
        (
            ["--samples", "0"],
            "--samples is 0, expected a whole number of 1 or more; correct it",
        ),
        (["--samples", "few"], "--samples is 'few', expected a whole number of 1 or more"),
        (["--min-sqnr", "nan"], "--min-sqnr is nan, expected a number; correct it, or leave it out for 10"),
        (["--validation-limit", "3"], "--validation-limit without --validation"),
        (["--precision", "int4"], "--precision is 'int4', expected one or more of fp32, "),
        (["--target", "phone"], "--target is 'phone', expected one of litert-2.3; name one"),
        (["-q", "-v"], "argument -v/--verbose: not allowed with argument -q/--quiet"),
    ],
)
def test_an_option_that_cannot_be_is_named(refused: Refused, arguments: list[str], expected: str) -> None:
    # Small and untrained, so that an option that is found out late is found out soon enough.
    assert expected in refused("mobilenetv3_small", "--weights", "random", "--size", "32", *arguments)


def test_integer_borders_need_an_integer_artifact(refused: Refused) -> None:
    message = refused("net.py:tiny", "--io", "uint8")
    assert "--io uint8 for fp32, expected an artifact that can have it; add --precision int8" in message


# Weights


def test_a_missing_weights_file_is_named(refused: Refused) -> None:
    message = refused("mobilenetv3_small", "--weights", "gone.pt")
    assert "weights file gone.pt does not exist" in message


def test_a_name_that_is_neither_file_nor_entry_gets_the_entries(refused: Refused) -> None:
    message = refused("mixnet_s", "--weights", "tf_1k")
    assert "'tf_1k' is no weights entry of mixnet_s, expected one of ft_in1k, tf_in1k" in message


def test_an_entry_for_weights_that_are_one_already(refused: Refused) -> None:
    message = refused("mixnet_s", "--weights", "ft_in1k", "--weights-as", "tf_in1k")
    assert "--weights-as tf_in1k for --weights ft_in1k, expected a file" in message
    assert "--weights-as for net.py:tiny" in refused("net.py:tiny", "--weights-as", "x")


def test_a_truncated_weights_file_is_told_from_another_kind(refused: Refused, folder: Path) -> None:
    torch.save({"a": torch.ones(1000)}, folder / "whole.pt")
    (folder / "cut.pt").write_bytes((folder / "whole.pt").read_bytes()[:2000])
    (folder / "text.pt").write_text("not weights")
    assert "weights file cut.pt is damaged" in refused("mobilenetv2", "--weights", "cut.pt")
    assert "weights file text.pt is of another kind" in refused("mobilenetv2", "--weights", "text.pt")


class Touch:
    """Creates a file when it is unpickled."""

    def __reduce__(self) -> tuple[Callable[..., None], tuple[str]]:
        return os.mkdir, ("touched",)


def test_code_in_a_pickle_does_not_run(refused: Refused, folder: Path) -> None:
    torch.save({"state_dict": Touch()}, folder / "archive.pt")
    (folder / "plain.pt").write_bytes(pickle.dumps(Touch()))
    message = refused("mobilenetv3_small", "--weights", "archive.pt")
    assert "archive.pt holds code (posix.mkdir), which was not run" in message
    message = refused("mobilenetv3_small", "--weights", "plain.pt")
    assert "plain.pt is damaged, or a pickle that torch.save did not write" in message
    assert not (folder / "touched").exists()


def test_a_state_dict_of_another_network_lists_keys(refused: Refused, folder: Path) -> None:
    torch.save({"elsewhere.weight": torch.ones(2)}, folder / "other.pt")
    message = refused("mobilenetv3_small", "--weights", "other.pt")
    assert "weights other.pt have 0 of the 244 tensors" in message
    assert "1 not in the network: elsewhere.weight" in message
    assert "classifier.0.bias" in message


def test_weights_of_another_head_than_asked_for(refused: Refused, folder: Path) -> None:
    torch.save({"classifier.3.weight": torch.ones(10, 1024)}, folder / "ten.pt")
    message = refused("mobilenetv3_small", "--weights", "ten.pt", "--num-classes", "7")
    assert "ten.pt has a head of 10 classes, expected 7 by --num-classes" in message


def test_imagenet_weights_for_the_users_network(refused: Refused) -> None:
    assert "--weights imagenet for net.py:tiny" in refused("net.py:tiny", "--weights", "imagenet")


# Calibration and validation data


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ([], "images is empty"),
        (["a.txt", "b.txt"], "images: found 2 files, none is a readable JPEG or PNG"),
        (["a.jpg"], "images: found 1 file, none is a readable JPEG or PNG (first: a.jpg"),
    ],
)
def test_a_calibration_folder_without_images(
    refused: Refused, folder: Path, files: list[str], expected: str
) -> None:
    (folder / "images").mkdir()
    for name in files:
        (folder / "images" / name).write_text("words")
    assert expected in refused("net.onnx", "--int8", "--calibration", "images")


def test_a_missing_calibration_folder(refused: Refused) -> None:
    assert "gone does not exist" in refused("net.onnx", "--int8", "--calibration", "gone")


def test_an_image_of_one_pixel_works_with_a_warning(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "images").mkdir()
    Image.new("RGB", (1, 1), (200, 30, 3)).save(folder / "images" / "dot.png")
    assert main(["export", "net.onnx", "--int8", "--calibration", "images", "--out", "out"]) == 0
    errors = capsys.readouterr().err
    assert "warning: 1 of 1 images are smaller than the input (16x16) and were enlarged" in errors
    assert (folder / "out" / "net_int8.tflite").is_file()


def test_a_validation_folder_without_classes(refused: Refused, folder: Path) -> None:
    (folder / "flat").mkdir()
    message = refused("net.py:tiny", "--validation", "flat", "--task", "classification")
    assert "flat has no folders, expected one for each class" in message


# The output folder


def test_a_file_in_the_place_of_the_output_folder(refused: Refused) -> None:
    assert "net.py is a file, expected a folder" in refused("net.onnx", "--out", "net.py")
    message = refused("net.onnx", "--out", "net.py/deeper/still")
    assert "net.py/deeper/still cannot be written (Not a directory)" in message


def test_an_output_folder_that_the_system_refuses(refused: Refused) -> None:
    if not Path("/proc/self").is_dir():
        pytest.skip("needs a folder in which not even root may write")
    assert "/proc/artifacts cannot be written" in refused("net.onnx", "--out", "/proc/artifacts")


def test_a_folder_in_the_place_of_an_artifact(refused: Refused, folder: Path) -> None:
    (folder / "out" / "net_fp32.tflite").mkdir(parents=True)
    (folder / "out" / "net.onnx").write_text("of an earlier run")
    assert "out/net_fp32.tflite is a folder" in refused("net.onnx", "--out", "out")
    assert (folder / "out" / "net.onnx").read_text() == "of an earlier run"


def test_a_full_output_folder(refused: Refused) -> None:
    resource = pytest.importorskip("resource")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        message = refused("net.onnx", "--out", "deep/out")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert "deep/out has no room left (File too large)" in message


def test_the_source_is_not_overwritten(refused: Refused) -> None:
    assert ". holds net.onnx, the source" in refused("net.onnx", "--out", ".")


# Interruption


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interruption_during_calibration_leaves_nothing(folder: Path, number: signal.Signals) -> None:
    save_onnx(folder / "net.onnx", "g (float[1, 3, 64, 64] x) => (float[1, 3, 64, 64] y) { y = Relu(x) }")
    arguments = ["export", "net.onnx", "--int8", "--samples", "2000", "--out", "deep/out"]
    process = subprocess.Popen(
        [sys.executable, "-m", "mobiledeploy", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # A shell has its background jobs ignore Ctrl-C, and so would what they start.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    assert process.stderr is not None
    for line in process.stderr:
        if line.startswith("calibrate"):
            break
    time.sleep(0.1)
    assert list(folder.glob("deep/out/.mobiledeploy-*/net.onnx")), "it is at work"
    process.send_signal(number)
    printed, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert printed == ""
    assert errors.startswith("mobiledeploy: interrupted") and errors.count("\n") == 1
    assert not (folder / "deep").exists()


# ONNX


def test_an_op_without_lowering_is_named(refused: Refused, folder: Path) -> None:
    save_onnx(folder / "mish.onnx", "g (float[1, 3, 4, 4] x) => (float[1, 3, 4, 4] y) { y = Mish(x) }")
    message = refused("mish.onnx")
    assert "Mish" in message and "'y'" in message and "docs/add_an_op.md" in message


def test_a_dynamic_shape_is_named(refused: Refused, folder: Path) -> None:
    save_onnx(folder / "any.onnx", "g (float[N, 3, 4, 4] x) => (float[N, 3, 4, 4] y) { y = Relu(x) }")
    message = refused("any.onnx")
    assert "input 'x' has the dynamic shape [N, 3, 4, 4], expected fixed dimensions" in message


def test_a_damaged_onnx_file(refused: Refused, folder: Path) -> None:
    content = (folder / "net.onnx").read_bytes()
    (folder / "cut.onnx").write_bytes(content[: len(content) // 2])
    (folder / "noise.onnx").write_bytes(np.random.default_rng(0).bytes(300))
    (folder / "empty.onnx").write_bytes(b"")
    for name in ("cut", "noise", "empty"):
        assert f"{name}.onnx: not a valid ONNX model" in refused(f"{name}.onnx")
    assert "gone.onnx: no such file" in refused("gone.onnx")


def test_an_onnx_graph_that_contradicts_itself(refused: Refused, folder: Path) -> None:
    graph = "g (float[1, 3, 4, 4] x, float[1, 3, 5, 4] z) => (float[1, 3, 4, 4] y) { y = Add(x, z) }"
    save_onnx(folder / "net.onnx", graph)
    assert "ONNX" in refused("net.onnx")


def test_options_that_cannot_change_an_onnx_file(refused: Refused) -> None:
    assert "--weights w.pt and --size for net.onnx" in refused("net.onnx", "--size", "8", "--weights", "w.pt")


QDQ = """g (float[1, 3, 4, 4] x) => (float[1, 3, 4, 4] y)
    <float s = {0.05}, int8 z = {3}> {
        q = QuantizeLinear(x, s, z)
        d = DequantizeLinear(q, s, z)
        r = Relu(d)
        p = QuantizeLinear(r, s, z)
        y = DequantizeLinear(p, s, z)
    }"""


@pytest.mark.parametrize(
    ("arguments", "named"),
    [(["--int8"], "--precision int8"), (["--calibration", "images"], "--calibration")],
)
def test_a_quantized_model_is_not_quantized_again(
    refused: Refused, folder: Path, arguments: list[str], named: str
) -> None:
    save_onnx(folder / "net.onnx", QDQ)
    assert f"{named} for net.onnx, which is quantized already" in refused("net.onnx", *arguments)


# The user's own Python file


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("def make(:\n    pass", "user.py:18 raised SyntaxError: invalid syntax; fix it there"),
        ("raise RuntimeError('at import')", "user.py:18 raised RuntimeError: at import; fix it there"),
        ("import nonexistent_neighbour", "user.py:18 raised ModuleNotFoundError: No module named 'nonexist"),
        ("import sys\nsys.exit(0)", "user.py:19 raised SystemExit: 0; fix it there"),
        ("def make():\n    return 1 / 0", "user.py:19 raised ZeroDivisionError: division by zero; fix it"),
        ("", "user.py has no callable 'make', expected Tiny, tiny; name it after the colon"),
        ("make = 3", "user.py has no callable 'make', expected Tiny, tiny"),
        ("def make():\n    return 5", "user.py:make returned int, expected an nn.Module"),
        ("def make(a, b):\n    return Tiny()", "user.py:make(a, b) cannot be called with no arguments"),
        (
            "class make(Tiny):\n    input_size = None",
            "user.py:make does not say its input size, expected --size",
        ),
        (
            "class make(Tiny):\n    input_size = 'big'",
            "user.py:make has input_size 'big' and input_channels 3",
        ),
        ("def make():\n    return Tiny().half()", "conv.weight of user.py:make is float16, expected float32"),
        ("def make():\n    return Tiny().to('meta')", "conv.weight of user.py:make is on meta, expected cpu"),
        ("class make(Tiny):\n    preprocessing = 3", "attribute preprocessing of user.py:make is a int"),
        (
            "class make(Tiny):\n    def forward(self, x, z): ...",
            "forward of user.py:make takes 2 inputs (x, z)",
        ),
        (
            "class make(Tiny):\n    def forward(self, x): return 'hi'",
            "user.py:make returned str, expected float32",
        ),
        ("class make(Tiny):\n    def forward(self, x): return x.argmax(1)", "user.py:make returned int64"),
        ("class make(Tiny):\n    def forward(self, x): return ()", "user.py:make returned nothing, expected"),
        (
            "def make():\n    return Tiny(head=9)",
            "user.py:make fails on an input of (1, 3, 8, 8) (mat1 and mat2 shapes cannot be "
            "multiplied (1x64 and 9x5), user.py:14)",
        ),
        (
            "class make(Tiny):\n    def forward(self, x): return super().forward(x) / 0 * 0",
            "the network in PyTorch gives NaN or infinity as output 'output', expected finite numbers",
        ),
        (
            "class make(Tiny):\n    def forward(self, x): return super().forward(x).cumsum(1)",
            "CumSum",
        ),
    ],
)
def test_a_fault_in_the_users_file_is_told_by_line_or_name(
    refused: Refused, folder: Path, code: str, expected: str
) -> None:
    assert expected in refused(network(folder, code))


def test_a_size_that_the_network_cannot_take(refused: Refused) -> None:
    message = refused("net.py:tiny", "--size", "16")
    assert "net.py:tiny fails on an input of (1, 3, 16, 16)" in message and "--size" in message


def test_an_option_that_the_factory_does_not_take(refused: Refused) -> None:
    assert "net.py:tiny() cannot be called with num_classes" in refused("net.py:tiny", "--num-classes", "3")


def test_a_file_without_factory_and_a_missing_file(refused: Refused) -> None:
    assert "net.py names no factory, expected net.py:FACTORY" in refused("net.py")
    assert "gone.py: no such file, expected Python code with a factory 'make'" in refused("gone.py:make")
