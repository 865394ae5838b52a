from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from mobiledeploy.base.errors import DeviceError, InputError
from mobiledeploy.bench.runner.launch import Finished, arguments, patience_s, to_launch
from mobiledeploy.bench.runner.records import Launch, LaunchPlan, Model

MODELS = [Model(name, Path(f"/home/{name}.tflite"), "", ()) for name in ("a", "b")]
PATHS = ["/device/0.tflite", "/device/1.tflite"]
PLAN = LaunchPlan(core=3, rounds=2, burst=3)


def document(**changes: Any) -> dict[str, Any]:
    model = {
        "outputs": 2,
        "init_us": 1500.0,
        "first_us": 800,
        "fully_delegated": True,
        "warm": True,
        "warm_up_us": [500.0, 400.0],
        "samples_us": [[400.0, 401.0, 402.0], [403.0, 404.0, 405.0]],
    }
    whole = {
        "runner": 1,
        "litert": "2.3.0",
        "core": 3,
        "seconds": 0.25,
        "rounds": 2,
        "models": [model, {**model, "warm": False}],
        "clock_khz": [2000000, 1900000],
        "involuntary_switches": 4,
        "peak_kb": 20480,
    }
    return {**whole, **changes}


def of_model(**changes: Any) -> dict[str, Any]:
    models = document()["models"]
    return document(models=[models[0], {**models[1], **changes}])


def launch(
    stdout: str | dict[str, Any] = "", code: int = 0, stderr: str = "", plan: LaunchPlan = PLAN
) -> Launch:
    text = stdout if isinstance(stdout, str) else json.dumps(stdout)
    finished = Finished(code, text.encode(), stderr.encode(), PATHS)
    return to_launch(finished, MODELS, plan, where="Pixel", runtime="LiteRT 2.3.0", read=str.encode)


def test_arguments_say_all_of_the_plan() -> None:
    plan = LaunchPlan(core=7, rounds=4, burst=2, warm_up_s=1.5, limit_s=9.0, seed=11, flags=7, outputs=True)
    words = (
        "--library lib.so --core 7 --rounds 4 --burst 2 --warm-up-ms 1500 --limit-ms 9000 --flags 7 --seed 11"
    )
    assert arguments(plan, PATHS, "lib.so") == [*words.split(), "--outputs", *PATHS]
    assert "--core" not in arguments(LaunchPlan(), PATHS, "lib.so")
    assert "--outputs" not in arguments(LaunchPlan(), PATHS, "lib.so")
    assert patience_s(plan) > 10.5


def test_a_document_becomes_a_launch() -> None:
    found = launch(document())
    assert (found.core, found.seconds, found.clock_khz) == (3, 0.25, (2000000, 1900000))
    assert (found.runtime, found.involuntary_switches, found.peak_memory_mb) == ("LiteRT 2.3.0", 4, 20.0)
    assert found.complete
    first, second = found.models
    assert (first.init_ms, first.first_ms, first.warm, second.warm) == (1.5, 0.8, True, False)
    assert first.rounds_ms == ((0.4, 0.401, 0.402), (0.403, 0.404, 0.405))
    assert first.warm_up_ms == (0.5, 0.4)
    assert first.fully_delegated
    assert first.outputs == ()


def test_what_the_system_does_not_say_is_left_out() -> None:
    found = launch(document(core=-1, clock_khz=[], peak_kb=0))
    assert (found.core, found.clock_khz, found.peak_memory_mb) == (None, (), None)


def test_fewer_rounds_are_a_launch_that_is_not_complete() -> None:
    samples = {"samples_us": [[1.0, 1.0, 1.0]]}
    models = [{**model, **samples} for model in document()["models"]]
    assert not launch(document(rounds=1, models=models, clock_khz=[1])).complete


def test_outputs_are_read_from_beside_the_models() -> None:
    found = launch(document(), plan=LaunchPlan(rounds=2, burst=3, outputs=True))
    assert found.models[1].outputs == (b"/device/1.tflite.out0", b"/device/1.tflite.out1")


