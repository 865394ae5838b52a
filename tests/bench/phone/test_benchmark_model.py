"""Google's tool on a phone that prints what the tool would."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from mobiledeploy.artifacts import file_sha256
from mobiledeploy.bench.phone.benchmark_model import BenchmarkModel
from mobiledeploy.bench.phone.folder import FOLDER
from mobiledeploy.bench.phone.phone import Phone
from mobiledeploy.bench.records import Launch, Model, Plan
from mobiledeploy.errors import DeviceError, InputError
from tests.bench.virtual_phone.faults import Crash, Hang, Replace
from tests.bench.virtual_phone.phone import VirtualPhone

PLAN = Plan(core=6, rounds=3, burst=4, limit_s=30.0)
OUTPUTS = Path(__file__).with_name("outputs")
OUTPUT = (OUTPUTS / "litert_2.txt").read_bytes()
PROFILE = (OUTPUTS / "litert_2_profile.txt").read_bytes()

Clean = Callable[[VirtualPhone], None]
Connect = Callable[..., VirtualPhone]


@pytest.fixture
def binary(tmp_path: Path) -> Path:
    """An ELF header for AArch64: what the phone makes of the program is up to the test."""
    path = tmp_path / "benchmark_model_aarch64"
    path.write_bytes(b"\x7fELF\x02\x01\x01" + bytes(9) + b"\x03\0\xb7\0" + bytes(100))
    return path


def launched(
    phone: VirtualPhone, binary: Path, models: tuple[Model, ...], plan: Plan = PLAN, profile: bool = False
) -> Launch:
    runner = BenchmarkModel(binary, profile=profile)
    with Phone(phone.serial, runner, grace_s=0.5).session(models) as session:
        return session.launch(models, plan)


def test_models_take_turns_each_in_a_process_of_its_own(
    connect: Connect, binary: Path, linear_models: tuple[Model, Model], assert_clean: Clean
) -> None:
    phone = connect()
    phone.faults.programs.add(Replace(OUTPUT))
    faster = OUTPUT.replace(b"Inference (avg): 1598.62", b"Inference (avg): 800")
    phone.faults.programs.add(Replace(faster), matching=linear_models[1].sha256[:16])
    launch = launched(phone, binary, linear_models)
    assert [model.rounds_ms for model in launch.models] == [((1.59862,),) * 3, ((0.8,),) * 3]
    assert (launch.models[0].init_ms, launch.models[0].first_ms) == (6.02, 5.12)
    assert launch.models[0].warm_up_ms == pytest.approx([1.61244] * 3)
    assert (launch.models[0].fully_delegated, launch.complete, launch.core) == (True, True, 6)
    assert launch.runtime == f"benchmark_model of SHA-256 {file_sha256(binary)[:12]}"
    graphs = [start.arguments[1] for start in phone.launches]
    assert {len(set(graphs[i : i + 2])) for i in (0, 2, 4)} == {2}  # both models in every round
    assert phone.pinned() == [("taskset", (6,))] * 6
    assert_clean(phone)


def test_what_it_is_asked_for(connect: Connect, binary: Path, linear_models: tuple[Model, Model]) -> None:
    phone = connect()
    phone.faults.programs.add(Replace(OUTPUT))
    launched(phone, binary, linear_models, replace(PLAN, rounds=1, flags=7))
    program, graph, *flags = phone.launches[0].arguments
    assert program == f"{FOLDER}/benchmark_model"
    assert graph.startswith(f"--graph={FOLDER}/")
    assert flags == [
        "--num_threads=1",
        "--use_xnnpack=true",
        "--warmup_runs=1",
        "--warmup_min_secs=0.5",
        "--num_runs=4",
        "--min_secs=0.25",
        "--max_secs=30",
        "--xnnpack_force_fp16=true",
    ]


def test_memory_and_ops_are_looked_at_apart_from_timing(
    connect: Connect, binary: Path, linear_models: tuple[Model, Model]
) -> None:
    phone = connect()
    phone.faults.programs.add(Replace(OUTPUT + PROFILE), nth=1)
    phone.faults.programs.add(Replace(OUTPUT.replace(b"1598.62", b"1500")), nth=2)
    launch = launched(phone, binary, linear_models[:1], replace(PLAN, rounds=1, core=None), profile=True)
    assert launch.peak_memory_mb == 12.4414
    assert launch.op_profile == {"fp32": {"Convolution (NHWC, QC8) GEMM": 0.596, "HARD_SWISH": 0.051}}
    assert launch.models[0].rounds_ms == ((1.5,),)
    look, timed = (start.arguments for start in phone.launches)
    assert [flag for flag in look if flag not in timed] == [
        "--report_peak_memory_footprint=true",
        "--enable_op_profiling=true",
    ]
    assert phone.pinned() == []


def test_no_round_begins_after_the_limit(
    connect: Connect, binary: Path, linear_models: tuple[Model, Model]
) -> None:
    phone = connect()
    phone.faults.programs.add(Replace(OUTPUT))
    launch = launched(phone, binary, linear_models, replace(PLAN, limit_s=0.0))
    assert [len(model.rounds_ms) for model in launch.models] == [1, 1]
    assert not launch.complete


@pytest.mark.parametrize(
    ("effect", "message"),
    [
        (
            Crash(),
            r"benchmark_model crashed on {} with fp32 \(signal 11\), expected a result; take",
        ),
        (Hang(), "the runner on {} had not ended after 1 s and was killed, expected a result; "),
        (
            Replace(b"\0\1 garbage\n"),
            r"the output of benchmark_model begins with '\\x00\\x01 garbage', expected its l",
        ),
        (
            Replace(OUTPUT[:500]),
            "the output of benchmark_model begins with 'INFO: STARTING!', expected its line of",
        ),
        (
            Replace(stderr=b"sh: benchmark_model: not executable: 64-bit ELF file\n", exit_code=126),
            r"benchmark_model ended on {} with exit code 126 \(sh: benchmark_model: not exec.*\), expected a",
        ),
        (
            Replace(exit_code=1),
            r"benchmark_model ended on {} with exit code 1 \(it says nothing\), expected a result; ",
        ),
    ],
)
def test_a_tool_that_fails(
    connect: Connect,
    binary: Path,
    linear_models: tuple[Model, Model],
    assert_clean: Clean,
    effect: Crash | Hang | Replace,
    message: str,
) -> None:
    phone = connect()
    phone.faults.programs.add(effect)
    with pytest.raises(DeviceError, match="^" + message.format(phone.serial)):
        launched(phone, binary, linear_models[:1], replace(PLAN, limit_s=0.0))
    assert_clean(phone)


@pytest.mark.parametrize(
    ("stdout", "stderr", "code", "message"),
    [
        (
            b"INFO: STARTING!\n",
            b"ERROR: Didn't find op for builtin opcode 'ADD' version '9'.\nERROR: Benchmarking failed.\n",
            1,
            r"^benchmark_model does not run fp32 \(Didn't find op .* version '9'\.\), expected a model",
        ),
        (
            OUTPUT.replace(b"STARTING!", b"STARTING!\nWARN: Unconsumed cmdline flags: --use_xnnpack=true"),
            b"",
            0,
            "aarch64 does not know --use_xnnpack, expected benchmark_model of TensorFlow 2.4 or newer, or of "
            "LiteRT; do",
        ),
    ],
)
def test_a_tool_that_does_not_take_what_it_is_given(
    connect: Connect,
    binary: Path,
    linear_models: tuple[Model, Model],
    stdout: bytes,
    stderr: bytes,
    code: int,
    message: str,
) -> None:
    phone = connect()
    phone.faults.programs.add(Replace(stdout, stderr, code))
    with pytest.raises(InputError, match=message):
        launched(phone, binary, linear_models[:1])


@pytest.mark.parametrize(
    ("plan", "message"),
    [
        (
            replace(PLAN, outputs=True),
            "^benchmark_model was asked for outputs, expected timing only, ",
        ),
        (
            replace(PLAN, flags=1),
            "^XNNPACK's flags 1 were asked for, expected 3 or 7 with benchmark_model; leave out",
        ),
    ],
)
def test_a_plan_that_it_has_no_words_for(
    connect: Connect, binary: Path, linear_models: tuple[Model, Model], plan: Plan, message: str
) -> None:
    phone = connect()
    with pytest.raises(InputError, match=message):
        launched(phone, binary, linear_models, plan)
    assert not phone.launches


def test_a_file_that_is_no_program_for_a_phone(tmp_path: Path) -> None:
    text = tmp_path / "benchmark_model.txt"
    text.write_text("<html>404</html>")
    for path, what in ((text, "no program"), (Path(sys.executable), r"a program for \w+")):
        with pytest.raises(
            InputError, match=f"^{path} is {what}, expected benchmark_model for Android on aarch64; do"
        ):
            BenchmarkModel(path)
    with pytest.raises(
        InputError, match=r"^/absent: No such file or directory, expected Google's benchmark_model for A"
    ):
        BenchmarkModel(Path("/absent"))


def test_its_figures_come_with_a_note(binary: Path) -> None:
    assert "random" in Phone("SERIAL", BenchmarkModel(binary)).note
