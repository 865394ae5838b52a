"""`mobiledeploy bench` and `mobiledeploy doctor` as a user meets them."""

from __future__ import annotations

import csv
import io
import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from mobiledeploy.base.errors import InputError
from mobiledeploy.bench.devices.arm.emulator import Emulator
from mobiledeploy.cli import main

if TYPE_CHECKING:
    from tests.bench.virtual_phone.phones import Phones

Capture = pytest.CaptureFixture[str]
QUICK = ("--time-limit", "0.5")


def run(capsys: Capture, *arguments: object) -> tuple[int, str, str]:
    """Exit code, stdout, stderr."""
    capsys.readouterr()
    code = main([str(argument) for argument in arguments])
    printed = capsys.readouterr()
    return code, printed.out, printed.err


@pytest.fixture
def emulator() -> None:
    """Skips a test where no Arm processor can be emulated."""
    try:
        Emulator.found()
    except InputError as error:
        pytest.skip(str(error))


def test_two_files_on_this_host(capsys: Capture, linear_files: dict[str, Path]) -> None:
    code, text, errors = run(capsys, "bench", *linear_files.values(), "--device", "host", *QUICK)
    assert code == 0
    for expected in ("linear_fp32", "linear_int8 / linear_fp32", "median ms", "peak MiB", "is not a phone"):
        assert expected in text
    assert "measure on core" in errors and "measure on core" not in text


def test_everything_is_kept_in_json(capsys: Capture, linear_files: dict[str, Path], tmp_path: Path) -> None:
    out = tmp_path / "new" / "result.json"
    arguments = ("bench", linear_files["int8"], "--device", "host", *QUICK, "--out", out)
    code, text, _ = run(capsys, *arguments, "--json")
    printed = json.loads(text)
    assert code == 0 and printed == json.loads(out.read_text())
    (result,) = printed["results"]
    assert result["kind"] == "latency" and result["device"]["kind"] == "host"
    (model,) = result["models"]
    assert model["name"] == "linear_int8" and min(model["samples_ms"][0][0]) > 0
    assert result["launches"][0]["before"]["busy_ticks"]


def test_csv(capsys: Capture, linear_files: dict[str, Path]) -> None:
    code, text, _ = run(capsys, "bench", linear_files["int8"], "--device", "host", *QUICK, "--csv")
    (row,) = csv.DictReader(io.StringIO(text))
    assert code == 0 and row["model"] == "linear_int8" and float(row["median_ms"]) > 0


def test_quiet_prints_nothing(capsys: Capture, linear_files: dict[str, Path]) -> None:
    assert run(capsys, "bench", linear_files["int8"], "--device", "host", *QUICK, "-q") == (0, "", "")


def test_limits_decide_the_exit_code(capsys: Capture, linear_files: dict[str, Path]) -> None:
    arguments = ("bench", linear_files["int8"], "--device", "host", *QUICK)
    assert run(capsys, *arguments, "--max-ms", "1e6")[0] == 0
    code, text, errors = run(capsys, *arguments, "--max-ms", "1e-9")
    assert code == 3 and "median ms" in text
    assert "linear_int8 takes" in errors and "expected at most 1e-09 ms" in errors
    # Half a second is no time for twelve launches with rests between them.
    code, _, errors = run(capsys, *arguments, "--require-stable")
    assert code == 3 and "is not stable, expected it to be: " in errors


def test_an_old_measurement_is_repeated_and_compared(
    capsys: Capture, linear_files: dict[str, Path], tmp_path: Path
) -> None:
    old = tmp_path / "old.json"
    run(capsys, "bench", *linear_files.values(), "--device", "host", *QUICK, "--out", old)
    code, text, _ = run(capsys, "bench", "--compare", old, *QUICK)
    assert code == 0 and "new against old" in text
    code, text, _ = run(capsys, "bench", "--compare", old, *QUICK, "--json")
    (change,) = json.loads(text)["changes"]
    assert [row["what"] for row in change["figures"]] == [
        "linear_fp32",
        "linear_int8",
        "linear_int8 / linear_fp32",
    ]
    assert all(row["same_file"] for row in change["figures"])


