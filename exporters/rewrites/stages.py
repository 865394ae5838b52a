"""The rewrites in the order in which they run. To add one: write it in its family's file, list it here."""

from __future__ import annotations

from collections.abc import Callable

import onnx_ir as ir

from mobiledeploy.exporters.rewrites.average_pool import AveragePoolToDepthwise
from mobiledeploy.exporters.rewrites.carry_scale import CARRY_SCALE, SettleScale
from mobiledeploy.exporters.rewrites.channel_permutation import RecogniseChannelPermutation
from mobiledeploy.exporters.rewrites.clamp import CLAMPS
from mobiledeploy.exporters.rewrites.constant_division import DivideByConstant
from mobiledeploy.exporters.rewrites.convolution_groups import MergeIntoGroups
from mobiledeploy.exporters.rewrites.fold_batch_norm import FOLD_BATCH_NORM, BatchNormToAffine
from mobiledeploy.exporters.rewrites.global_pool import (
    FLATTEN_MEAN,
    GlobalAveragePoolToMean,
    MergeMeans,
    WholeAveragePoolToMean,
)
from mobiledeploy.exporters.rewrites.hard_sigmoid import (
    RECOGNISE_HARD_SIGMOID,
    SHIFT_HARD_SIGMOID_INTO_LINEAR,
    HardSigmoidToRelu6,
)
from mobiledeploy.exporters.rewrites.hard_swish import HardSwishToRelu6, RecogniseHardSwish
from mobiledeploy.exporters.rewrites.large_depthwise import TileLargeDepthwise
from mobiledeploy.exporters.rewrites.route_channels import route_channels
from mobiledeploy.exporters.rewrites.rule import RewriteLog, Rule, apply_rules
from mobiledeploy.exporters.rewrites.split_convolutions import split_convolutions
from mobiledeploy.exporters.rewrites.through_concat import THROUGH_CONCAT
from mobiledeploy.runtime.targets import Precision, Target

__all__ = ["STAGES", "rewrite_for_target"]

Pass = Callable[[ir.Model, Target, Precision], RewriteLog]
"""A rewrite of the whole graph at once, for what no pattern of a few nodes can say."""

STAGES: tuple[tuple[type[Rule], ...] | Pass, ...] = (
    # 1. One form for each thing, whatever form the exporter chose.
    (
        DivideByConstant,
        *CLAMPS,
        *THROUGH_CONCAT,
        *FOLD_BATCH_NORM,
        MergeIntoGroups,
        RecogniseChannelPermutation,
        GlobalAveragePoolToMean,
        WholeAveragePoolToMean,
        MergeMeans,
        *RECOGNISE_HARD_SIGMOID,
        RecogniseHardSwish,
    ),
    (BatchNormToAffine,),
    route_channels,
    split_convolutions,
    # 2. The form that the target runs fast in this precision.
    (HardSwishToRelu6, *SHIFT_HARD_SIGMOID_INTO_LINEAR, TileLargeDepthwise, AveragePoolToDepthwise),
    (HardSigmoidToRelu6,),
    # 3. Constant factors to where they cost nothing, and what that leaves side by side.
    (*CARRY_SCALE, *FLATTEN_MEAN),
    (SettleScale,),
)


def rewrite_for_target(model: ir.Model, target: Target, precision: Precision) -> RewriteLog:
    """Run all stages on a float model, in place. Exact in real arithmetic."""
    log = RewriteLog()
    for stage in STAGES:
        if isinstance(stage, tuple):
            log += apply_rules(model, stage, target, precision)
        else:
            log += stage(model, target, precision)
    return log
