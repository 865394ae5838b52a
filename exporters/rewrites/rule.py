"""The framework of the rewrites: pattern, check with a reason, rewrite.

A rule is a class with three short methods (`onnxscript.rewriter` does the matching):

* ``pattern(op, ...)`` writes the graph to find as ordinary calls;
* ``refuse(...)`` gets the values that the pattern named and returns why the rule must not fire, or None;
* ``rewrite(op, ...)`` builds the replacement with the same kind of calls.

Every rule is exact in real arithmetic. A rule that exists because of what a runtime lacks names the TFLite op in
``unless_delegated``; the target's table then decides whether it is applied, not an ``if`` in the rule.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray
from onnxscript.rewriter import MatchResult, pattern

from mobiledeploy.exporters.onnx_graph import describe, infer_shapes, tidy
from mobiledeploy.targets import Precision, Target

__all__ = ["Applied", "Refusal", "RewriteLog", "Rule", "apply_rules", "initializer", "number"]


@dataclass(frozen=True)
class Applied:
    """A rule that fired, and how often."""

    rule: str
    count: int


@dataclass(frozen=True)
class Refusal:
    """A place where a rule's pattern matched and its check said no."""

    rule: str
    node: str
    reason: str


@dataclass(frozen=True)
class RewriteLog:
    """What a run of rules did and declined to do."""

    applied: tuple[Applied, ...] = ()
    refused: tuple[Refusal, ...] = ()

    def __add__(self, other: RewriteLog) -> RewriteLog:
        return RewriteLog(self.applied + other.applied, self.refused + other.refused)


class Rule(pattern.RewriteRuleClassBase):  # type: ignore[misc]  # onnxscript ships no stubs
    """Base of all rewrite rules; see the module's docstring.

    Attributes:
        unless_delegated: TFLite op that makes the rule needless where the target delegates it.
        commute: Whether to match the pattern with the operands of Add and Mul swapped, too.
        keeps_matched: Whether matched inner nodes stay because others may use them (dead ones are removed later).
    """

    unless_delegated: ClassVar[str | None] = None
    commute: ClassVar[bool] = False
    keeps_matched: ClassVar[bool] = False

    def __init__(self) -> None:
        super().__init__(name=type(self).__name__, remove_nodes=not self.keeps_matched)
        self.refusals: dict[tuple[str, str], Refusal] = {}

    def refuse(self, **_: Any) -> str | None:
        """Why the rule must not fire on this match; None to let it fire."""
        return None

    def check(self, context: Any, **bindings: Any) -> Any:
        """Called by the matcher: turns the reason of `refuse` into its result type and records it."""
        result = MatchResult()
        if reason := self.refuse(**bindings):
            node = describe(context.root)
            self.refusals[node, reason] = Refusal(self.name, node, reason)
            result.fail(reason)
        return result


def apply_rules(
    model: ir.Model, rules: Sequence[type[Rule]], target: Target, precision: Precision
) -> RewriteLog:
    """Apply the rules until none fires any more, in place. Each fires where the target does not make it needless.

    Returns:
        How often each rule fired, and the places where one matched but declined in the end.
    """
    wanted = [
        rule()
        for rule in rules
        if rule.unless_delegated is None or not target.delegates(rule.unless_delegated, precision)
    ]
    counts = dict.fromkeys((rule.name for rule in wanted), 0)
    while True:
        fired = 0
        for rule in wanted:
            rule.refusals.clear()
            forms = [form for one in [rule.rule()] for form in (one.commute() if rule.commute else [one])]
            times = pattern.RewriteRuleSet(forms).apply_to_model(model)
            counts[rule.name] += times
            fired += times
            if times:
                tidy(model)
        if not fired:
            break
    infer_shapes(model)
    return RewriteLog(
        tuple(Applied(name, count) for name, count in counts.items() if count),
        tuple(itertools.chain.from_iterable(rule.refusals.values() for rule in wanted)),
    )


def initializer(op: Any, like: ir.Value, array: NDArray[np.floating[Any]]) -> ir.Value:
    """A new float32 constant for a replacement graph, named after the constant it takes the place of."""
    value: ir.Value = op.initializer(ir.tensor(np.asarray(array, np.float32)), name=_fresh_name(like.name))
    return value


_serial = itertools.count(1)


def number(op: Any, value: float) -> ir.Value:
    """A float32 scalar constant for a replacement graph."""
    scalar: ir.Value = op.initializer(ir.tensor(np.float32(value)), name=_fresh_name("number"))
    return scalar


def _fresh_name(stem: str | None) -> str:
    return f"{(stem or 'constant').split('~')[0]}~{next(_serial)}"
