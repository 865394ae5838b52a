from __future__ import annotations

from pathlib import Path

import pytest
from ai_edge_litert import schema_py_generated as schema

from mobiledeploy.base.errors import InputError
from mobiledeploy.bench.devices.arm.tflite_ops import KINDS, kind_of, read_ops
from mobiledeploy.runtime.targets import LITERT_2_3


def test_ops_are_as_a_viewer_shows_them(network_files: dict[str, Path]) -> None:
    ops = read_ops(network_files["fp32"])
    assert [op.index for op in ops] == list(range(len(ops)))
    assert ops[0].op == "PAD"
    stem = ops[1]
    assert (stem.op, stem.shape) == ("CONV_2D", (1, 16, 16, 8))
    assert stem.output  # the name depends on the exporter
    assert stem.multiply_adds == 16 * 16 * 8 * 3 * 3 * 3
    assert ops[-1].op == "FULLY_CONNECTED"


def test_multiply_adds_of_a_network(network_files: dict[str, Path]) -> None:
    squeeze_and_excite, project, head = 2 * 8 * 8, 16 * 16 * 8 * 8, 8 * 10
    for path in network_files.values():
        total = sum(op.multiply_adds for op in read_ops(path))
        assert total == 16 * 16 * 8 * 27 + squeeze_and_excite + project + head


def test_kinds_name_builtins_once() -> None:
    builtins = {name for name in vars(schema.BuiltinOperator) if name.isupper()}
    named = [name for names in KINDS.values() for name in names]
    assert len(named) == len(set(named))
    assert set(named) <= builtins


def test_what_the_target_delegates_has_a_kind() -> None:
    assert {op for op in LITERT_2_3.ops if kind_of(op) == "other"} <= {"SOFTMAX", "RESIZE_BILINEAR"}


@pytest.mark.parametrize("content", [b"", b"no model", b"\x1c\0\0\0TFL3" + b"\xff" * 60])
def test_no_model_is_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.tflite").write_bytes(content)
    with pytest.raises(InputError, match=r"a\.tflite cannot be read .*expected a TFLite model"):
        read_ops(tmp_path / "a.tflite")


def test_no_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.tflite: No such file"):
        read_ops(tmp_path / "none.tflite")