def test_two_documents_are_compared_without_measuring(
    capsys: Capture, linear_files: dict[str, Path], tmp_path: Path
) -> None:
    old, new = tmp_path / "old.json", tmp_path / "new.json"
    for path in (old, new):
        run(capsys, "bench", linear_files["int8"], "--device", "host", *QUICK, "--out", path)
    code, text, errors = run(capsys, "bench", new, "--compare", old)
    assert (code, errors) == (0, "") and "new against old" in text and "linear_int8" in text
    code, text, _ = run(capsys, "bench", new, "--compare", old, "--json")
    assert code == 0 and json.loads(text)["changes"][0]["figures"][0]["what"] == "linear_int8"


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], "no file, expected one or more .tflite files"),
        (["absent.tflite", "--device", "host"], "absent.tflite: no such file"),
        (["LINEAR", "--device", "arm:cortex-a77"], "'cortex-a77' is unknown, expected one of cortex-a53"),
        (["LINEAR", "--device", "host", "--json", "--csv"], "--json and --csv together"),
        (["LINEAR", "--device", "host", "--core", "4095"], "core 4095 is offline, forbidden or absent"),
        (["LINEAR", "--device", "host", "--check-outputs"], "expected a device that is another"),
        (["LINEAR", "--device", "host", "--max-insns", "1M"], "--max-insns without an emulated core"),
        (["LINEAR", "--device", "arm:cortex-a76", "--max-ms", "5"], "expected a device with a clock"),
        (["LINEAR", "--device", "arm:cortex-a76", "--check-outputs", "--fp16"], "leave out --fp16"),
        (["LINEAR", "--device", "host", "--max-ms", "0"], "--max-ms is 0, expected a number above 0"),
        (["LINEAR", "--device", "host", "--max-insns", "many"], "'many', expected a number"),
        (["LINEAR", "--device", "host", "--inputs", "absent.npy"], "absent.npy cannot be read"),
        (["--compare", "absent.json"], "absent.json: no such file"),
        (["LINEAR", "--device", "host", "--out", "."], ". is a folder, expected a file to write"),
        (
            ["LINEAR", "--device", "host", "--out", "LINEAR/x.json"],
            "is a file, expected a folder to write to",
        ),
    ],
)
def test_bad_input_gets_one_line_and_exit_code_2(
    capsys: Capture, linear_files: dict[str, Path], arguments: list[str], expected: str
) -> None:
    filled = [argument.replace("LINEAR", str(linear_files["fp32"])) for argument in arguments]
    code, text, errors = run(capsys, "bench", *filled)
    assert (code, text) == (2, "")
    assert expected in errors.splitlines()[-1] and "Traceback" not in errors


def test_a_file_that_is_gone_is_named(capsys: Capture, linear_files: dict[str, Path], tmp_path: Path) -> None:
    model, old = tmp_path / "gone.tflite", tmp_path / "old.json"
    model.write_bytes(linear_files["fp32"].read_bytes())
    run(capsys, "bench", model, "--device", "host", *QUICK, "--out", old)
    model.unlink()
    code, _, errors = run(capsys, "bench", "--compare", old)
    assert code == 2 and "gone.tflite" in errors and "is gone" in errors


@pytest.mark.usefixtures("emulator")
def test_instructions_on_an_emulated_core(
    capsys: Capture, linear_files: dict[str, Path], tmp_path: Path
) -> None:
    old = tmp_path / "old.json"
    arguments = ("bench", *linear_files.values(), "--device", "arm:cortex-a76")
    code, text, _ = run(capsys, *arguments, "--per-op", "--check-outputs", "--out", old)
    assert code == 0
    assert "emulated Cortex-A76" in text and "no time" in text and "FULLY_CONNECTED" in text
    assert "Outputs against this host's" in text and "fails" not in text
    code, text, errors = run(capsys, *arguments, "--compare", old, "--max-insns", "0.001k")
    assert code == 3 and "noise" in text and "expected at most 0.000 M" in errors


