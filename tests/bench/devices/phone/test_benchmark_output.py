"""Outputs in the formats of several releases, written after the sources; their numbers are invented."""

from __future__ import annotations

from pathlib import Path

import pytest

from mobiledeploy.base.errors import DeviceError
from mobiledeploy.bench.devices.phone.benchmark_output import complaint, parse, unknown_flags

_OUTPUTS = Path(__file__).with_name("outputs")
LITERT_2 = (_OUTPUTS / "litert_2.txt").read_text()
PROFILE = (_OUTPUTS / "litert_2_profile.txt").read_text()
TENSORFLOW_2_14 = (_OUTPUTS / "tensorflow_2_14.txt").read_text()
TENSORFLOW_2_4 = (_OUTPUTS / "tensorflow_2_4.txt").read_text()


def test_litert_2() -> None:
    found = parse(LITERT_2)
    assert (found.init_ms, found.first_ms) == (6.02, 5.12)
    assert found.warm_up_ms == pytest.approx(1.61244)
    assert found.mean_ms == pytest.approx(1.59862)
    assert found.count == 156
    assert (found.fully_delegated, found.peak_memory_mb, found.op_profile) == (True, 12.4414, {})


def test_tensorflow_2_14_with_runs_that_are_all_the_same() -> None:
    found = parse(TENSORFLOW_2_14)
    assert (found.mean_ms, found.count) == (1240.27, 2)
    assert (found.fully_delegated, found.peak_memory_mb) == (False, None)


def test_tensorflow_2_4_without_prefixes() -> None:
    found = parse(TENSORFLOW_2_4)
    assert found.mean_ms == pytest.approx(0.058311)
    assert (found.count, found.fully_delegated) == (17149, None)
    assert found.op_profile == {"TfLiteXNNPackDelegate": 0.058}


def test_the_profile_is_that_of_the_measured_runs() -> None:
    assert parse(LITERT_2 + PROFILE).op_profile == {
        "Convolution (NHWC, QC8) GEMM": 0.596,
        "HARD_SWISH": 0.051,
    }


def test_lines_that_end_as_on_windows() -> None:
    assert parse((LITERT_2 + PROFILE).replace("\n", "\r\n")) == parse(LITERT_2 + PROFILE)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "",
            "^the output of benchmark_model is empty, expected its line of inference timings in it; run",
        ),
        (
            "\n <html>what?\n",
            "^the output of benchmark_model begins with '<html>what[?]', expected its line of inf",
        ),
        (
            LITERT_2[: LITERT_2.index("Inference (avg)")],
            "^the output .* begins with 'INFO: STARTING!', expected its li",
        ),
        ("\0\x1b[2J\ufffd" * 1000, "^the output of benchmark_model begins with"),
        (
            LITERT_2.replace("Inference (avg): 1598.62", "Inference (avg): nan"),
            "expected its line of inference timin",
        ),
        (
            LITERT_2.replace("Inference (avg): 1598.62", "Inference (avg): 1.5.9"),
            "expected numbers for timings",
        ),
        (LITERT_2.replace("count=156 ", "count=0 "), "expected at least one measured inference"),
        (LITERT_2 + PROFILE.replace("0.596", "-"), "expected milliseconds in its profile"),
        (LITERT_2 + PROFILE.replace("[avg ms]", "[ms]"), r"expected the column \[avg ms\] in its profile"),
    ],
)
def test_garbage(text: str, message: str) -> None:
    with pytest.raises(DeviceError, match=message) as raised:
        parse(text)
    assert len(str(raised.value)) < 300


def test_every_beginning_of_an_output_is_refused_or_right() -> None:
    text = LITERT_2 + PROFILE
    for end in range(0, len(text), 7):
        try:
            found = parse(text[:end])
        except DeviceError:
            continue
        assert found.count == 156
        assert found.mean_ms == pytest.approx(1.59862)


def test_flags_that_it_does_not_know() -> None:
    warning = (
        "INFO: STARTING!\nWARN: Unconsumed cmdline flags: --use_xnnpack=true --enable_op_profiling=true\n"
    )
    assert unknown_flags(warning) == ("use_xnnpack", "enable_op_profiling")
    assert unknown_flags(LITERT_2) == ()


def test_what_it_complains_of() -> None:
    text = "INFO: STARTING!\n\nERROR: Could not open 'm.tflite'.\nERROR: Benchmarking failed.\n"
    assert complaint(text) == "Could not open 'm.tflite'."
    assert complaint(LITERT_2) == ""
