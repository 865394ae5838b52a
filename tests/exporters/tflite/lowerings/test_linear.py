"""Fully connected layers and matrix products, float and int8."""

from __future__ import annotations

from typing import Any

CASES = {
    "Gemm, (out, in)": ("y = Gemm<transB=1>(x[1,8], w[5,8], b[5])", "FULLY_CONNECTED"),
    "Gemm, (in, out)": ("y = Gemm(x[1,8], w[8,5], b[5])", "FULLY_CONNECTED"),
    "Gemm, square": ("y = Gemm(x[1,8], w[8,8], b[8])", "FULLY_CONNECTED"),
    "Gemm, batch 3": ("y = Gemm<transB=1>(x[3,8], w[5,8], b[5])", "FULLY_CONNECTED"),
    "Gemm, no bias": ("y = Gemm<transB=1>(x[1,8], w[5,8])", "FULLY_CONNECTED"),
    "Gemm, bias of rank 2": ("y = Gemm<transB=1>(x[3,8], w[5,8], b[1,5])", "FULLY_CONNECTED"),
    "Gemm, one bias": ("y = Gemm<transB=1>(x[3,8], w[5,8], b[1])", "FULLY_CONNECTED"),
    "Gemm, ReLU": ("g = Gemm<transB=1>(x[3,8], w[5,8], b[5]); y = Relu(g)", "FULLY_CONNECTED"),
    "Gemm, ReLU6": ("g = Gemm<transB=1>(x[3,8], w[5,8], b[5]); y = Clip(g, {0.0}, {6.0})", "FULLY_CONNECTED"),
    "MatMul by weights": ("y = MatMul(x[2,8], w[8,5])", "FULLY_CONNECTED"),
    "MatMul by weights, rank 3": ("y = MatMul(x[2,3,8], w[8,5])", "FULLY_CONNECTED"),
    "MatMul by weights, rank 4, as an output": (
        "y = MatMul(x[1,2,3,8], w[8,5])",
        "TRANSPOSE FULLY_CONNECTED TRANSPOSE",
    ),
    "MatMul of two inputs": ("y = MatMul(x1[3,8], x2[8,5])", "BATCH_MATMUL"),
    "MatMul of two inputs, rank 3": ("y = MatMul(x1[2,3,8], x2[2,8,5])", "BATCH_MATMUL"),
    "MatMul of weights by an input": ("y = MatMul(w[3,8], x[8,5])", "BATCH_MATMUL"),
    "MatMul by weights of rank 3": ("y = MatMul(x[2,3,8], w[2,8,5])", "BATCH_MATMUL"),
    "MatMul inside an image part": (
        "c = Relu(x[1,2,3,8]); m = MatMul(c, w[8,5]); y = Conv(m, v[4,2,1,1])",
        "RELU TRANSPOSE FULLY_CONNECTED TRANSPOSE CONV_2D",
        "QUANTIZE TRANSPOSE FULLY_CONNECTED TRANSPOSE CONV_2D",
    ),
}

INT16 = {"MatMul inside an image part": "RELU TRANSPOSE FULLY_CONNECTED TRANSPOSE CONV_2D"}


def test_in_float(float_case: Any) -> None:
    float_case.check()


def test_in_int8(int8_case: Any) -> None:
    int8_case.check()


def test_in_int16(int16_case: Any) -> None:
    int16_case.check()
