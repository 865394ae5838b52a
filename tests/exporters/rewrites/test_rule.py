"""The framework: when a rule fires, what it says when it does not, and what its results are called."""

from __future__ import annotations

from typing import Any, ClassVar

import onnx_ir as ir
import pytest

from mobiledeploy.exporters.rewrites.rule import RewriteLog, Rule, apply_rules, near
from mobiledeploy.graph.constants import initializer, number
from mobiledeploy.graph.onnx_graph import scalar
from mobiledeploy.runtime.targets import LITERT_2_3, Precision
from mobiledeploy.testing import assert_same_outputs, model_from_text, op_types


class NegNegToMul(Rule):
    """Neg(Neg(x)) -> x * 1."""

    def pattern(self, op: Any, x: Any) -> Any:
        return op.Neg(op.Neg(x))

    def rewrite(self, op: Any, x: ir.Value) -> Any:
        return op.Mul(x, number(op, 1.0))


class AddTwoOnly(Rule):
    """x + 2 -> x - (-2), and a reason for every other constant."""

    commute = True

    def pattern(self, op: Any, x: Any, two: Any) -> Any:
        return x + two

    def matches(self, two: ir.Value, **_: Any) -> bool:
        return scalar(two) is not None

    def refuse(self, two: ir.Value, **_: Any) -> str | None:
        return None if near(scalar(two), 2.0) else f"adds {scalar(two):g}"

    def rewrite(self, op: Any, x: ir.Value, two: ir.Value) -> Any:
        added = scalar(two)
        assert added is not None
        return op.Sub(x, initializer(op, two, -two.const_value.numpy()))  # type: ignore[union-attr]


class UnlessHardSwish(NegNegToMul):
    unless_delegated: ClassVar[str | None] = "HARD_SWISH"


def run(model: ir.Model, *rules: type[Rule], precision: Precision = "int8") -> RewriteLog:
    return apply_rules(model, rules, LITERT_2_3, precision)


def graph(nodes: str, outputs: str = "float[2] y") -> ir.Model:
    return model_from_text(f"g (float[2] x) => ({outputs}) {{ {nodes} }}")


def test_fires_and_counts() -> None:
    model = graph("a = Neg(x) b = Neg(a) c = Abs(b) d = Neg(c) y = Neg(d)")
    before = model.clone()
    log = run(model, NegNegToMul)
    assert op_types(model) == ["Mul", "Abs", "Mul"]
    assert [(applied.rule, applied.count) for applied in log.applied] == [("NegNegToMul", 2)]
    assert log.refused == ()
    assert_same_outputs(before, model, rtol=0, atol=0)


def test_reason_names_rule_and_node() -> None:
    log = run(graph("two = Constant<value_float = 3.0>() y = Add(x, two)"), AddTwoOnly)
    assert log.applied == ()
    (refusal,) = log.refused
    assert (refusal.rule, refusal.node, refusal.reason) == ("AddTwoOnly", "Add node 'y'", "adds 3")


def test_no_reason_where_the_pattern_is_about_something_else() -> None:
    assert run(graph("a = Abs(x) y = Add(x, a)"), AddTwoOnly) == RewriteLog()


def test_either_order_of_operands() -> None:
    model = graph("two = Constant<value_float = 2.0>() y = Add(two, x)")
    log = run(model, AddTwoOnly)
    assert op_types(model) == ["Sub"]
    assert log.refused == ()


@pytest.mark.parametrize(
    ("nodes", "outputs", "reason"),
    [
        ("a = Neg(x) y = Neg(a)", "float[2] y, float[2] a", "'a' is an output of the model"),
        ("a = Neg(x) y = Neg(a) z = Abs(a)", "float[2] y, float[2] z", "'a' has other readers"),
    ],
)
def test_inner_value_that_is_needed(nodes: str, outputs: str, reason: str) -> None:
    model = graph(nodes, outputs)
    ops = op_types(model)
    log = run(model, NegNegToMul)
    assert op_types(model) == ops
    assert [refusal.reason for refusal in log.refused] == [reason]


def test_inner_value_that_others_read_may_stay() -> None:
    class Keeping(NegNegToMul):
        keeps_matched = True

    model = graph("a = Neg(x) y = Neg(a) z = Abs(a)", "float[2] y, float[2] z")
    before = model.clone()
    run(model, Keeping)
    assert sorted(op_types(model)) == ["Abs", "Mul", "Neg"]
    assert_same_outputs(before, model, rtol=0, atol=0)


def test_target_decides() -> None:
    in_int8, in_float = (graph("a = Neg(x) y = Neg(a)") for _ in range(2))
    run(in_int8, UnlessHardSwish, precision="int8")
    run(in_float, UnlessHardSwish, precision="float32")
    assert (op_types(in_int8), op_types(in_float)) == (["Mul"], ["Neg", "Neg"])


def test_results_keep_their_names_and_inner_values_are_named_after_them() -> None:
    class AbsToNegNeg(Rule):
        def pattern(self, op: Any, x: Any) -> Any:
            return op.Abs(x)

        def rewrite(self, op: Any, x: ir.Value) -> Any:
            return op.Relu(op.Neg(op.Neg(op.Mul(x, x))))

    model = graph("layer = Abs(x) y = Exp(layer)")
    run(model, AbsToNegNeg)
    names = [node.outputs[0].name for node in model.graph]
    assert names == ["layer~mul", "layer~neg", "layer~neg_1", "layer", "y"]


def test_names_are_the_same_in_every_run() -> None:
    text = "two = Constant<value_float = 2.0>() a = Add(x, two) y = Add(a, two)"
    first, second = graph(text), graph(text)
    run(first, AddTwoOnly)
    run(second, AddTwoOnly)
    assert set(first.graph.initializers) == set(second.graph.initializers) == {"two", "two:1"}


def test_rules_that_undo_each_other_are_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mobiledeploy.exporters.rewrites.rule._MOST_FIRINGS", 20)

    class NegToAbs(Rule):
        def pattern(self, op: Any, x: Any) -> Any:
            return op.Neg(x)

        def rewrite(self, op: Any, x: ir.Value) -> Any:
            return op.Abs(x)

    class AbsToNeg(Rule):
        def pattern(self, op: Any, x: Any) -> Any:
            return op.Abs(x)

        def rewrite(self, op: Any, x: ir.Value) -> Any:
            return op.Neg(x)

    with pytest.raises(RuntimeError, match="NegToAbs fires without end; another rule undoes"):
        run(graph("y = Neg(x)"), NegToAbs, AbsToNeg)


def test_logs_add_up() -> None:
    one = run(graph("a = Neg(x) y = Neg(a)"), NegNegToMul)
    other = run(graph("two = Constant<value_float = 3.0>() y = Add(x, two)"), AddTwoOnly)
    both = one + other
    assert (both.applied, both.refused) == (one.applied, other.refused)


@pytest.mark.parametrize(
    ("got", "wanted", "expected"),
    [
        (0.16666667163372, 1 / 6, True),
        (3.0, 3.0, True),
        (0.0, 0.0, True),
        (0.1667, 1 / 6, False),
        (2.9, 3.0, False),
    ],
)
def test_near(got: float, wanted: float, expected: bool) -> None:
    assert near(got, wanted) is expected
    assert not near(None, wanted)
