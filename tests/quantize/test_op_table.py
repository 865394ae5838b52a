"""The table agrees with the ops that can be lowered."""

from __future__ import annotations

from mobiledeploy.exporters.lowerings import supported_ops
from mobiledeploy.quantize.op_table import CONSTANT_OPERANDS, FIXED_OUTPUT, SAME_SCALE, WEIGHT_RANK, WEIGHTED


def test_every_op_of_the_table_can_be_lowered() -> None:
    assert {*SAME_SCALE, *WEIGHTED, *FIXED_OUTPUT, *CONSTANT_OPERANDS} <= set(supported_ops())
    assert WEIGHT_RANK.keys() == WEIGHTED.keys()
