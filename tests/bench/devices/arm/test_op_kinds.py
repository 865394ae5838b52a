from __future__ import annotations

from ai_edge_litert import schema_py_generated as schema

from mobiledeploy.bench.devices.arm.op_kinds import OP_KINDS, kind_of
from mobiledeploy.runtime.targets import LITERT_2_3


def test_kinds_name_builtins_once() -> None:
    builtins = {name for name in vars(schema.BuiltinOperator) if name.isupper()}
    named = [name for names in OP_KINDS.values() for name in names]
    assert len(named) == len(set(named))
    assert set(named) <= builtins


def test_what_the_target_delegates_has_a_kind() -> None:
    assert {op for op in LITERT_2_3.ops if kind_of(op) == "other"} <= {"SOFTMAX", "RESIZE_BILINEAR"}
