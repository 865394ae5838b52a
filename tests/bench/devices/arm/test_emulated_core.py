"""Real counts: the project's runner and LiteRT for AArch64 under QEMU."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from mobiledeploy.base.errors import InputError
from mobiledeploy.bench.devices.arm.emulated_core import EmulatedCore
from mobiledeploy.bench.devices.arm.emulator import Emulator
from mobiledeploy.bench.devices.arm.instruction_count import InstructionCount, ModelCount
from mobiledeploy.bench.devices.arm.profiles import get_profile
from mobiledeploy.bench.devices.host import Host
from mobiledeploy.bench.report.document import document
from mobiledeploy.bench.runner.records import LaunchPlan, Model
from mobiledeploy.bench.runner.tensors import interface, to_array
from mobiledeploy.runtime.tflite_ops import read_graph

Fed = Callable[..., Model]

A53, A76 = get_profile("cortex-a53"), get_profile("cortex-a76")


@pytest.fixture(scope="module")
def on_a76(emulator: Emulator, network_files: dict[str, Path], fed: Fed) -> InstructionCount:
    """Both forms of the network, one after the other."""
    return EmulatedCore(A76, emulator).measure([fed(network_files["fp32"]), fed(network_files["int8"])])


def test_two_runs_give_the_same_counts(
    on_a76: InstructionCount, emulator: Emulator, network_files: dict[str, Path], fed: Fed
) -> None:
    again = EmulatedCore(A76, emulator).measure([fed(network_files["int8"])]).models[0]
    first = on_a76.models[1]
    assert again.instructions == pytest.approx(first.instructions, rel=1e-4)
    assert [op.instructions for op in again.ops] == pytest.approx(
        [op.instructions for op in first.ops], rel=1e-4, abs=10
    )
    assert first.spread < 0.01  # of a network so small that a hundred instructions count


def test_the_path_of_a_model_does_not_matter(
    on_a76: InstructionCount, emulator: Emulator, network_files: dict[str, Path], fed: Fed, tmp_path: Path
) -> None:
    far = tmp_path / ("a rather, long" * 5) / "é, with a comma.tflite"
    far.parent.mkdir()
    shutil.copy(network_files["int8"], far)
    moved = EmulatedCore(A76, emulator, by_op=False).measure([fed(far)]).models[0]
    assert moved.per_inference == on_a76.models[1].per_inference


def test_ops_make_up_the_total(on_a76: InstructionCount, network_files: dict[str, Path]) -> None:
    for model, file in zip(on_a76.models, network_files.values(), strict=True):
        assert not model.no_ops_because
        assert model.runtime_instructions is not None
        assert model.runtime_instructions + sum(op.instructions for op in model.ops) == model.instructions
        # What LiteRT does for a call is the same for all networks, some thousands of instructions.
        assert 0 < model.runtime_instructions < 20_000
        assert sorted(i for op in model.ops for i in op.ops) == [op.index for op in read_graph(file).ops]
        assert sum(model.shares.values()) == pytest.approx(1)
        assert model.fully_delegated
        stem = next(op for op in model.ops if "CONV_2D" in op.types)
        assert stem.kind == "convolution" and stem.types[-2:] == ("PAD", "CONV_2D")
        assert stem.instructions == max(op.instructions for op in model.ops)


def test_a_core_without_dot_product_takes_more_for_int8(
    on_a76: InstructionCount, emulator: Emulator, network_files: dict[str, Path], fed: Fed
) -> None:
    def convolutions(model: ModelCount) -> int:
        return sum(op.instructions for op in model.ops if op.kind == "convolution")

    small = EmulatedCore(A53, emulator).measure([fed(network_files["int8"])]).models[0]
    assert convolutions(small) > 1.5 * convolutions(on_a76.models[1])


def test_outputs_are_the_hosts(on_a76: InstructionCount, network_files: dict[str, Path], fed: Fed) -> None:
    models = [fed(path) for path in network_files.values()]
    try:
        with Host().session(models) as launch:
            there = launch(models, LaunchPlan(rounds=1, burst=1, warm_up_s=0.0, outputs=True))
    except InputError as error:
        pytest.skip(str(error))
    for model, here, other in zip(models, on_a76.models, there.models, strict=True):
        (tensor,) = interface(model.path).outputs
        emulated, host = (to_array(tensor, outputs[0]) for outputs in (here.outputs, other.outputs))
        assert np.ptp(host) > 0
        # The artifact's output is float, and in int8 a multiple of one step.
        steps = np.unique(np.diff(np.sort(host.ravel())))
        tolerance = 1e-5 if model.path == network_files["fp32"] else steps[steps > 1e-6].min() * 1.01
        np.testing.assert_allclose(emulated, host, atol=tolerance, rtol=0)


def test_the_result_says_what_it_is(on_a76: InstructionCount) -> None:
    plain = on_a76.to_json()
    assert plain["kind"] == "instructions"
    assert plain["device"]["key"] == "arm:cortex-a76"
    assert plain["device"]["system"].startswith("QEMU ")
    assert plain["runtime"] == "LiteRT 2.3.0"
    assert "retired" in plain["note"] and "no time" in plain["note"]
    model = plain["models"][1]
    assert model["instructions"] == on_a76.models[1].instructions
    assert model["ops"][0]["instructions"] > 0
    text = json.dumps(document([plain])).lower()
    assert "latency" not in text and "_ms" not in text


def test_without_ops_there_are_no_shares(emulator: Emulator, linear_files: dict[str, Path], fed: Fed) -> None:
    model = EmulatedCore(A53, emulator, by_op=False).measure([fed(linear_files["int8"])]).models[0]
    assert (model.ops, model.shares, model.runtime_instructions) == ((), {}, None)
    assert len(model.per_inference) == 2
    assert model.instructions > 0


def test_a_model_that_litert_does_not_load_is_named(
    emulator: Emulator, linear_files: dict[str, Path], fed: Fed, tmp_path: Path
) -> None:
    model = fed(linear_files["fp32"])
    starved = Model(model.name, model.path, model.sha256, (model.inputs[0][:-1],))
    with pytest.raises(InputError, match=r"linear_fp32\.tflite\.in0.* less than"):
        EmulatedCore(A53, emulator, by_op=False).measure([starved])
    text = tmp_path / "text.tflite"
    text.write_text("no model")
    with pytest.raises(InputError, match=r"text\.tflite cannot be read"):
        EmulatedCore(A53, emulator).measure([Model("text", text, "", ())])
