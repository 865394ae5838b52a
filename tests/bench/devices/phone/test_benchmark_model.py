"""Google's tool on a phone that prints what the tool would."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from mobiledeploy.base.errors import DeviceError, InputError
from mobiledeploy.base.files import file_sha256
from mobiledeploy.bench.devices.phone.benchmark_model import BenchmarkModel
from mobiledeploy.bench.devices.phone.folder import FOLDER
from mobiledeploy.bench.devices.phone.own_runner import OwnRunner
from mobiledeploy.bench.devices.phone.phone import Phone
from mobiledeploy.bench.runner.records import Launch, LaunchPlan, Model

if TYPE_CHECKING:
    from tests.bench.virtual_phone.emulation import Emulation
    from tests.bench.virtual_phone.faults import When
    from tests.bench.virtual_phone.phone import VirtualPhone
    from tests.bench.virtual_phone.phones import Phones

PLAN = LaunchPlan(core=6, rounds=10, burst=4, limit_s=30.0)
OUTPUTS = Path(__file__).with_name("outputs")
OUTPUT = (OUTPUTS / "litert_2.txt").read_text()
PROFILE = (OUTPUTS / "litert_2_profile.txt").read_text()

Clean = Callable[["VirtualPhone"], None]


@pytest.fixture(autouse=True)
def _impatience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mobiledeploy.bench.devices.phone.folder.GRACE_S", 0.5)


@pytest.fixture
def binary(tmp_path: Path) -> Path:
    """An ELF header for AArch64: what the phone makes of the program is up to the test."""
    path = tmp_path / "benchmark_model_aarch64"
    path.write_bytes(b"\x7fELF\x02\x01\x01" + bytes(9) + b"\x03\0\xb7\0" + bytes(100))
    return path


def launched(
    phone: VirtualPhone,
    binary: Path,
    models: tuple[Model, ...],
    plan: LaunchPlan = PLAN,
    profile: bool = False,
) -> Launch:
    runner = BenchmarkModel(binary, profile=profile)
    with Phone(phone.serial, runner).session(models) as launch:
        return launch(models, plan)


def test_models_take_turns_each_in_a_process_of_its_own(
    phones: Phones, binary: Path, linear_models: tuple[Model, Model], assert_clean: Clean
) -> None:
    phone = phones.start()
    phone.when_program().print(OUTPUT)
    faster = OUTPUT.replace("Inference (avg): 1598.62", "Inference (avg): 800")
    phone.when_program(linear_models[1].sha256[:16]).print(faster)
    launch = launched(phone, binary, linear_models)
    assert [model.rounds_ms for model in launch.models] == [((1.59862,),) * 2, ((0.8,),) * 2]
    assert (launch.models[0].init_ms, launch.models[0].first_ms) == (6.02, 5.12)
    assert launch.models[0].warm_up_ms == pytest.approx([1.61244] * 2)
    assert (launch.models[0].fully_delegated, launch.complete, launch.core) == (True, True, 6)
    assert launch.runtime == f"benchmark_model of SHA-256 {file_sha256(binary)[:12]}"
    graphs = [start.arguments[1] for start in phone.launches]
    assert {len(set(graphs[i : i + 2])) for i in (0, 2)} == {2}  # both models in every round
    assert phone.pinned() == [("taskset", (6,))] * 4
    assert_clean(phone)


def test_the_whole_way_with_a_stand_in(
    phones: Phones, emulation: Emulation | str, linear_models: tuple[Model, Model], assert_clean: Clean
) -> None:
    phones.need_programs()
    assert not isinstance(emulation, str)
    phone = phones.start("1+3+4")
    plan = replace(PLAN, rounds=1, burst=2, core=7, warm_up_s=0.0)
    launch = launched(phone, emulation.benchmark_model, linear_models, plan)
    assert [len(model.rounds_ms) for model in launch.models] == [1, 1]
    assert all(1 < model.rounds_ms[0][0] < 2 for model in launch.models)  # what it makes up
    detailed = replace(plan, details=True)
    alone = launched(phone, emulation.benchmark_model, linear_models[:1], detailed, profile=True)
    assert alone.peak_memory_mb is not None and alone.op_profile["fp32"]
    assert phone.pinned() == [("taskset", (7,))] * 4
    broken = replace(linear_models[0], path=Path(__file__), sha256=file_sha256(Path(__file__)))
    with pytest.raises(
        InputError, match=r"^benchmark_model does not run fp32 \(.*\), expected a model that it takes"
    ):
        launched(phone, emulation.benchmark_model, (broken,))
    assert_clean(phone)


def test_what_it_is_asked_for(phones: Phones, binary: Path, linear_models: tuple[Model, Model]) -> None:
    phone = phones.start()
    phone.when_program().print(OUTPUT)
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
    phones: Phones, binary: Path, linear_models: tuple[Model, Model]
) -> None:
    phone = phones.start()
    phone.when_program(nth=1).print(OUTPUT + PROFILE)
    phone.when_program(nth=2).print(OUTPUT.replace("1598.62", "1500"))
    plan = replace(PLAN, rounds=1, core=None, details=True)
    launch = launched(phone, binary, linear_models[:1], plan, profile=True)
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
    phones: Phones, binary: Path, linear_models: tuple[Model, Model]
) -> None:
    phone = phones.start()
    phone.when_program().print(OUTPUT)
    launch = launched(phone, binary, linear_models, replace(PLAN, limit_s=0.0))
    assert [len(model.rounds_ms) for model in launch.models] == [1, 1]
    assert not launch.complete


FAILURES: tuple[tuple[Callable[[When], None], str], ...] = (
    (
        lambda when: when.crash(),
        r"benchmark_model crashed on {} with fp32 \(signal 11\), expected a result; take",
    ),
    (
        lambda when: when.hang(),
        "the runner on {} had not ended after 1 s and was killed, expected a result; ",
    ),
    (
        lambda when: when.print("\0\1 garbage\n"),
        r"the output of benchmark_model begins with '\\x00\\x01 garbage', expected its line of inference t",
    ),
    (
        lambda when: when.print(OUTPUT[:500]),
        "the output of benchmark_model begins with 'INFO: STARTING!', expected its line of inference t",
    ),
    (
        lambda when: when.print(stderr="sh: benchmark_model: not executable\n", exit_code=126),
        r"benchmark_model ended on {} with exit code 126 \(sh: benchmark_model: not exec.*\), expected a ",
    ),
    (
        lambda when: when.print(exit_code=1),
        r"benchmark_model ended on {} with exit code 1 \(it says nothing\), expected a result; ",
    ),
)


def test_a_tool_that_fails(
    phones: Phones, binary: Path, linear_models: tuple[Model, Model], assert_clean: Clean
) -> None:
    phone, models = phones.start(), linear_models[:1]
    with Phone(phone.serial, BenchmarkModel(binary)).session(models) as launch:
        for fails, message in FAILURES:
            fails(phone.when_program(nth=1))
            with pytest.raises(DeviceError, match="^" + message.format(phone.serial)):
                launch(models, replace(PLAN, limit_s=0.0))
    assert len(phone.launches) == len(FAILURES)
    assert_clean(phone)


@pytest.mark.parametrize(
    ("stdout", "stderr", "code", "message"),
    [
        (
            "INFO: STARTING!\n",
            "ERROR: Didn't find op for builtin opcode 'ADD' version '9'.\nERROR: Benchmarking failed.\n",
            1,
            r"^benchmark_model does not run fp32 \(Didn't find op .* version '9'\.\), expected a model",
        ),
        (
            OUTPUT.replace("STARTING!", "STARTING!\nWARN: Unconsumed cmdline flags: --use_xnnpack=true"),
            "",
            0,
            "aarch64 does not know --use_xnnpack, expected benchmark_model of TensorFlow 2.4 or newer, or of "
            "LiteRT; do",
        ),
    ],
)
def test_a_tool_that_does_not_take_what_it_is_given(
    phones: Phones,
    binary: Path,
    linear_models: tuple[Model, Model],
    stdout: str,
    stderr: str,
    code: int,
    message: str,
) -> None:
    phone = phones.start()
    phone.when_program().print(stdout, stderr, code)
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
    phones: Phones, binary: Path, linear_models: tuple[Model, Model], plan: LaunchPlan, message: str
) -> None:
    phone = phones.start()
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


def test_a_build_for_linux(own_runner: OwnRunner, linear_models: tuple[Model, Model]) -> None:
    ours = next(file for file in own_runner.files(()) if file.name == "runner")
    assert isinstance(ours.content, Path)
    with pytest.raises(
        InputError, match=r"asks for the loader /lib/ld-linux-aarch64\.so\.1, expected a build for And"
    ):
        BenchmarkModel(ours.content)


def test_its_figures_come_with_a_note(binary: Path) -> None:
    assert "random" in Phone("SERIAL", BenchmarkModel(binary)).note
