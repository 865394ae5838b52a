"""What cannot be expressed is refused with the node's name and a remedy."""

from __future__ import annotations

from typing import Any

import pytest

from mobiledeploy.base.errors import UnsupportedModelError
from mobiledeploy.exporters.tflite.onnx_to_tflite import lower
from mobiledeploy.runtime.targets import LITERT_2_3

REFUSED = {
    "Conv node 'y' has weights that are no constant of rank 4; only 2-D": "y = Conv(x[1,3,8,8], x2[4,3,1,1])",
    "Conv node 'y' has weights that are no constant": "y = Conv(x[1,3,8], w[4,3,1])",
    "Conv node 'y' has auto_pad=SAME_LOWER; write": 'y = Conv<auto_pad="SAME_LOWER">(x[1,3,8,8], w[4,3,3,3])',
    "Conv node 'y' has a bias that is computed": "y = Conv(x[1,3,8,8], w[4,3,1,1], x2[4])",
    "ConvTranspose node 'y' has groups": "y = ConvTranspose<group=2>(x[1,4,8,8], w[4,3,1,1])",
    "Gemm node 'y' has a transposed or scaled": "y = Gemm<transA=1>(x[8,1], w[8,5])",
    "Gemm node 'y' has a bias of shape": "y = Gemm(x[3,8], w[8,5], b[3,5])",
    "MatMul node 'y' has an operand of rank 1; reshape": "y = MatMul(x[2,8], x2[8])",
    "AveragePool node 'y' has ceil_mode": "y = AveragePool<kernel_shape=[2,2], ceil_mode=1>(x[1,3,5,5])",
    r"AveragePool node 'y' has pads \[1, 1, 1, 1\] that do not count": (
        "y = AveragePool<kernel_shape=[3,3], strides=[2,2], pads=[1,1,1,1]>(x[1,3,8,8])"
    ),
    r"MaxPool node 'y' has dilations \[2, 2\]; ": (
        "y = MaxPool<kernel_shape=[2,2], dilations=[2,2]>(x[1,3,8,8])"
    ),
    "ReduceMean node 'y' has no constant axes": "y = ReduceMean(x[1,3,8,8])",
    "Elu node 'y' has alpha=0.5": "y = Elu<alpha=0.5>(x[1,3,4,4])",
    "Softmax node 'y' has axis 2": "y = Softmax<axis=2>(x[1,3,4,4])",
    "Slice node 'y' has a negative step": "y = Slice(x[1,5,6,7], {-1}, {-99}, {2}, {-1})",
    "Pad node 'y' has negative pads": "y = Pad(x[1,3,4,5], {0,0,0,0,0,0,-1,0})",
    "Pad node 'y' has mode reflect": 'y = Pad<mode="reflect">(x[1,3,4,5], {0,0,1,1,0,0,1,1})',
    "Resize node 'y' has mode cubic": 'y = Resize<mode="cubic">(x[1,3,4,5], , , {1,3,8,10})',
    "Resize node 'y' has nearest resizing with half_pixel": "y = Resize(x[1,3,4,5], , , {1,3,8,10})",
    "Resize node 'y' has scale 1.3, which does not give a whole": (
        'y = Resize<mode="linear">(x[1,3,5,5], , {1.0,1.0,1.3,1.3})'
    ),
    "no TFLite lowering for Erf node 'y'; replace the op": "y = Erf(x[1,3])",
    "Conv node 'y' has the attributes made_up": "y = Conv<made_up=1>(x[1,3,8,8], w[4,3,1,1])",
}


@pytest.mark.parametrize("message", REFUSED)
def test_refusal(message: str, onnx_text: Any) -> None:
    model = onnx_text["model_of"](REFUSED[message])
    with pytest.raises(UnsupportedModelError, match=message):
        lower(model, LITERT_2_3)
