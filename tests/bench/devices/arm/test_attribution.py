"""Graphs and kernels by hand, in the shapes that XNNPACK gives them."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from mobiledeploy.bench.devices.arm.attribution import OpCount, attribute
from mobiledeploy.bench.devices.arm.profile_events import KernelCount
from mobiledeploy.runtime.tflite_ops import FileOp

CONV, DEPTHWISE, DENSE = (
    "Convolution (NHWC, QC8) IGEMM",
    "Convolution (NHWC, QC8) DWConv",
    "Fully Connected (NC, QS8, QC8W) GEMM",
)
TABLE = "Invalid Unary Op"


def chain(*names: str) -> list[FileOp]:
    """Each op reads what the one before it wrote."""
    return [wired(i, name, (i,), i + 1) for i, name in enumerate(names)]


def wired(index: int, name: str, inputs: tuple[int, ...], output: int) -> FileOp:
    return FileOp(index, name, inputs, (output,), f"t{output}", (1, 2, 2, 4), 0)


def ran(*names: str, partition: int = 0) -> list[KernelCount]:
    """Operators of one partition, of 100, 101, ... instructions."""
    return [KernelCount(name, 100 + i, partition=partition) for i, name in enumerate(names)]


def brief(counts: Sequence[OpCount]) -> list[tuple[tuple[int, ...], str, int]]:
    return [(count.ops, count.kind, count.instructions) for count in counts]


def test_ops_and_operators_one_by_one() -> None:
    ops = chain("QUANTIZE", "CONV_2D", "DEPTHWISE_CONV_2D", "CONV_2D", "ADD", "FULLY_CONNECTED", "DEQUANTIZE")
    counts = attribute(ran("Convert (NC)", CONV, DEPTHWISE, DENSE, "Add (ND)", DENSE, "Convert (NC)"), ops)
    assert brief(counts) == [
        ((0,), "element-wise", 100),
        ((1,), "convolution", 101),
        ((2,), "depthwise", 102),
        ((3,), "convolution", 103),  # of 1x1: XNNPACK has it as fully connected
        ((4,), "element-wise", 104),
        ((5,), "fully connected", 105),
        ((6,), "element-wise", 106),
    ]
    assert all(count.delegated for count in counts)
    assert counts[3].kernels == (DENSE,)
    assert (counts[3].output, counts[3].shape) == ("t4", (1, 2, 2, 4))


def test_a_padding_is_one_with_the_convolution_behind_it() -> None:
    counts = attribute(
        ran(CONV, "Constant Pad (ND, X8)", "Max Pooling (NHWC, S8)", DEPTHWISE),
        chain("PAD", "CONV_2D", "PAD", "MAX_POOL_2D", "PAD", "DEPTHWISE_CONV_2D"),
    )
    assert brief(counts) == [
        ((0, 1), "convolution", 100),
        ((2,), "data movement", 101),
        ((3,), "pooling", 102),
        ((4, 5), "depthwise", 103),
    ]
    assert counts[0].types == ("PAD", "CONV_2D")


def test_element_wise_ops_that_became_a_table_share_it() -> None:
    """h-swish in int8: x * relu6(x + 3); the op that is left is the product, which also reads x."""
    ops = [
        wired(0, "CONV_2D", (0,), 1),
        wired(1, "ADD", (1, 90), 2),
        wired(2, "MUL", (1, 2), 3),
        wired(3, "CONV_2D", (3,), 4),
    ]
    counts = attribute(ran(CONV, TABLE, DENSE), ops)
    assert brief(counts) == [
        ((0,), "convolution", 100),
        ((1, 2), "element-wise", 101),
        ((3,), "convolution", 102),
    ]
    assert counts[1].kernels == ("Look-up Table",)
    assert counts[1].output == "t3"


def test_a_table_is_found_across_a_branch() -> None:
    """What lies between the ops of a chain in the file may be another branch."""
    ops = [
        wired(0, "LOGISTIC", (0,), 1),
        wired(1, "CONV_2D", (9,), 2),
        wired(2, "MUL", (0, 1), 3),
        wired(3, "ADD", (2, 3), 4),
    ]
    assert brief(attribute(ran(CONV, TABLE, "Add (ND)"), ops)) == [
        ((0, 2), "element-wise", 101),
        ((1,), "convolution", 100),
        ((3,), "element-wise", 102),
    ]


def test_what_xnnpack_adds_is_the_ops_that_asked_for_it() -> None:
    counts = attribute(
        ran("Add (ND)", "Clamp (NC)", "Mean (ND) Reduce", "Static Reshape (NC)", DENSE),
        chain("ADD", "MEAN", "FULLY_CONNECTED"),
    )
    assert brief(counts) == [
        ((0,), "element-wise", 100 + 101),
        ((1,), "pooling", 102 + 103),
        ((2,), "fully connected", 104),
    ]


def test_a_reshape_without_operator_is_one_with_a_neighbour() -> None:
    assert brief(attribute(ran(CONV, DENSE), chain("CONV_2D", "RESHAPE", "FULLY_CONNECTED"))) == [
        ((0,), "convolution", 100),
        ((1, 2), "fully connected", 101),
    ]
    assert brief(attribute(ran(CONV), chain("CONV_2D", "RESHAPE"))) == [((0, 1), "convolution", 100)]


def test_ops_of_the_interpreter_stand_between_partitions() -> None:
    ops = chain("CONV_2D", "HARD_SWISH", "DEPTHWISE_CONV_2D", "HARD_SWISH", "CONV_2D")
    kernels = [
        *ran(CONV, partition=0),
        KernelCount("HARD_SWISH", 7, op=1),
        *ran(DEPTHWISE, partition=1),
        KernelCount("HARD_SWISH", 8, op=3),
        *ran(DENSE, partition=2),
    ]
    counts = attribute(kernels, ops)
    assert [count.delegated for count in counts] == [True, False, True, False, True]
    assert [count.instructions for count in counts] == [100, 7, 100, 8, 100]


def test_a_branch_runs_with_the_partition_that_has_its_inputs() -> None:
    """The convolution behind the h-swish in the file does not read it, so it runs before it."""
    ops = [
        wired(0, "CONV_2D", (0,), 1),
        wired(1, "HARD_SWISH", (1,), 2),
        wired(2, "DEPTHWISE_CONV_2D", (1,), 3),
        wired(3, "ADD", (2, 3), 4),
    ]
    kernels = [*ran(CONV, DEPTHWISE), KernelCount("HARD_SWISH", 7, op=1), *ran("Add (ND)", partition=1)]
    assert [count.instructions for count in attribute(kernels, ops)] == [100, 7, 101, 100]


def test_a_partition_that_cannot_be_told_apart_is_one_entry() -> None:
    (count,) = attribute(ran(CONV, "Unheard Of (NC)"), chain("CONV_2D", "TOPK_V2"))
    assert brief([count]) == [((0, 1), "other", 201)]
    assert count.kernels == (CONV, "Unheard Of (NC)")


def test_kernels_of_another_file_are_refused() -> None:
    with pytest.raises(ValueError, match="1 partitions ran, 2 are in the file"):
        attribute([*ran(CONV), KernelCount("HARD_SWISH", 7, op=1)], chain("CONV_2D", "HARD_SWISH", "CONV_2D"))
