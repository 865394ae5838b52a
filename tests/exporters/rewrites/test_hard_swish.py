"""Hard-swish in all its forms: recognised whole, lowered to a ReLU6 where the runtime has no HARD_SWISH."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from itertools import product
from types import MappingProxyType
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from mobiledeploy.exporters.rewrites.hard_swish import HardSwishToRelu6, RecogniseHardSwish
from mobiledeploy.exporters.rewrites.stages import STAGES, rewrite_for_target
from mobiledeploy.exporters.torch_to_onnx import torch_to_onnx
from mobiledeploy.runtime.targets import LITERT_2_3, Delegated
from mobiledeploy.testing import assert_same_outputs, model_from_text, op_types

ONE_FORM = STAGES["OneForm"]

CONSTANTS = "float three = {3.0}, float zero = {0.0}, float six = {6.0}, float sixth = {0.16666667}"

CLIPS = {
    "Clip": "r = Clip(a, zero, six)",
    "Min(Max)": "m = Max(a, zero) r = Min(m, six)",
    "Max(Min)": "m = Min(six, a) r = Max(zero, m)",
    "Min(Relu)": "m = Relu(a) r = Min(m, six)",
    "Relu(Min)": "m = Min(a, six) r = Relu(m)",
    "Clip(Relu)": "m = Relu(a) r = Clip(m, , six)",
}

PRODUCTS = {
    "(x r) / 6": "p = Mul({0}, {1}) y = Div(p, six)",
    "(x r) (1/6)": "p = Mul({0}, {1}) y = Mul(p, sixth)",
    "(1/6) (x r)": "p = Mul({0}, {1}) y = Mul(sixth, p)",
    "x (r / 6)": "g = Div(r, six) y = Mul(x, g)",
    "(r (1/6)) x": "g = Mul(r, sixth) y = Mul(g, x)",
    "x ((1/6) r)": "g = Mul(sixth, r) y = Mul(x, g)",
    "(x / 6) r": "s = Div(x, six) y = Mul(s, r)",
    "r (x (1/6))": "s = Mul(x, sixth) y = Mul(r, s)",
}


def decomposed(add: str, clip: str, last: str) -> str:
    return f"(float[1, 4, 3, 3] x) => (float[1, 4, 3, 3] y) <{CONSTANTS}> {{ {add} {clip} {last} }}"


@pytest.mark.parametrize("last", PRODUCTS.values(), ids=PRODUCTS)
@pytest.mark.parametrize("clip", CLIPS.values(), ids=CLIPS)
def test_decomposed_forms(rewrite: Any, clip: str, last: str) -> None:
    adds = ("a = Add(x, three)", "a = Add(three, x)")
    for add, order in product(adds, (("x", "r"), ("r", "x"))):
        result = rewrite(ONE_FORM, decomposed(add, clip, last.format(*order)))
        assert result.ops == ["HardSwish"], (add, order)
        assert result.reasons == []


@pytest.mark.parametrize(
    "gate",
    [
        "g = HardSigmoid<alpha = 0.16666667, beta = 0.5>(x)",
        "g = HardSigmoid<alpha = 0.16666666>(x)",
        "half = Constant<value_float = 0.5>() one = Constant<value_float = 1.0>()"
        "s = Mul(x, sixth) a = Add(s, half) g = Clip(a, zero, one)",
        "half = Constant<value_float = 0.5>() one = Constant<value_float = 1.0>()"
        "s = Div(x, six) a = Add(half, s) m = Max(a, zero) g = Min(m, one)",
        "one = Constant<value_float = 1.0>() a = Add(x, three) s = Div(a, six) g = Clip(s, zero, one)",
    ],
)
@pytest.mark.parametrize("last", ["y = Mul(x, g)", "y = Mul(g, x)"])
def test_gate_forms(rewrite: Any, gate: str, last: str) -> None:
    assert rewrite(ONE_FORM, decomposed(gate, "", last)).ops == ["HardSwish"]


@pytest.mark.parametrize("shape", ["float[1]", "float[1, 1, 1, 1]", "float[1, 1]"])
def test_constants_of_one_element(rewrite: Any, shape: str) -> None:
    text = decomposed("a = Add(x, three)", CLIPS["Min(Max)"], PRODUCTS["(x r) / 6"].format("x", "r"))
    for name in ("three", "six", "zero"):
        text = text.replace(f"float {name}", f"{shape} {name}")
    assert rewrite(ONE_FORM, text).ops == ["HardSwish"]


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        (("three = {3.0}", "three = {2.9}"), "the shift is 2.9, hard-sigmoid needs 3"),
        (("six = {6.0}", "six = {5.0}"), "the high is 5, hard-sigmoid needs 6"),
        (("zero = {0.0}", "zero = {-0.5}"), "the low is -0.5, hard-sigmoid needs 0"),
        (("sixth = {0.16666667}", "sixth = {0.1667}"), "the factor is 0.1667, hard-sigmoid needs 0.166667"),
    ],
)
@pytest.mark.parametrize("last", ["(x r) (1/6)", "(r (1/6)) x", "r (x (1/6))"])
def test_wrong_constants(rewrite: Any, changed: tuple[str, str], reason: str, last: str) -> None:
    text = decomposed("a = Add(x, three)", CLIPS["Clip"], PRODUCTS[last].format("x", "r"))
    result = rewrite(ONE_FORM, text.replace(*changed))
    assert "HardSwish" not in result.ops
    assert result.reasons == [reason]


def test_hard_sigmoid_with_other_slope(rewrite: Any) -> None:
    text = "(float[4] x) => (float[4] y) { g = HardSigmoid(x) y = Mul(x, g) }"
    result = rewrite(ONE_FORM, text)
    assert result.ops == ["HardSigmoid", "Mul"]
    assert result.reasons == ["HardSigmoid has alpha 0.2 and beta 0.5, hard-swish needs 1/6 and 1/2"]


@pytest.mark.parametrize("last", [PRODUCTS["(x r) (1/6)"].format("z", "r"), "g = Div(r, six) y = Mul(z, g)"])
def test_gate_of_another_value(rewrite: Any, last: str) -> None:
    text = f"""(float[4] x, float[4] z) => (float[4] y) <{CONSTANTS}> {{
        a = Add(x, three) r = Clip(a, zero, six) {last} }}"""
    result = rewrite(ONE_FORM, text)
    assert result.ops == ["HardSigmoid", "Mul"]
    assert result.reasons == ["the gate is computed from 'x' and multiplies 'z'"]


def test_gate_of_squeeze_excite_is_no_news(rewrite: Any) -> None:
    text = """(float[1, 4, 3, 3] x) => (float[1, 4, 3, 3] y) {
        z = GlobalAveragePool(x) g = HardSigmoid<alpha = 0.16666667>(z) y = Mul(x, g) }"""
    result = rewrite(ONE_FORM, text)
    assert (result.ops, result.reasons) == (["ReduceMean", "HardSigmoid", "Mul"], [])


def test_constants_that_add_a_dimension(rewrite: Any) -> None:
    text = f"""(float[4] x) => (float[1, 4] y) <float[1, 1] three = {{3.0}}, {CONSTANTS.split(", ", 1)[1]}> {{
        a = Add(x, three) r = Clip(a, zero, six) g = Mul(r, sixth) y = Mul(x, g) }}"""
    result = rewrite(ONE_FORM, text)
    assert result.ops == ["Add", "Clip", "Mul", "Mul"]
    assert result.reasons == ["the constants broadcast the input to another rank"]


def test_gate_with_other_readers(rewrite: Any) -> None:
    text = """(float[4] x) => (float[4] y, float[4] g) {
        g = HardSigmoid<alpha = 0.16666667>(x) y = Mul(x, g) }"""
    result = rewrite(RecogniseHardSwish, text)
    assert result.ops == ["HardSigmoid", "Mul"]
    assert result.reasons == ["'g' is an output of the model"]


def test_lowered_in_int8(rewrite: Any) -> None:
    text = "(float[1, 4, 3, 3] x) => (float[1, 4, 3, 3] y) { y = HardSwish(x) }"
    assert rewrite(HardSwishToRelu6, text, "int8").ops == ["Add", "Clip", "Mul", "Mul"]
    assert rewrite(HardSwishToRelu6, text, "float32").ops == ["HardSwish"]


def test_target_that_delegates_it_in_int8_keeps_it_whole() -> None:
    both = Delegated(frozenset({"float32", "int8"}))
    target = replace(LITERT_2_3, ops=MappingProxyType({**LITERT_2_3.ops, "HARD_SWISH": both}))
    text = "g (float[1, 4, 3, 3] x) => (float[1, 4, 3, 3] y) { y = HardSwish(x) }"
    kept, lowered = model_from_text(text), model_from_text(text)
    rewrite_for_target(kept, target, "int8")
    rewrite_for_target(lowered, LITERT_2_3, "int8")
    assert (op_types(kept), op_types(lowered)) == (["HardSwish"], ["Add", "Clip", "Mul", "Mul"])


TORCH_FORMS: dict[str, Callable[[Tensor], Tensor]] = {
    "x * relu6(x + 3) / 6": lambda x: x * functional.relu6(x + 3) / 6,
    "F.hardswish": functional.hardswish,
    "x * hardsigmoid(x)": lambda x: x * functional.hardsigmoid(x),
    "x * (relu6(x + 3) * (1/6))": lambda x: x * (functional.relu6(x + 3) * (1 / 6)),
    "nn.Hardswish": nn.Hardswish(),
    "nn.ReLU6": lambda x: x * nn.ReLU6()(x + 3.0) / 6.0,
    "clamp": lambda x: x * (x + 3).clamp(0, 6).div(6),
    "minimum": lambda x: torch.minimum(functional.relu(3 + x), torch.tensor(6.0)) * x / 6,
}


class Written(nn.Module):
    """Hard-swish as people write it, each form between two convolutions."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.ModuleList(nn.Conv2d(3, 4, 1) for _ in TORCH_FORMS)
        self.second = nn.ModuleList(nn.Conv2d(4, 2, 3, padding=1) for _ in TORCH_FORMS)

    def forward(self, x: Tensor) -> list[Tensor]:
        rows = zip(self.first, TORCH_FORMS.values(), self.second, strict=True)
        return [second(form(first(x))) for first, form, second in rows]


def test_as_pytorch_exports_it() -> None:
    torch.manual_seed(0)
    model = torch_to_onnx(Written(), {"image": (1, 3, 5, 5)})
    in_float, in_int8 = model.clone(), model.clone()
    rewrite_for_target(in_float, LITERT_2_3, "float32")
    rewrite_for_target(in_int8, LITERT_2_3, "int8")
    count = len(TORCH_FORMS)
    assert Counter(op_types(in_float)) == {"Conv": 2 * count, "HardSwish": count}
    assert Counter(op_types(in_int8)) == {"Conv": 2 * count, "Add": count, "Clip": count, "Mul": count}
    for rewritten in (in_float, in_int8):
        assert_same_outputs(model, rewritten, rtol=0, atol=1e-6)
