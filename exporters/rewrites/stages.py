"""The rewrites in the order in which they run. To add one: write its class in its family's file, list it here."""

from __future__ import annotations

import onnx_ir as ir

from mobiledeploy.exporters.rewrites.carry_scale import CARRY_SCALE
from mobiledeploy.exporters.rewrites.fold_batch_norm import BatchNormToAffine, FoldBatchNorm
from mobiledeploy.exporters.rewrites.global_pool import (
    FlattenMean,
    GlobalAveragePoolToMean,
    WholeAveragePoolToMean,
)
from mobiledeploy.exporters.rewrites.hard_sigmoid import (
    HardSigmoidAfterConvToRelu6,
    HardSigmoidToRelu6,
    RecogniseHardSigmoidDiv,
    RecogniseHardSigmoidMul,
    RecogniseHardSigmoidScaledFirst,
)
from mobiledeploy.exporters.rewrites.hard_swish import (
    HardSwishToRelu6,
    RecogniseHardSwish,
    RecogniseHardSwishDivLast,
    RecogniseHardSwishMulFirst,
    RecogniseHardSwishMulLast,
)
from mobiledeploy.exporters.rewrites.rule import RewriteLog, Rule, apply_rules
from mobiledeploy.targets import Precision, Target

__all__ = ["STAGES", "rewrite_for_target"]

STAGES: tuple[tuple[type[Rule], ...], ...] = (
    # 1. One form for each thing, whatever form the exporter chose.
    (
        FoldBatchNorm,
        BatchNormToAffine,
        GlobalAveragePoolToMean,
        WholeAveragePoolToMean,
        RecogniseHardSwishDivLast,
        RecogniseHardSwishMulLast,
        RecogniseHardSwishMulFirst,
        RecogniseHardSigmoidDiv,
        RecogniseHardSigmoidMul,
        RecogniseHardSigmoidScaledFirst,
        RecogniseHardSwish,
    ),
    # 2. The form that the target runs fast in this precision.
    (HardSwishToRelu6, HardSigmoidAfterConvToRelu6),
    (HardSigmoidToRelu6,),
    # 3. Constant factors to where they cost nothing, and what that leaves side by side.
    (*CARRY_SCALE, FlattenMean),
)


def rewrite_for_target(model: ir.Model, target: Target, precision: Precision) -> RewriteLog:
    """Run all stages on a float model, in place. Exact in real arithmetic."""
    log = RewriteLog()
    for rules in STAGES:
        log += apply_rules(model, rules, target, precision)
    return log
