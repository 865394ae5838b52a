"""Activation functions, stand-alone and after an op that fuses them."""

from __future__ import annotations

from typing import Any

CASES = {
    "Relu": ("y = Relu(x[1,3,4,4])", "RELU", "QUANTIZE"),
    "Relu6": ("y = Clip(x[1,3,4,4], {0.0}, {6.0})", "RELU6", "QUANTIZE"),
    "clip to [-1, 1]": ("y = Clip(x[1,3,4,4], {-1.0}, {1.0})", "RELU_N1_TO_1", "QUANTIZE"),
    "clip to [0, 1]": ("y = Clip(x[1,3,4,4], {0.0}, {1.0})", "MAXIMUM MINIMUM", "QUANTIZE"),
    "clip to [0.5, 1]": ("y = Clip(x[1,3,4,4], {0.5}, {1.0})", "MAXIMUM MINIMUM", "QUANTIZE MAXIMUM MINIMUM"),
    "clip from below": ("y = Clip(x[1,3,4,4], {-0.5})", "MAXIMUM", "QUANTIZE"),
    "clip from above": ("y = Clip(x[1,3,4,4], , {0.5})", "MINIMUM", "QUANTIZE"),
    "Sigmoid": ("y = Sigmoid(x[1,3,4,4])", "LOGISTIC"),
    "Tanh": ("y = Tanh(x[1,3,4,4])", "TANH"),
    "LeakyRelu": ("y = LeakyRelu<alpha=0.1>(x[1,3,4,4])", "LEAKY_RELU"),
    "Elu": ("y = Elu(x[1,3,4,4])", "ELU"),
    "PRelu": ("y = PRelu(x[1,3,4,4], s[3,1,1])", "PRELU"),
    "HardSwish": ("y = HardSwish(x[1,3,4,4])", "HARD_SWISH"),
    "HardSigmoid": ("y = HardSigmoid<alpha=0.16666667>(x[1,3,4,4])", "ADD MUL"),
    "HardSigmoid, another slope": ("y = HardSigmoid<alpha=0.2,beta=0.4>(x[1,3,4,4])", "MUL ADD MUL"),
    "Softmax, rank 2": ("y = Softmax<axis=-1>(x[2,5])", "SOFTMAX"),
    "Softmax of channels": ("y = Softmax<axis=1>(x[1,3,4,4])", "SOFTMAX"),
    "Abs": ("y = Abs(x[1,3,4,4])", "ABS"),
    "Neg": ("y = Neg(x[1,3,4,4])", "NEG"),
    "Exp": ("y = Exp(x[1,3,4,4])", "EXP"),
    "Sqrt": ("a = Abs(x[1,3,4,4]); y = Sqrt(a)", "ABS SQRT"),
    "in float between int8": (
        "c = Conv(x[1,3,4,4], w[4,3,1,1]); a = Abs(c); y = Conv(a, v[2,4,1,1])",
        "CONV_2D ABS CONV_2D",
        "CONV_2D DEQUANTIZE ABS QUANTIZE CONV_2D",
    ),
    "swish": ("s = Sigmoid(x[1,3,4,4]); y = Mul(x, s)", "LOGISTIC MUL"),
    "Relu after Add": ("a = Add(x1[1,3,4,4], x2[1,3,4,4]); y = Relu(a)", "ADD"),
    "Relu after Concat": (
        "a = Concat<axis=1>(x1[1,3,4,4], x2[1,2,4,4]); y = Relu(a)",
        "CONCATENATION RELU",
        "CONCATENATION QUANTIZE",
    ),
    "Relu read twice": ("r = Relu(x[1,3,4,4]); y = Add(r, x)", "RELU ADD", "QUANTIZE ADD"),
}

INT16 = {
    "Relu": "RELU",
    "Relu6": "QUANTIZE RELU6",
    "clip to [-1, 1]": "QUANTIZE MAXIMUM MINIMUM",
    "clip to [0, 1]": "QUANTIZE MAXIMUM MINIMUM",
    "clip from below": "MAXIMUM",
    "clip from above": "QUANTIZE MINIMUM",
    "Relu after Concat": "CONCATENATION RELU",
    "Relu read twice": "RELU ADD",
}


def test_in_float(float_case: Any) -> None:
    float_case.check()


def test_in_int8(int8_case: Any) -> None:
    int8_case.check()


def test_in_int16(int16_case: Any) -> None:
    int16_case.check()