def test_no_phone_means_this_host(capsys: Capture, linear_files: dict[str, Path], phones: Phones) -> None:
    code, text, errors = run(capsys, "bench", linear_files["int8"], *QUICK)
    assert code == 0 and "linear_int8" in text
    assert "warning: no phone is connected; measured on this host" in errors
    for device in ("phone", "all", "SERIAL"):
        code, text, errors = run(capsys, "bench", linear_files["int8"], "--device", device)
        assert (code, text) == (2, "") and "connected, expected one that `adb devices` lists" in errors


def test_one_phone_is_the_default(capsys: Capture, linear_files: dict[str, Path], phones: Phones) -> None:
    phones.need_programs()
    phone = phones.start("1+3+4")
    code, text, errors = run(capsys, "bench", linear_files["int8"], *QUICK, "--check-outputs")
    assert code == 0, errors
    assert (
        phone.model.name in text
        and "core 7 of 8" in " ".join(text.split())
        and "Outputs against this host's" in text
    )


def test_several_phones_want_a_choice(capsys: Capture, linear_files: dict[str, Path], phones: Phones) -> None:
    phones.need_programs()
    serials = [phones.start(model).serial for model in ("4+4", "2+6")]
    code, text, errors = run(capsys, "bench", linear_files["int8"], *QUICK)
    assert (code, text) == (2, "") and "2 phones are connected" in errors and "--device SERIAL" in errors
    code, text, errors = run(capsys, "bench", linear_files["int8"], *QUICK, "--device", "all", "--json")
    assert code == 0, errors
    assert sorted(result["device"]["key"] for result in json.loads(text)["results"]) == sorted(serials)


def test_a_phone_that_fails_does_not_spoil_the_others(
    capsys: Capture, linear_files: dict[str, Path], phones: Phones
) -> None:
    phones.need_programs()
    good = phones.start("4+4")
    phones.start("4+4", abi="armeabi-v7a")
    phones.start("4+4", access="unauthorized")
    code, text, errors = run(capsys, "bench", linear_files["int8"], *QUICK, "--device", "all", "--json")
    (result,) = json.loads(text)["results"]
    assert result["device"]["key"] == good.serial
    assert code == 2 and "armeabi-v7a" in errors and "(unauthorized) was left out" in errors


def test_throttling_shows_in_the_verdict(
    capsys: Capture, linear_files: dict[str, Path], phones: Phones
) -> None:
    phones.need_programs()
    phone = phones.start("4+4")
    phone.when_program("runner", nth=2).call(lambda: phone.change(thermal_status=2, cpu_c=71.0))
    arguments = (linear_files["int8"], "--device", phone.serial, *QUICK, "--require-stable")
    code, text, errors = run(capsys, "bench", *arguments)
    assert code == 3 and "not stable: throttling: Android reports thermal status 2 (moderate)" in text
    assert "is not stable, expected it to be: throttling" in errors


def test_a_runner_that_prints_garbage_ends_with_exit_code_4(
    capsys: Capture, linear_files: dict[str, Path], phones: Phones
) -> None:
    phones.need_programs()
    phone = phones.start("4+4")
    phone.when_program("runner", nth=2).print("\x00\x7fELF what is this")
    code, text, errors = run(capsys, "bench", linear_files["int8"], *QUICK)
    assert (code, text) == (4, "") and "what is this" in errors and "expected its JSON document" in errors
    assert phone.left_behind() == []


def test_the_doctor_says_what_is_missing(
    capsys: Capture, phones: Phones, monkeypatch: pytest.MonkeyPatch
) -> None:
    code, text, _ = run(capsys, "doctor", "--json")
    assert code == 0
    findings: dict[str, Any] = {found["what"]: found for found in json.loads(text)["findings"]}
    assert findings["the runner"]["found"] and not findings["adb, and a phone"]["found"]
    which = shutil.which
    monkeypatch.setattr(shutil, "which", lambda name: None if name == "qemu-aarch64" else which(name))
    code, text, _ = run(capsys, "doctor", "--device", "arm")
    assert code == 2 and "sudo apt-get install qemu-user" in text
    assert run(capsys, "doctor", "--device", "phone", "-q") == (2, "", "")
