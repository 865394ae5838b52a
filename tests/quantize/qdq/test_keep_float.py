"""What a user names stays in float: in the QDQ graph, in its file, and in the artifact."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx_ir as ir
import pytest

from mobiledeploy.base.errors import InputError
from mobiledeploy.exporters.rewrites.stages import rewrite_for_target
from mobiledeploy.exporters.tflite.onnx_to_tflite import lower
from mobiledeploy.exporters.tflite.writer import write_tflite
from mobiledeploy.quantize.quantize_model import quantize_model
from mobiledeploy.quantize.recipe import QuantizeRecipe
from mobiledeploy.runtime.runtimes import OnnxSession, TfliteSession
from mobiledeploy.runtime.targets import LITERT_2_3, Target
from mobiledeploy.sources.onnx_file import load_onnx
from mobiledeploy.testing import model_from_text, random_sample

TEXT = """g (float[1,3,8,8] x) => (float[1,4,8,8] y)
    <float[4,3,3,3] w1, float[4] b1, float[4,4,1,1] w2, float[4,4,1,1] w3> {
        a = Conv<pads=[1,1,1,1]>(x, w1, b1)
        relu = Relu(a)
        b = Conv(relu, w2)
        swish = HardSwish(b)
        y = Conv(swish, w3)
    }"""


def quantized(*patterns: str, target: Target = LITERT_2_3) -> tuple[ir.Model, list[str]]:
    model = model_from_text(TEXT)
    rewrite_for_target(model, target, "int8")
    samples = [random_sample(model, seed) for seed in range(8)]
    log = quantize_model(model, samples, LITERT_2_3, QuantizeRecipe(keep_float=patterns))
    return model, log.kept


def ops_of(model: ir.Model, folder: Path) -> list[str]:
    """The ops of the artifact, as LiteRT runs it; what it computes must be what the QDQ graph says."""
    path = folder / "kept.tflite"
    path.write_bytes(write_tflite(lower(model, LITERT_2_3), "test"))
    session, sample = TfliteSession(path, nhwc=True), random_sample(model, 99)
    wanted = OnnxSession(model, optimize=False).run(sample)["y"]
    step = np.ptp(wanted) / 255
    assert np.abs(session.run(sample)["y"] - wanted).max() <= 2.5 * step
    return [node["op_name"] for node in TfliteSession(path, delegate=False).nodes()]


@pytest.mark.parametrize("pattern", ["a", "relu", "rel?"])
def test_a_linear_op_stays_in_float_with_its_activation(pattern: str, tmp_path: Path) -> None:
    model, kept = quantized(pattern)
    assert kept == ["a", "relu"]
    # The input is float as it comes; then integers begin.
    assert ops_of(model, tmp_path)[:3] == ["CONV_2D", "QUANTIZE", "CONV_2D"]


def test_between_two_layers_in_float_nothing_rounds(tmp_path: Path) -> None:
    model, _ = quantized("a", "b")
    assert ops_of(model, tmp_path)[:3] == ["CONV_2D", "CONV_2D", "QUANTIZE"]


def test_an_op_between_integers_stays_in_float_in_the_file_too(tmp_path: Path) -> None:
    model, kept = quantized("b")
    assert kept == ["b"]
    ops = ops_of(model, tmp_path)
    assert ops[ops.index("DEQUANTIZE") :][:3] == ["DEQUANTIZE", "CONV_2D", "QUANTIZE"]
    ir.save(model, tmp_path / "kept.onnx")
    assert ops_of(load_onnx(tmp_path / "kept.onnx"), tmp_path) == ops


def test_h_swish_by_the_name_of_its_result_and_as_one_op(tmp_path: Path) -> None:
    _, kept = quantized("swish")
    assert kept == ["swish~add", "swish~clip", "swish~mul"]
    model, kept = quantized("op:HardSwish", target=LITERT_2_3.taking("HARD_SWISH", "int8"))
    assert kept == ["swish"]
    ops = ops_of(model, tmp_path)
    assert ops[ops.index("HARD_SWISH") - 1] == "DEQUANTIZE" and ops.count("CONV_2D") == 3


def test_a_pattern_that_matches_nothing_names_what_there_is() -> None:
    with pytest.raises(InputError, match=r"'rellu' matches no layer that is quantized, expected .* relu, "):
        quantized("y", "rellu")
    with pytest.raises(
        InputError, match=r"'op:Gemm' matches no op .* expected one of op:Add, op:Clip, op:Conv"
    ):
        quantized("op:Gemm")
