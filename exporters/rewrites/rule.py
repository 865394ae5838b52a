"""The framework of the rewrites: pattern, check with a reason, rewrite.

A rule is a class with up to four short methods (`onnxscript.rewriter` does the matching):

* ``pattern(op, ...)`` writes the graph to find as ordinary calls;
* ``matches(...)`` says what the pattern cannot, such as "this operand is constant"; a no is no news;
* ``refuse(...)`` gets the values that the pattern named and returns why the rule must not fire, or None; a
  reason goes into the log;
* ``rewrite(op, ...)`` builds the replacement with the same kind of calls.

Every rule is exact in real arithmetic. A rule that exists because of what a runtime lacks names the TFLite op
in ``unless_delegated``; the target's table then decides whether it is applied, not an ``if`` in the rule.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import onnx_ir as ir
from onnxscript.rewriter import MatchResult, pattern

from mobiledeploy.graph.constants import settle_names
from mobiledeploy.graph.onnx_graph import constant, describe, infer_shapes, rank, tidy
from mobiledeploy.runtime.targets import Precision, Target

__all__ = [
    "Applied",
    "Refusal",
    "RewriteLog",
    "Rule",
    "apply_rules",
    "is_number_beside",
    "near",
]

_MOST_FIRINGS = 10_000  # of one rule on one graph, more than any needs: rules that undo each other never end


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
        commute: Whether to match the pattern with the operands of Add, Mul, Max and Min swapped, too.
        keeps_matched: Whether to fire even if others read what matched inner nodes compute; those then stay.
        target: Runtime that the graph is for.
    """

    unless_delegated: ClassVar[str | None] = None
    commute: ClassVar[bool] = False
    keeps_matched: ClassVar[bool] = False

    def __init__(self, target: Target) -> None:
        super().__init__(name=type(self).__name__)
        self.target = target
        self.fired = 0
        self.refusals: dict[tuple[str, str], Refusal] = {}
        self._root = ""

    @classmethod
    def serves(cls, target: Target, precision: Precision) -> bool:
        """Return whether the rule is of use to a target in a precision."""
        return cls.unless_delegated is None or not target.delegates(cls.unless_delegated, precision)

    @classmethod
    def variant(cls, name: str, **attributes: Any) -> type[Rule]:
        """Return the rule for another op, say, under a name of its own and with these class attributes."""
        return type(name, (cls,), {"__module__": cls.__module__, "__doc__": cls.__doc__, **attributes})

    def matches(self, *_: Any, **__: Any) -> bool:
        """Return whether this is what the rule is about at all."""
        return True

    def refuse(self, *_: Any, **__: Any) -> str | None:
        """Return why the rule must not fire on this match; None to let it fire."""
        return None

    def check(self, context: Any, **bindings: Any) -> Any:
        """Called by the matcher: turns the answers into its result type and keeps the reasons."""
        result = MatchResult()
        if not self.matches(**bindings):
            return result.fail("not what the rule is about")
        reason = self.refuse(**bindings)
        if reason is None and not self.keeps_matched:
            reason = _why_needed(context.nodes, context.root)
        if reason is not None:
            node = describe(context.root)
            self.refusals[node, reason] = Refusal(self.name, node, reason)
            result.fail(reason)
        self._root = context.root.outputs[0].name or context.root.op_type
        return result

    def forms(self) -> Sequence[pattern.RewriteRule]:
        """Return the rule as the matcher runs it, one for every order of operands.

        Matched nodes are left to dead-code removal: `_why_needed` has made sure that they are dead.
        """
        whole = pattern.RewriteRule(
            self.pattern, self._named_rewrite, self.check, _Matcher, name=self.name, remove_nodes=False
        )
        forms: Sequence[pattern.RewriteRule] = whole.commute() if self.commute else [whole]
        return forms

    def _named_rewrite(self, op: Any, **bindings: Any) -> Any:
        """Name new values after the value that they help to compute.

        The ``~`` tells them from the values of the original graph, which keep their names and their meaning.
        """
        self.fired += 1
        if self.fired > _MOST_FIRINGS:
            raise RuntimeError(f"{self.name} fires without end; another rule undoes what it does")
        result = self.rewrite(op, **bindings)
        for node in op.nodes:
            node.outputs[0].name = f"{self._root.split('~')[0]}~{node.op_type.lower()}"
        return result


class _Matcher(pattern.SimplePatternMatcher):  # type: ignore[misc]  # onnxscript ships no stubs
    """Spares the many nodes whose op cannot be the pattern's last the set-up of a match."""

    def match(self, model: ir.Model, graph: ir.Graph, node: ir.Node, **options: Any) -> Any:
        if node.op_type != self.pattern.output_node.op_type:
            return MatchResult().fail("another op")
        return super().match(model, graph, node, **options)


def _why_needed(nodes: Sequence[ir.Node], root: ir.Node) -> str | None:
    """Return why the matched inner nodes cannot go away."""
    for value in (value for node in nodes if node is not root for value in node.outputs):
        if value.is_graph_output():
            return f"{value.name!r} is an output of the model"
        if any(use.node not in nodes for use in value.uses()):
            return f"{value.name!r} has other readers"
    return None


def apply_rules(
    model: ir.Model, rules: Sequence[type[Rule]], target: Target, precision: Precision
) -> RewriteLog:
    """Apply the rules that the target does not make needless until none fires any more, in place.

    Returns:
        How often each rule fired, and the places where one matched but declined in the end.
    """
    wanted = [rule(target) for rule in rules if rule.serves(target, precision)]
    if wanted:
        _apply_until_none_fires(model, wanted)
        settle_names(model.graph)
    return RewriteLog(
        tuple(Applied(rule.name, rule.fired) for rule in wanted if rule.fired),
        tuple(itertools.chain.from_iterable(rule.refusals.values() for rule in wanted)),
    )


def _apply_until_none_fires(model: ir.Model, rules: Sequence[Rule]) -> None:
    together = pattern.RewriteRuleSet([form for rule in rules for form in rule.forms()])
    infer_shapes(model)
    inferred = True
    while True:
        for rule in rules:
            rule.refusals.clear()
        if together.apply_to_model(model):
            inferred = False
        elif not inferred:  # what has been built in between is now known by its shape, too
            tidy(model)
            inferred = True
        else:
            return


# What checks ask


def near(got: float | None, wanted: float) -> bool:
    """Return whether a float32 constant is meant to be that number: equal but for the rounding of float32."""
    return got is not None and math.isclose(got, wanted, rel_tol=4 * float(np.finfo(np.float32).eps))


def is_number_beside(number: ir.Value, x: ir.Value) -> bool:
    """Return whether ``number`` is one constant float32 beside an activation ``x``, whose rank it leaves."""
    array = constant(number)
    if array is None or array.size != 1 or array.dtype != np.float32 or constant(x) is not None:
        return False
    return array.ndim <= (rank(x) or 0)
