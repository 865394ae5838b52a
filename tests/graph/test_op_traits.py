"""The table agrees with the ops that can be lowered."""

from __future__ import annotations

from mobiledeploy.exporters.tflite.lowerings import supported_ops
from mobiledeploy.graph.op_traits import CONSTANT_OPERANDS, FIXED_OUTPUT, SAME_SCALE, WEIGHT_RANK, WEIGHTED


def test_every_op_of_the_table_can_be_lowered() -> None:
    assert {*SAME_SCALE, *WEIGHTED, *FIXED_OUTPUT, *CONSTANT_OPERANDS} <= set(supported_ops())
    assert WEIGHT_RANK.keys() == WEIGHTED.keys()
