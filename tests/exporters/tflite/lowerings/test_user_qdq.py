"""QDQ models from elsewhere: ONNX Runtime's quantizer, per-tensor weights, parameters of the user's own."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
import pytest

from mobiledeploy.base.errors import UnsupportedModelError
from mobiledeploy.exporters.tflite.onnx_to_tflite import lower
from mobiledeploy.graph.onnx_graph import tidy
from mobiledeploy.runtime.runtimes import OnnxSession
from mobiledeploy.runtime.targets import LITERT_2_3

NET = (
    "c1 = Conv<pads=[1,1,1,1], strides=[2,2]>(x[1,3,16,16], w1[8,3,3,3], b1[8]); r1 = Relu(c1);"
    "c2 = Conv<pads=[1,1,1,1], group=8>(r1, w2[8,1,3,3], b2[8]); r2 = Clip(c2, {0.0}, {6.0});"
    "c3 = Conv(r2, w3[8,8,1,1], b3[8]); a = Add(c3, r1);"
    "m = MaxPool<kernel_shape=[2,2], strides=[2,2]>(a); k = Concat<axis=1>(m, m);"
    "s = Sigmoid(k); t = Mul(k, s);"
    "p = GlobalAveragePool(t); f = Flatten(p); y = Gemm<transB=1>(f, w4[10,16], b4[10])"
)


@pytest.mark.parametrize("activations", ["QUInt8", "QInt8"])
@pytest.mark.parametrize("weights", ["QInt8 per channel", "QInt8 per tensor"])
def test_quantize_static(activations: str, weights: str, onnx_text: Any, tmp_path: Path) -> None:
    quantization: Any = pytest.importorskip("onnxruntime.quantization")
    model = onnx_text["model_of"](NET)
    samples = onnx_text["samples_for"](model, 8)

    class Reader:
        def __init__(self) -> None:
            self.left = list(samples)

        def get_next(self) -> Any:
            return self.left.pop() if self.left else None

    onnx.save(ir.to_proto(model), tmp_path / "float.onnx")
    quantization.quantize_static(
        str(tmp_path / "float.onnx"),
        str(tmp_path / "qdq.onnx"),
        Reader(),
        quant_format=quantization.QuantFormat.QDQ,
        per_channel=weights.endswith("channel"),
        activation_type=getattr(quantization.QuantType, activations),
        weight_type=quantization.QuantType.QInt8,
    )
    qdq = tidy(ir.load(tmp_path / "qdq.onnx"))
    graph = lower(qdq, LITERT_2_3)
    assert " ".join(op.name for op in graph.ops[1:-1]) == (
        "PAD CONV_2D DEPTHWISE_CONV_2D CONV_2D ADD MAX_POOL_2D QUANTIZE QUANTIZE CONCATENATION "
        "LOGISTIC QUANTIZE MUL MEAN RESHAPE FULLY_CONNECTED"
    )
    step = float(graph.ops[-1].inputs[0].params.scale[0])  # type: ignore[union-attr]
    reference = OnnxSession(qdq, optimize=False)
    for sample in samples:
        actual = onnx_text["run_tflite"](graph, tmp_path / "qdq.tflite", sample)
        # Three steps: each of the ops in a row may round the other way once.
        np.testing.assert_allclose(actual["y"], reference.run(sample)["y"], rtol=0, atol=3.001 * step)


def _conv(scale: str, zero: str, axis: int) -> ir.Model:
    """A QDQ convolution of 4 to 4 channels with weights quantized as given."""
    size = scale.count(",") + 1
    return tidy(
        ir.from_proto(
            onnx.parser.parse_model(
                '<ir_version: 10, opset_import: ["" : 20]> g (float[1,4,2,2] x) => (float[1,4,2,2] y) '
                f"<float xs = {{0.1}}, int8 xz = {{3}}, float[{size}] ws = {{{scale}}},"
                f"int8[{size}] wz = {{{zero}}},"
                f"int8[4,4,1,1] w = {{{','.join(str(i - 8) for i in range(16))}}} > {{"
                "xq = QuantizeLinear(x, xs, xz) xd = DequantizeLinear(xq, xs, xz)"
                f"wd = DequantizeLinear<axis={axis}>(w, ws, wz) c = Conv(xd, wd)"
                "yq = QuantizeLinear(c, xs, xz) y = DequantizeLinear(yq, xs, xz) }"
            )
        )
    )


def test_per_channel_scales_are_kept_to_the_bit() -> None:
    graph = lower(_conv("0.5, 0.25, 0.3, 0.1", "0,0,0,0", 0), LITERT_2_3)
    weights = graph.ops[1].inputs[1]
    assert weights is not None and weights.params is not None and weights.params.axis == 0
    np.testing.assert_array_equal(weights.params.scale, np.array([0.5, 0.25, 0.3, 0.1], np.float32))


@pytest.mark.parametrize("scales", ["0.02", "0.02, 0.04, 0.01, 0.03"])
def test_large_depthwise_kernels_keep_scales_and_integers(
    scales: str, tmp_path: Path, onnx_text: Any
) -> None:
    """Depthwise or in groups, whether the weights have one scale or one per channel."""
    size = scales.count(",") + 1
    model = tidy(
        ir.from_proto(
            onnx.parser.parse_model(
                '<ir_version: 10, opset_import: ["" : 20]> g (float[1,4,9,9] x) => (float[1,4,9,9] y) '
                f"<float xs = {{0.1}}, int8 xz = {{3}}, float ys = {{0.05}}, float[{size}] ws = {{{scales}}},"
                f"int8[{size}] wz = {{{','.join('0' * size)}}},"
                f"int8[4,1,7,7] w = {{{','.join(str(i % 23 - 11) for i in range(196))}}} > {{"
                "xq = QuantizeLinear(x, xs, xz) xd = DequantizeLinear(xq, xs, xz)"
                "wd = DequantizeLinear<axis=0>(w, ws, wz)"
                "c = Conv<group=4, pads=[3,3,3,3]>(xd, wd)"
                "yq = QuantizeLinear(c, ys, xz) y = DequantizeLinear(yq, ys, xz) }"
            )
        )
    )
    graph = lower(model, LITERT_2_3)
    weights = graph.ops[1].inputs[1]
    assert graph.ops[1].name == "CONV_2D" and weights is not None and weights.params is not None
    np.testing.assert_array_equal(weights.params.scale, np.array(scales.split(","), np.float32))
    depthwise = lower(model, replace(LITERT_2_3, depthwise_taps=1000))
    reference = OnnxSession(model, optimize=False)
    for sample in onnx_text["samples_for"](model):
        one, other = (
            onnx_text["run_tflite"](which, tmp_path / "qdq.tflite", sample)["y"]
            for which in (graph, depthwise)
        )
        np.testing.assert_array_equal(one, other)
        np.testing.assert_allclose(one, reference.run(sample)["y"], rtol=0, atol=1.001 * 0.05)


def test_scales_per_input_channel_are_refused() -> None:
    with pytest.raises(
        UnsupportedModelError, match="one scale per slice of axis 1; quantize them per output"
    ):
        lower(_conv("0.5, 0.25, 0.3, 0.1", "0,0,0,0", 1), LITERT_2_3)


def test_asymmetric_weights_are_refused() -> None:
    with pytest.raises(UnsupportedModelError, match=r"asymmetric weights .* zero point 0"):
        lower(_conv("0.5, 0.25, 0.3, 0.1", "0,0,1,0", 0), LITERT_2_3)
