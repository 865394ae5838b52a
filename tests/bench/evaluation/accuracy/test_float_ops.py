from __future__ import annotations

from pathlib import Path

import onnx_ir as ir

from mobiledeploy.bench.evaluation.accuracy.float_ops import float_ops_of_onnx
from mobiledeploy.testing import model_from_text

QUANTIZED = """
g (float[1, 4, 8, 8] x) => (float[1, 4, 8, 8] y)
<float s, int8 z, float[4, 4, 1, 1] w, float[4, 4, 1, 1] v> {{
    xq = QuantizeLinear(x, s, z)
    xd = DequantizeLinear(xq, s, z)
    wq = QuantizeLinear(w, s, z)
    wd = DequantizeLinear(wq, s, z)
    a = Conv(xd, wd)
    {between}
    bq = QuantizeLinear(b, s, z)
    bd = DequantizeLinear(bq, s, z)
    vq = QuantizeLinear(v, s, z)
    vd = DequantizeLinear(vq, s, z)
    y = Conv(bd, vd)
}}"""


def _counts(tmp_path: Path, between: str) -> dict[str, int]:
    model = model_from_text(QUANTIZED.format(between=between), s=0.1, z=0)
    path = tmp_path / "model.onnx"
    path.write_bytes(ir.to_proto(model).SerializeToString())
    return dict(float_ops_of_onnx(path))


def test_an_activation_that_a_convolution_carries_is_no_float_op(tmp_path: Path) -> None:
    assert _counts(tmp_path, "b = Relu(a)") == {}


def test_an_op_without_integer_kernel_is_one_even_between_q_and_dq(tmp_path: Path) -> None:
    between = "aq = QuantizeLinear(a, s, z)\n ad = DequantizeLinear(aq, s, z)\n b = HardSwish(ad)"
    assert _counts(tmp_path, between) == {"HardSwish": 1}


def test_a_result_that_is_not_rounded_before_it_is_used_is_named(tmp_path: Path) -> None:
    assert _counts(tmp_path, "b = HardSwish(a)") == {"Conv, result in float": 1, "HardSwish": 1}
