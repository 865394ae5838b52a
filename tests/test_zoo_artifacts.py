"""Small forms of the networks that ask most of the exporter, all the way to their artifacts."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

import mobiledeploy
from mobiledeploy.runtime.partitions import forecast_partitions
from mobiledeploy.runtime.precisions import KINDS, PrecisionKind
from mobiledeploy.runtime.runtimes import TfliteSession
from mobiledeploy.runtime.targets import LITERT_2_3

SIZE = 32  # pixels


def exported(
    name: str, folder: Path, kinds: tuple[PrecisionKind, ...] = ("fp32", "int8"), **options: float
) -> mobiledeploy.ExportResult:
    # With initial weights inputs differ in energy by orders of magnitude, which is what mse is for.
    result = mobiledeploy.export(
        name,
        precision=kinds,
        weights="random",
        size=SIZE,
        samples=2,
        calibrator="mse",
        out=folder,
        options=options,
    )
    assert result.passed
    for kind in kinds:
        partitions = result.report.artifacts[kind].partitions
        assert partitions is not None and partitions == forecast_partitions(
            result.artifacts[kind], LITERT_2_3
        )
        if kind != "int16x8":
            assert (partitions.count, partitions.outside) == (1, ())
    return result


@pytest.mark.parametrize("name", ["mobilenetv2", "mobilenetv3_small"])
def test_every_kind_is_smaller_than_float_and_close_to_it(name: str, tmp_path: Path) -> None:
    result = exported(name, tmp_path, tuple(KINDS))
    share = {
        kind: result.report.artifacts[kind].size_bytes / result.report.artifacts["fp32"].size_bytes
        for kind in KINDS
    }
    assert share["fp16"] < 0.52 and max(share["int8"], share["int8-dynamic"], share["int16x8"]) < 0.3
    int16x8 = result.report.artifacts["int16x8"].partitions
    assert int16x8 is not None and (int16x8.count, len(int16x8.outside)) == (0, int16x8.ops)
    # Of the kinds with int8 weights, the one of float activations stands for what int8 weights cost.
    sqnr = {kind: found.difference.sqnr_db for kind in KINDS if (found := result.report.against_fp32(kind))}
    assert sqnr["fp16"] > 35 and sqnr["int8-dynamic"] > 8


def ops(result: mobiledeploy.ExportResult, key: str) -> Counter[str]:
    session = TfliteSession(result.artifacts[key], delegate=False)
    return Counter(node["op_name"] for node in session.nodes())


# One for what each of 13 units computes on and one for the end of each of 3 stages, a second one in each of
# 10 augmented units; the others are there because the target joins five tensors at a time.
@pytest.mark.parametrize(("name", "concatenations"), [("shufflenetv2_x0_5", 20), ("augshufflenet_x0_5", 40)])
def test_a_shuffle_between_free_convolutions_leaves_slices_and_concatenations(
    name: str, concatenations: int, tmp_path: Path
) -> None:
    result = exported(name, tmp_path)
    for key in ("fp32", "int8"):
        found = ops(result, key)
        assert not {"TRANSPOSE", "GATHER"} & found.keys()
        assert found["RESHAPE"] <= 1  # of the features, one pixel at this size, to the classifier
        assert found["CONCATENATION"] == concatenations


def test_a_shuffle_between_grouped_convolutions_is_one_transpose(tmp_path: Path) -> None:
    result = exported("shufflenetv1_g3", tmp_path, width_mult=0.5)
    shuffles = 15  # of 16 units; the first follows a convolution that is not grouped
    assert ops(result, "fp32")["TRANSPOSE"] == ops(result, "int8")["TRANSPOSE"] == shuffles
    assert "AVERAGE_POOL_2D" not in ops(result, "int8")


def test_mixed_convolutions_carry_their_batch_norm_and_have_fast_kernels(tmp_path: Path) -> None:
    result = exported("mixnet_s", tmp_path)
    swishes, gates, residuals = 39, 13, 11
    for key in ("fp32", "int8"):
        found = ops(result, key)
        # No product but those of swish, which may be computed part by part, and of gates.
        assert found["LOGISTIC"] == found["MUL"] >= swishes + gates
        assert "SUB" not in found
    assert ops(result, "int8")["ADD"] == residuals
    for key in ("fp32", "int8"):
        session = TfliteSession(result.artifacts[key], delegate=False)
        details = session.tensors()
        kernels = [
            details[node["inputs"][1]]["shape"]
            for node in session.nodes()
            if node["op_name"] == "DEPTHWISE_CONV_2D"
        ]
        assert max(height * width for _, height, width, _ in kernels) <= 25
