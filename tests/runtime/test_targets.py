"""What the table says about uses of ops, and in which words."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from mobiledeploy.base.errors import InputError
from mobiledeploy.runtime import targets
from mobiledeploy.runtime.targets import LITERT_2_3, TARGETS, OpUse, Precision, get_target, register_target


def test_by_name() -> None:
    assert get_target("litert-2.3") is LITERT_2_3
    assert all(target.name == name for name, target in TARGETS.items())
    with pytest.raises(InputError, match="unknown target 'litert-1', expected one of litert-2"):
        get_target("litert-1")


def test_a_users_target(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(targets, "_TARGETS", dict(TARGETS))
    monkeypatch.setattr(targets, "TARGETS", targets._TARGETS)
    own = replace(LITERT_2_3, name="own", depthwise_taps=9)
    assert get_target(own) is own
    register_target(own)
    assert get_target("own") is own
    with pytest.raises(ValueError, match=r"the target own .* is registered already; choose another name"):
        register_target(own)


@pytest.mark.parametrize(
    ("op", "in_float", "in_int8"),
    [
        ("CONV_2D", True, True),
        ("DEPTHWISE_CONV_2D", True, True),
        ("MEAN", True, True),
        ("LOGISTIC", True, True),
        ("HARD_SWISH", True, False),
        ("AVERAGE_POOL_2D", True, False),
        ("SOFTMAX", True, False),
        ("RELU6", True, False),
        ("DIV", True, False),
        ("RESIZE_NEAREST_NEIGHBOR", False, False),
        ("HARD_SIGMOID", False, False),
    ],
)
def test_delegates(op: str, in_float: bool, in_int8: bool) -> None:
    answers = {"float32": in_float, "int8": in_int8}
    precisions: tuple[Precision, ...] = ("float32", "int8")
    for precision in precisions:
        assert LITERT_2_3.delegates(op, precision) is answers[precision]
        reason = LITERT_2_3.why_not(OpUse(op, precision, inputs=2, outputs=2))
        assert (reason is None) is answers[precision]


def test_int8_weights_and_float_activations() -> None:
    taken = {op for op in LITERT_2_3.ops if LITERT_2_3.delegates(op, "dynamic")}
    assert taken == {"CONV_2D", "FULLY_CONNECTED", "TRANSPOSE_CONV"}


def test_nothing_in_int16() -> None:
    for op in (*LITERT_2_3.ops, "GATHER"):
        reason = LITERT_2_3.why_not(OpUse(op, "int16"))
        assert reason == "nothing is delegated in int16 by litert-2.3"
    assert not LITERT_2_3.delegates_any("int16") and LITERT_2_3.delegates_any("int8")


def test_reasons() -> None:
    def why_not(op: str, precision: Precision = "int8") -> str | None:
        return LITERT_2_3.why_not(OpUse(op, precision))

    assert why_not("GATHER") == "GATHER is never delegated by litert-2.3"
    assert why_not("HARD_SWISH") == "HARD_SWISH is not delegated in int8 by litert-2.3"


# (op, its use with that scale ratio, exponents of the smallest ratio and of the first that is too large)
EDGES = [
    ("ADD", lambda ratio: {"input_scales": (1.0, ratio), "output_scale": 1.0}, -10, 8),
    ("SUB", lambda ratio: {"input_scales": (ratio, 1.0), "output_scale": 1.0}, -10, 8),
    ("MUL", lambda ratio: {"input_scales": (0.5, ratio), "output_scale": 0.5}, -16, 8),
    ("QUANTIZE", lambda ratio: {"input_scales": (ratio,), "output_scale": 1.0}, -8, 7),
    ("LEAKY_RELU", lambda ratio: {"input_scales": (ratio,), "output_scale": 1.0}, -8, 7),
    *(
        (op, lambda r: {"input_scales": (2.0,), "weight_scales": (r / 2, r / 2), "output_scale": 1.0}, -32, 8)
        for op in ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "TRANSPOSE_CONV")
    ),
]


@pytest.mark.parametrize(("op", "scales", "low", "high"), EDGES, ids=[edge[0] for edge in EDGES])
def test_scale_conditions(op: str, scales: Any, low: int, high: int) -> None:
    def why_not(ratio: float) -> str | None:
        return LITERT_2_3.why_not(OpUse(op, "int8", **scales(ratio)))

    just_below = 1 - 2.0**-20
    assert why_not(2.0**low) is None
    assert why_not(2.0**high * just_below) is None
    for ratio in (2.0**high, 2.0**low * just_below):
        reason = why_not(ratio)
        assert reason == f"scale ratio {ratio:.3g} of {op} is outside [2^{low}, 2^{high})"
    in_float = OpUse(op, "float32", inputs=2)
    assert LITERT_2_3.why_not(in_float) is None


def test_smallest_and_largest_weight_scale_count() -> None:
    use = OpUse("CONV_2D", "int8", input_scales=(1.0,), weight_scales=(0.1, 300.0), output_scale=1.0)
    assert LITERT_2_3.why_not(use) == "scale ratio 300 of CONV_2D is outside [2^-32, 2^8)"


@pytest.mark.parametrize(
    ("use", "reason"),
    [
        (OpUse("CONCATENATION", "int8", inputs=5), None),
        (
            OpUse("CONCATENATION", "int8", inputs=6),
            "CONCATENATION of 6 inputs, 2 to 5 are delegated",
        ),
        (
            OpUse("CONCATENATION", "float32", inputs=1),
            "CONCATENATION of 1 inputs, 2 to 5 are delegated",
        ),
        (OpUse("SPLIT", "int8", outputs=2), None),
        (OpUse("SPLIT", "int8", outputs=4), None),
        (OpUse("SPLIT", "int8", outputs=5), "SPLIT into 5 outputs, 2 to 4 of equal size are delegated"),
        (
            OpUse("SPLIT", "int8", outputs=2, equal_outputs=False),
            "SPLIT into 2 outputs, 2 to 4 of equal size are delegated",
        ),
    ],
)
def test_other_conditions(use: OpUse, reason: str | None) -> None:
    assert LITERT_2_3.why_not(use) == reason


def test_a_target_as_if_it_took_an_op() -> None:
    taking = LITERT_2_3.taking("HARD_SWISH", "int8")
    assert taking.delegates("HARD_SWISH", "int8") and taking.delegates("HARD_SWISH", "float32")
    assert not LITERT_2_3.delegates("HARD_SWISH", "int8")
    assert LITERT_2_3.taking("NEW_OP", "float32").delegates("NEW_OP", "float32")


def test_float_costs_more_than_int8() -> None:
    int8, in_float = LITERT_2_3.costs["int8"], LITERT_2_3.costs["float32"]
    assert 2 < in_float.dense / int8.dense < 3 and 1.5 < in_float.depthwise / int8.depthwise < 2.5
