"""Loading ONNX files, old and broken ones among them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir
import pytest

from mobiledeploy.base.errors import InputError, UnsupportedModelError
from mobiledeploy.graph.onnx_graph import array_of, constant, is_quantized, static_inputs
from mobiledeploy.sources.onnx_file import load_onnx
from mobiledeploy.testing import assert_same_outputs, op_types


def saved(folder: Path, text: str, opset: int = 20, ir_version: int = 10) -> Path:
    header = f'<ir_version: {ir_version}, opset_import: ["" : {opset}]> g '
    path = folder / "model.onnx"
    path.write_bytes(onnx.parser.parse_model(header + text).SerializeToString())
    return path


IMAGE = "(float[1, 3, 8, 8] x) => (float[1, 3, 8, 8] y)"

OLD = {
    "Clip with attributes": (9, f"{IMAGE} {{ y = Clip<min = 0.0, max = 6.0>(x) }}", ["Clip"]),
    "ReduceMean with axes": (
        13,
        "(float[1, 3, 8, 8] x) => (float[1, 3] y) { y = ReduceMean<axes = [2, 3], keepdims = 0>(x) }",
        ["ReduceMean"],
    ),
    "Squeeze with axes": (
        11,
        """(float[1, 3, 8, 8] x) => (float[1, 3] y) {
            p = GlobalAveragePool(x) y = Squeeze<axes = [2, 3]>(p) }""",
        ["GlobalAveragePool", "Squeeze"],
    ),
    "Pad with attributes": (
        9,
        "(float[1, 3, 8, 8] x) => (float[1, 3, 9, 9] y) { y = Pad<pads = [0, 0, 0, 0, 0, 0, 1, 1]>(x) }",
        ["Pad"],
    ),
    "Slice with attributes": (
        9,
        "(float[1, 3, 8] x) => (float[1, 2, 8] y) { y = Slice<axes = [1], starts = [0], ends = [2]>(x) }",
        ["Slice"],
    ),
    "Softmax over all that follows": (
        11,
        "(float[2, 3, 4] x) => (float[2, 3, 4] y) { y = Softmax<axis = 1>(x) }",
        ["Flatten", "Softmax", "Reshape"],
    ),
    "Dropout": (9, f"{IMAGE} {{ r = Relu(x) d = Dropout<ratio = 0.2>(r) y = Neg(d) }}", ["Relu", "Neg"]),
    "Upsample, linear": (
        9,
        """(float[1, 3, 4, 4] x) => (float[1, 3, 8, 8] y) {
            s = Constant<value = float[4] {1.0, 1.0, 2.0, 2.0}>() y = Upsample<mode = "linear">(x, s) }""",
        ["Resize"],
    ),
    "Resize, nearest": (
        10,
        """(float[1, 3, 4, 4] x) => (float[1, 3, 12, 12] y) {
            s = Constant<value = float[4] {1.0, 1.0, 3.0, 3.0}>() y = Resize<mode = "nearest">(x, s) }""",
        ["Resize"],
    ),
    "current enough": (18, f"{IMAGE} {{ y = Relu(x) }}", ["Relu"]),
}


@pytest.mark.parametrize(("opset", "text", "ops"), OLD.values(), ids=OLD)
def test_old_opset(tmp_path: Path, opset: int, text: str, ops: list[str]) -> None:
    path = saved(tmp_path, text, opset, ir_version=4 if opset < 11 else 8)
    model = load_onnx(path)
    assert model.opset_imports[""] >= 18
    assert op_types(model) == ops
    assert_same_outputs(ir.load(path), model, rtol=0, atol=1e-6)


def test_old_opset_that_the_converter_gets_wrong(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mobiledeploy.sources.onnx_file._keep_old_resize", lambda model: None)
    _, text, _ = OLD["Upsample, linear"]
    with pytest.raises(
        UnsupportedModelError, match=r"has opset 9, .* changes the outputs by .*opset_version=20"
    ):
        load_onnx(saved(tmp_path, text, 9, ir_version=4))


def test_old_opset_that_cannot_be_converted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(proto: onnx.ModelProto, version: int) -> None:
        raise RuntimeError("no adapter for Scan")

    monkeypatch.setattr("mobiledeploy.sources.onnx_file.version_converter.convert_version", fail)
    with pytest.raises(
        UnsupportedModelError, match=r"cannot be converted \(no adapter for Scan\); export it again"
    ):
        load_onnx(saved(tmp_path, f"{IMAGE} {{ y = Relu(x) }}", 13))


def test_initializers_that_are_inputs_too(tmp_path: Path) -> None:
    text = (
        "(float[1, 4] x, float[4] w) => (float[1, 4] y) <float[4] w = {1.0, 2.0, 3.0, 4.0}> { y = Add(x, w) }"
    )
    model = load_onnx(saved(tmp_path, text, 9, ir_version=3))
    assert list(static_inputs(model)) == ["x"]
    assert np.array_equal(array_of(model.graph[0].inputs[1]), [1, 2, 3, 4])


def test_long_name_of_the_default_domain(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    text = f'<ir_version: 8, opset_import: ["ai.onnx" : 18]> g {IMAGE} {{ y = ai.onnx.Relu(x) }}'
    path.write_bytes(onnx.parser.parse_model(text).SerializeToString())
    model = load_onnx(path)
    assert (op_types(model), model.graph[0].domain) == (["Relu"], "")


def test_float_model_is_simplified(tmp_path: Path) -> None:
    text = """(float[2, 3, 4] x) => (float[2, 12] y) <int64[1] last = {-1}, int64 zero = {0}> {
        s = Shape(x) n = Gather(s, zero) axes = Constant<value_ints = [0]>() m = Unsqueeze(n, axes)
        shape = Concat<axis = 0>(m, last) i = Identity(x) y = Reshape(i, shape) }"""
    model = load_onnx(saved(tmp_path, text))
    assert op_types(model) == ["Reshape"]
    assert constant(model.graph[0].inputs[1]) is not None


def test_quantized_model_keeps_every_q_and_dq(tmp_path: Path) -> None:
    text = """(float[2, 4, 3] x) => (float[2, 12] y)
        <float s = {0.1}, int8 z = {3}, int64[1] last = {-1}, int64 zero = {0}, int8[3] w = {1, -2, 3}> {
        q = QuantizeLinear(x, s, z) d = DequantizeLinear(q, s, z) sh = Shape(d) n = Gather(sh, zero)
        axes = Constant<value_ints = [0]>() m = Unsqueeze(n, axes) shape = Concat<axis = 0>(m, last)
        v = DequantizeLinear(w, s, z) a = Mul(d, v) r = Reshape(a, shape)
        p = QuantizeLinear(r, s, z) y = DequantizeLinear(p, s, z) }"""
    path = saved(tmp_path, text)
    model = load_onnx(path)
    assert is_quantized(model)
    quantize, dequantize = "QuantizeLinear", "DequantizeLinear"
    assert sorted(op_types(model)) == sorted(
        [quantize, dequantize, dequantize, "Mul", "Reshape", quantize, dequantize]
    )
    assert_same_outputs(ir.load(path), model, rtol=0, atol=0)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "(float[N, 3, 8, 8] x) => (float[N, 3, 8, 8] y) { y = Relu(x) }",
            r"input 'x' has the dynamic shape \[N, 3, 8, 8\], expected fixed dimensions; export the model",
        ),
        (
            "(float16[1, 3] x) => (float16[1, 3] y) { y = Relu(x) }",
            "'x' is float16, expected float32; export the model in float32",
        ),
        (
            "(float[1, 3] x) => (float[1, 3] y) { h = Cast<to = 10>(x) r = Relu(h) y = Cast<to = 1>(r) }",
            "'h' is float16, expected float32; export the model in float32",
        ),
    ],
)
def test_what_cannot_be_exported(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(UnsupportedModelError, match=message):
        load_onnx(saved(tmp_path, text))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "no such file, expected an ONNX model"),
        (b"not a protobuf", "not a valid ONNX model"),
        (b"", "not a valid ONNX model"),
        (onnx.ModelProto(ir_version=10).SerializeToString(), "not a valid ONNX model"),
    ],
)
def test_what_is_no_model(tmp_path: Path, content: bytes | None, message: str) -> None:
    path = tmp_path / "model.onnx"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=message) as caught:
        load_onnx(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_truncated_file(tmp_path: Path) -> None:
    text = "(float[1, 3, 8, 8] x) => (float[1, 3, 8, 8] y) { a = Relu(x) b = Neg(a) y = Relu(b) }"
    path = saved(tmp_path, text)
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(InputError, match="not a valid ONNX model"):
        load_onnx(path)


@pytest.mark.parametrize(
    ("nodes", "ops"),
    [
        ("r = Relu(x) y = Identity(r) v = Identity(r)", ["Relu", "Identity"]),
        ("y = Relu(x) v = Identity(y)", ["Relu", "Identity"]),
        ("v = Identity(x) y = Relu(v)", ["Identity", "Relu"]),
        ("r = Identity(x) v = Identity(r) y = Identity(v)", ["Identity", "Identity"]),
        ("r = Identity(x) y = Relu(r) s = Neg(x) t = Identity(s) v = Identity(t)", ["Relu", "Neg"]),
    ],
)
def test_no_output_is_lost_with_an_identity(nodes: str, ops: list[str], tmp_path: Path) -> None:
    text = f"(float[1, 3] x) => (float[1, 3] y, float[1, 3] v) {{ {nodes} }}"
    model = load_onnx(saved(tmp_path, text))
    assert [value.name for value in model.graph.outputs] == ["y", "v"]
    assert sorted(op_types(model)) == sorted(ops)
    assert_same_outputs(ir.load(tmp_path / "model.onnx"), model, rtol=0, atol=0)