@pytest.mark.parametrize(
    ("stdout", "why"),
    [
        ("", "Expecting value"),
        ("Segmentation fault \x00\x01\n more", "Expecting value"),
        (json.dumps(document())[:-20], "line 1"),
        ("[1, 2]", "list indices"),
        ("null", "subscriptable"),
        ("[" * 100000, "recursion"),
        (document(runner=2), "format 2"),
        (document(models=document()["models"][:1]), "1 models"),
        (document(rounds=0), "0 rounds"),
        (document(rounds=3), "3 rounds"),
        (document(rounds=True), "rounds True"),
        (document(clock_khz=[1]), "1 clocks"),
        (document(clock_khz=[1.5, 1]), "clock_khz 1.5"),
        (document(core="7"), "core '7'"),
        (document(seconds=-1.0), "seconds -1.0"),
        (document(seconds=10**400), "too large"),
        (document(peak_kb=10**400), "too large"),
        (document(peak_kb=-1), "peak_kb -1"),
        ({key: value for key, value in document().items() if key != "peak_kb"}, "no peak_kb"),
        (of_model(samples_us=[]), "another number of samples"),
        (of_model(samples_us=[[1.0, 1.0, 1.0], [1.0, 1.0]]), "another number of samples"),
        (of_model(samples_us=[[1.0, 1.0, 1.0], [1.0, 1.0, float("nan")]]), "samples_us nan"),
        (of_model(samples_us=[[1.0, 1.0, 1.0], [1.0, 1.0, float("inf")]]), "samples_us inf"),
        (of_model(samples_us=[[1.0, 1.0, 1.0], [1.0, 1.0, -2.0]]), "samples_us -2.0"),
        (of_model(samples_us=[[1.0, 1.0, 1.0], [1.0, 1.0, 0]]), "samples_us 0"),
        (of_model(samples_us=[[1.0, 1.0, 1.0], [1.0, 1.0, "2"]]), "samples_us '2'"),
        (of_model(init_us=None), "init_us None"),
        (of_model(warm=1), "warm 1"),
        (of_model(outputs=10**9), "1000000000 outputs"),
    ],
)
def test_a_document_that_makes_no_sense_is_shown(stdout: str | dict[str, Any], why: str) -> None:
    with pytest.raises(DeviceError) as caught:
        launch(stdout)
    message = str(caught.value)
    assert message.startswith("the runner on Pixel printed ")
    assert message.endswith("expected its JSON document; measure again")
    assert why in message
    assert "\n" not in message
    assert len(message) < 400


def test_garbage_is_quoted() -> None:
    with pytest.raises(DeviceError, match=r"printed '/system/bin/sh: no such thing' \(Expecting value"):
        launch("\n /system/bin/sh: no such thing\nmore of it")


def test_a_bad_model_is_an_input_error_that_names_the_users_file() -> None:
    stderr = "INFO: delegate\nERROR: bad\nrunner: /device/1.tflite: LiteRT cannot read it (status 500)\n\n"
    expected = r"^/home/b.tflite: LiteRT cannot read it \(status 500\), expected a TFLite model"
    with pytest.raises(InputError, match=expected):
        launch(code=2, stderr=stderr)


def test_a_refusal_is_the_devices_error() -> None:
    expected = r"the runner on Pixel stopped \(cannot be pinned to core 7 \(Invalid argument\)\)"
    with pytest.raises(DeviceError, match=expected):
        launch(code=3, stderr="runner: cannot be pinned to core 7 (Invalid argument)\n")


@pytest.mark.parametrize(
    ("code", "how"),
    [
        (-11, "was ended by SIGSEGV"),
        (139, "was ended by SIGSEGV"),
        (137, "was ended by SIGKILL"),
        (127, "ended with exit code 127"),
        (1, "ended with exit code 1"),
        (255, "ended with exit code 255"),
    ],
)
def test_a_crash_is_named_with_what_was_said_last(code: int, how: str) -> None:
    with pytest.raises(DeviceError, match=rf"the runner on Pixel {how} \(it said: cannot link\)"):
        launch(code=code, stderr="INFO: start\ncannot link\n")
    with pytest.raises(DeviceError, match=rf"{how} \(it said: nothing\)"):
        launch(code=code)
