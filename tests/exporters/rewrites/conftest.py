"""Applies rewrites to small graphs: what they leave, that it computes the same, and why they declined."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import onnx_ir as ir
import pytest

from mobiledeploy.exporters.rewrites.route_channels import route_channels
from mobiledeploy.exporters.rewrites.rule import RewriteLog, Rule, apply_rules
from mobiledeploy.runtime.targets import LITERT_2_3, Precision
from mobiledeploy.testing import assert_same_outputs, model_from_text, op_types

# Four times the largest difference that the tests of this folder show, relative to the output's largest
# magnitude: what float32 leaves when factors are multiplied in another order.
TOLERANCE = 1e-6


@dataclass(frozen=True)
class Rewritten:
    """A model after its rewrite, whose outputs have been compared with those before."""

    model: ir.Model
    log: RewriteLog

    @property
    def ops(self) -> list[str]:
        return op_types(self.model)

    @property
    def reasons(self) -> list[str]:
        return [refusal.reason for refusal in self.log.refused]

    @property
    def fired(self) -> dict[str, int]:
        return {applied.rule: applied.count for applied in self.log.applied}


Rewrite = Callable[..., Rewritten]


@pytest.fixture
def rewrite() -> Rewrite:
    """``rewrite(rules, text, **constants)`` applies rules to a graph in ONNX text syntax, less its name."""

    def apply(
        rules: Sequence[type[Rule]] | type[Rule],
        text: str,
        precision: Precision = "int8",
        **constants: Any,
    ) -> Rewritten:
        model = model_from_text(f"g {text}", **constants)
        before = model.clone()
        chosen = [rules] if isinstance(rules, type) else list(rules)
        log = apply_rules(model, chosen, LITERT_2_3, precision)
        assert_same_outputs(before, model, rtol=0, atol=TOLERANCE)
        return Rewritten(model, log)

    return apply


@pytest.fixture
def route() -> Callable[..., Rewritten]:
    """``route(model)`` routes the channels of a model, or of a graph in ONNX text syntax, less its name."""

    def apply(graph: str | ir.Model, **constants: Any) -> Rewritten:
        model = model_from_text(f"g {graph}", **constants) if isinstance(graph, str) else graph.clone()
        before = model.clone()
        log = route_channels(model, LITERT_2_3, "float32")
        assert_same_outputs(before, model, rtol=0, atol=TOLERANCE)
        return Rewritten(model, log)

    return apply
