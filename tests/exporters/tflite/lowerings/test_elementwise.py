"""Element-wise arithmetic with broadcasting, float and int8."""

from __future__ import annotations

from typing import Any

CASES = {
    "Add": ("y = Add(x1[1,3,4,5], x2[1,3,4,5])", "ADD"),
    "Sub": ("y = Sub(x1[1,3,4,5], x2[1,3,4,5])", "SUB"),
    "Mul": ("y = Mul(x1[1,3,4,5], x2[1,3,4,5])", "MUL"),
    "Div": ("y = Div(x[1,3,4,5], {3.5})", "DIV", None),
    "Max": ("y = Max(x1[1,3,4,5], x2[1,3,4,5])", "MAXIMUM", None),
    "Min": ("y = Min(x1[1,3,4,5], x2[1,3,4,5])", "MINIMUM", None),
    "by itself": ("y = Mul(x[1,3,4,5], x)", "MUL"),
    "scalar": ("y = Add(x[1,3,4,5], {3.0})", "ADD"),
    "scalar first": ("y = Sub({3.0}, x[1,3,4,5])", "SUB"),
    "a zero": ("y = Add(x[1,3,4,5], {0.0})", "ADD"),
    "one number": ("y = Mul(x[1,3,4,5], c[1])", "MUL"),
    "(C, 1, 1)": ("y = Mul(x[1,3,4,5], c[3,1,1])", "MUL"),
    "(1, C, 1, 1)": ("y = Add(x[1,3,4,5], c[1,3,1,1])", "ADD"),
    "(H, W)": ("y = Add(x[1,3,4,5], c[4,5])", "ADD"),
    "(W,)": ("y = Add(x[1,3,4,5], c[5])", "ADD"),
    "whole constant": ("y = Add(x[1,3,4,5], c[1,3,4,5])", "ADD"),
    "(1, C, 1, 1) activation": ("y = Mul(x1[1,3,4,5], x2[1,3,1,1])", "MUL"),
    "(C, 1, 1) activation": ("y = Mul(x1[1,3,4,5], x2[3,1,1])", "RESHAPE MUL"),
    "(C, H, W) activation": ("y = Mul(x1[1,3,4,5], x2[3,4,5])", "RESHAPE TRANSPOSE MUL"),
    "(W,) activation": ("y = Mul(x1[1,3,4,5], x2[5])", "RESHAPE MUL"),
    "rank 2": ("y = Add(x1[3,5], x2[5])", "ADD"),
    "rank 3": ("y = Mul(x1[2,3,5], x2[3,1])", "MUL"),
    "Add, ReLU": ("a = Add(x1[1,3,4,5], x2[1,3,4,5]); y = Relu(a)", "ADD"),
    "Add, ReLU6": ("a = Add(x[1,3,4,5], {3.0}); y = Clip(a, {0.0}, {6.0})", "ADD"),
    "Mul, ReLU": ("a = Mul(x1[1,3,4,5], x2[1,3,1,1]); y = Relu(a)", "MUL"),
    "h-swish as ADD and MUL": (
        "a = Add(x[1,3,4,5], {3.0}); r = Clip(a, {0.0}, {6.0}); y = Mul(x, r)",
        "ADD MUL",
    ),
    "constant read by two": ("a = Add(x[1,3,4,5], c[3,1,1]); y = Mul(a, c)", "ADD MUL"),
}


def test_in_float(float_case: Any) -> None:
    float_case.check()


def test_in_int8(int8_case: Any) -> None:
    int8_case.check()


def test_in_int16(int16_case: Any) -> None:
    int16_case.check()
