"""The rewrites in the order in which they run. To add one: write it in its family's file, list it here."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Collection

import onnx_ir as ir

from mobiledeploy.base.errors import InputError
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

__all__ = ["STAGES", "register_rule", "require_rewrites", "rewrite_for_target"]

Pass = Callable[[ir.Model, Target, Precision], RewriteLog]
"""A rewrite of the whole graph at once, for what no pattern of a few nodes can say."""

STAGES: dict[str, tuple[type[Rule], ...] | Pass] = {
    # 1. One form for each thing, whatever form the exporter chose.
    "OneForm": (
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
    "BatchNormToAffine": (BatchNormToAffine,),
    "RouteChannels": route_channels,
    "SplitConvolutions": split_convolutions,
    # 2. The form that the target runs fast in this precision.
    "TargetForm": (
        HardSwishToRelu6,
        *SHIFT_HARD_SIGMOID_INTO_LINEAR,
        TileLargeDepthwise,
        AveragePoolToDepthwise,
    ),
    "HardSigmoidToRelu6": (HardSigmoidToRelu6,),
    # 3. Constant factors to where they cost nothing, and what that leaves side by side.
    "CarryScale": (*CARRY_SCALE, *FLATTEN_MEAN),
    "SettleScale": (SettleScale,),
}
"""Name -> rules that run together until none fires any more, or a pass. Stages run in this order."""


def register_rule(stage: str, rule: type[Rule]) -> None:
    """Add a rule to a stage.

    Args:
        stage: "OneForm" for a rule that writes what has several forms in the one that ONNX has for it,
            "TargetForm" for one that writes it as the target runs it fast, or another stage of rules.

    Raises:
        ValueError: There is no such stage of rules, or another rule has the name.
    """
    rules = STAGES.get(stage)
    if not isinstance(rules, tuple):
        of_rules = [name for name, rules in STAGES.items() if isinstance(rules, tuple)]
        raise ValueError(f"{stage!r} is no stage of rules, expected one of {', '.join(of_rules)}")
    if (other := _rules().get(rule.__name__)) is not None:
        raise ValueError(
            f"{other.__module__} has a rule {rule.__name__}, expected another name; "
            f"rename that of {rule.__module__}"
        )
    STAGES[stage] = (*rules, rule)


def rewrite_for_target(
    model: ir.Model, target: Target, precision: Precision, without: Collection[str] = ()
) -> RewriteLog:
    """Run all stages on a float model, in place. Exact in real arithmetic.

    Args:
        without: Names of rules, as in report.json, or of stages that are left out.

    Raises:
        InputError: Nothing has a name in ``without``.
    """
    require_rewrites(without)
    log = RewriteLog()
    for name, stage in STAGES.items():
        if name in without:
            continue
        if isinstance(stage, tuple):
            wanted = [rule for rule in stage if rule.__name__ not in without]
            log += apply_rules(model, wanted, target, precision)
        else:
            log += stage(model, target, precision)
    return log


def _rules() -> dict[str, type[Rule]]:
    """Return the rules of all stages by name."""
    return {rule.__name__: rule for stage in STAGES.values() if isinstance(stage, tuple) for rule in stage}


def require_rewrites(names: Collection[str]) -> None:
    """Make sure that rules or stages have these names.

    Raises:
        InputError: Nothing has one of them.
    """
    known = {*STAGES, *_rules()}
    for name in names:
        if name not in known:
            close = difflib.get_close_matches(name, known) or STAGES
            raise InputError(
                f"--without-rule is {name!r}, expected a rewrite or a stage, such as {', '.join(close)}; "
                "report.json has the names under rewrites"
            )
