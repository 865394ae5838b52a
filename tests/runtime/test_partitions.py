from __future__ import annotations

from pathlib import Path

import pytest

from mobiledeploy.exporters.tflite.onnx_to_tflite import IoType, lower
from mobiledeploy.exporters.tflite.writer import write_tflite
from mobiledeploy.runtime.partitions import Partitions, forecast_partitions, measure_partitions
from mobiledeploy.runtime.targets import LITERT_2_3
from mobiledeploy.testing import model_from_text


def both(folder: Path, text: str) -> tuple[Partitions, Partitions]:
    """Forecast and measurement of a graph that is lowered as it stands, without rewrites."""
    model = model_from_text(text, s=0.05, z=0, axes=[2, 3])
    path = folder / "net.tflite"
    path.write_bytes(write_tflite(lower(model, LITERT_2_3), "test"))
    return forecast_partitions(path, LITERT_2_3), measure_partitions(path, LITERT_2_3)


def quantized(*nodes: str, last: str) -> str:
    """A QDQ graph of nodes that read `a`, `b`, ... and are each quantized with one scale."""
    body = "q = QuantizeLinear(x, s, z) a = DequantizeLinear(q, s, z)\n"
    for index, node in enumerate(nodes):
        name = "bcdefg"[index]
        body += f"f{name} = {node} q{name} = QuantizeLinear(f{name}, s, z) "
        body += f"{name} = DequantizeLinear(q{name}, s, z)\n"
    declared = "<float s, int8 z, int64[4] back = {3, 2, 1, 0}>"
    return f"g (float[1, 4, 8, 8] x) => (float[1, 4, 8, 8] {last}) {declared} {{ {body} }}"


BROKEN = {
    "int8 HARD_SWISH": (
        quantized("Add(a, a)", "HardSwish(b)", last="c"),
        "HARD_SWISH",
        "HARD_SWISH is not delegated in int8 by litert-2.3",
    ),
    "int8 AVERAGE_POOL_2D": (
        quantized("AveragePool<kernel_shape = [1, 1]>(a)", last="b"),
        "AVERAGE_POOL_2D",
        "AVERAGE_POOL_2D is not delegated in int8 by litert-2.3",
    ),
    "int8 GATHER": (
        quantized("Add(a, a)", "Gather<axis = 1>(b, back)", "Add(c, c)", last="d"),
        "GATHER",
        "GATHER is never delegated by litert-2.3",
    ),
    "GATHER": (
        """g (float[1, 4, 8, 8] x) => (float[1, 4, 8, 8] y) <int64[4] back = {3, 2, 1, 0}> {
            n = Neg(x) g = Gather<axis = 1>(n, back) y = Neg(g) }""",
        "GATHER",
        "GATHER is never delegated by litert-2.3",
    ),
}


@pytest.mark.parametrize("case", BROKEN)
def test_an_op_outside_is_forecast_measured_and_explained(tmp_path: Path, case: str) -> None:
    text, op, reason = BROKEN[case]
    forecast, measured = both(tmp_path, text)
    assert forecast == measured
    assert reason in {outside.reason for outside in measured.outside}
    assert op in {outside.op for outside in measured.outside}


@pytest.mark.parametrize("io", ["float32", "int8", "uint8"])
def test_integer_boundaries(tmp_path: Path, io: IoType) -> None:
    model = model_from_text(quantized("Add(a, a)", last="b"), s=0.05, z=0)
    path = tmp_path / "net.tflite"
    path.write_bytes(write_tflite(lower(model, LITERT_2_3, io), "test"))
    measured = measure_partitions(path, LITERT_2_3)
    assert forecast_partitions(path, LITERT_2_3) == measured
    reasons = {outside.reason for outside in measured.outside}
    assert reasons == ({"QUANTIZE between uint8 and int8 is not delegated"} if io == "uint8" else set())


def test_a_graph_falls_apart_around_an_op_outside(tmp_path: Path) -> None:
    nodes = ("Add(a, a)", "HardSwish(b)", "Add(c, c)", "HardSwish(d)", "Add(e, e)")
    forecast, measured = both(tmp_path, quantized(*nodes, last="f"))
    assert forecast == measured
    assert measured.count == 3
    assert [outside.op for outside in measured.outside] == ["HARD_SWISH", "HARD_SWISH"]
    assert measured.ops == 7  # with QUANTIZE and DEQUANTIZE at the boundaries


def test_a_branch_around_an_op_outside_joins_the_later_partition_or_the_earlier(tmp_path: Path) -> None:
    nodes = ("Add(a, a)", "HardSwish(b)", "Mul(b, a)", "Add(c, d)")
    forecast, measured = both(tmp_path, quantized(*nodes, last="e"))
    assert forecast == measured
    assert measured.count == 2


def test_a_float_graph_is_one_partition(tmp_path: Path) -> None:
    text = """g (float[1, 4, 8, 8] x) => (float[1, 4, 1, 1] y) <int64[2] axes>
        { h = HardSwish(x) a = AveragePool<kernel_shape = [2, 2]>(h) y = ReduceMean(a, axes) }"""
    forecast, measured = both(tmp_path, text)
    assert forecast == measured == Partitions(1, 3, ())


def test_a_condition_of_the_table_is_a_reason(tmp_path: Path) -> None:
    text = """g (float[1, 4, 8, 8] x) => (float[1, 4, 4, 8] y)
        <int64[1] begin = {0}, int64[1] end = {8}, int64[1] axis = {2}, int64[1] step = {2}>
        { h = Relu(x) s = Slice(h, begin, end, axis, step) y = Neg(s) }"""
    forecast, measured = both(tmp_path, text)
    assert forecast == measured
    (outside,) = measured.outside
    assert outside.op == "STRIDED_SLICE" and "only steps of 1 are delegated" in outside.reason
    assert measured.count == 2
