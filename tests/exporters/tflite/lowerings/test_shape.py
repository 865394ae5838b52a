"""Ops that move data, in the middle of image parts and elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mobiledeploy.exporters.tflite.onnx_to_tflite import lower
from mobiledeploy.exporters.tflite.writer import write_tflite
from mobiledeploy.quantize.quantize_model import quantize_model
from mobiledeploy.quantize.recipe import QuantizeRecipe
from mobiledeploy.runtime.partitions import measure_partitions
from mobiledeploy.runtime.runtimes import OnnxSession
from mobiledeploy.runtime.targets import LITERT_2_3
from mobiledeploy.testing import model_from_text

CASES = {
    "Concat of channels": ("y = Concat<axis=1>(x1[1,3,4,5], x2[1,2,4,5])", "CONCATENATION"),
    "Concat of height": ("y = Concat<axis=-2>(x1[1,3,4,5], x2[1,3,2,5])", "CONCATENATION"),
    "Concat with a constant": ("y = Concat<axis=1>(x[1,3,4,5], c[1,2,4,5])", "CONCATENATION"),
    "Concat, rank 2": ("y = Concat<axis=1>(x1[2,3], x2[2,4])", "CONCATENATION"),
    "Concat of a value with itself": ("y = Concat<axis=1>(x[1,3,4,5], x)", "CONCATENATION"),
    "Concat of six": (
        "y = Concat<axis=1>(x1[1,2,4,5], x2[1,1,4,5], x3[1,3,4,5], x1, x2, x3)",
        "CONCATENATION CONCATENATION",
    ),
    "Concat of eleven, of height": (
        "y = Concat<axis=2>(x1[1,2,3,5], x2[1,2,4,5], x1, x2, x1, x1, c[1,2,2,5], x2, x2, x1, x1)",
        "CONCATENATION CONCATENATION CONCATENATION",
    ),
    "Split in two": ("y1, y2 = Split<axis=1, num_outputs=2>(x[1,4,4,5])", "SPLIT"),
    "Split in five": (
        "y1, y2, y3, y4, y5 = Split<axis=1, num_outputs=5>(x[1,5,4,5])",
        "SLICE SLICE SLICE SLICE SLICE",
    ),
    "Split unequally": ("y1, y2 = Split<axis=1>(x[1,5,4,5], {2,3})", "SLICE SLICE"),
    "Split of width": ("y1, y2 = Split<axis=-1>(x[1,5,4,6], {3,3})", "SPLIT"),
    "Slice": ("y = Slice(x[1,5,6,7], {1}, {3}, {1})", "SLICE"),
    "Slice, negative start, end beyond": ("y = Slice(x[1,5,6,7], {-3,2}, {99,-1}, {1,3})", "SLICE"),
    "Slice, start beyond the front": ("y = Slice(x[1,5,6,7], {-99}, {3}, {1})", "SLICE"),
    "Slice, steps": ("y = Slice(x[1,5,6,7], {0,1}, {99,99}, {1,2}, {2,3})", "STRIDED_SLICE"),
    "Slice, no axes": ("y = Slice(x[4,6], {1,2}, {3,5})", "SLICE"),
    "Pad": ("y = Pad(x[1,3,4,5], {0,0,1,2,0,0,3,4})", "PAD"),
    "Pad of channels": ("y = Pad(x[1,3,4,5], {0,1,0,0,0,2,0,0})", "PAD"),
    "Pad, axes": ("y = Pad(x[1,3,4,5], {1,2}, , {-1})", "PAD"),
    "Resize, half_pixel": (
        'y = Resize<mode="linear", coordinate_transformation_mode="half_pixel">(x[1,3,4,5], , , {1,3,8,10})',
        "RESIZE_BILINEAR",
    ),
    "Resize, odd ratio": (
        'y = Resize<mode="linear", coordinate_transformation_mode="half_pixel">(x[1,3,4,5], , , {1,3,7,9})',
        "RESIZE_BILINEAR",
    ),
    "Resize, smaller": (
        'y = Resize<mode="linear", coordinate_transformation_mode="pytorch_half_pixel">'
        "(x[1,3,8,9], , , {1,3,4,5})",
        "RESIZE_BILINEAR",
    ),
    "Resize, align_corners": (
        'y = Resize<mode="linear", coordinate_transformation_mode="align_corners">'
        "(x[1,3,4,5], , , {1,3,8,9})",
        "RESIZE_BILINEAR",
    ),
    "Resize, asymmetric": (
        'y = Resize<mode="linear", coordinate_transformation_mode="asymmetric">(x[1,3,4,5], , , {1,3,8,10})',
        "RESIZE_BILINEAR",
    ),
    "Resize, nearest": (
        'y = Resize<mode="nearest", coordinate_transformation_mode="asymmetric", nearest_mode="floor">'
        "(x[1,3,4,5], , , {1,3,8,10})",
        "RESIZE_NEAREST_NEIGHBOR",
    ),
    "Resize by axes": (
        'y = Resize<mode="linear", axes=[2,3]>(x[1,3,4,5], , , {8,10})',
        "RESIZE_BILINEAR",
    ),
    "DepthToSpace": ("y = DepthToSpace<blocksize=2>(x[1,12,3,4])", "DEPTH_TO_SPACE"),
    "PixelShuffle": (
        'y = DepthToSpace<blocksize=2, mode="CRD">(x[1,12,3,4])',
        "RESHAPE TRANSPOSE RESHAPE",
    ),
    "PixelShuffle to one channel": (
        'y = DepthToSpace<blocksize=3, mode="CRD">(x[1,9,3,4])',
        "DEPTH_TO_SPACE",
    ),
    "SpaceToDepth": ("y = SpaceToDepth<blocksize=2>(x[1,3,4,6])", "SPACE_TO_DEPTH"),
    "Transpose, rank 3": ("y = Transpose<perm=[0,2,1]>(x[2,3,4])", "TRANSPOSE"),
    "Transpose of axes of size 1": ("y = Transpose<perm=[1,0,2]>(x[3,1,4])", "RESHAPE"),
    "Transpose of an image": ("y = Transpose<perm=[0,1,3,2]>(x[1,3,4,5])", "TRANSPOSE"),
    "Transposes that cancel": (
        "t = Transpose<perm=[0,2,3,1]>(x[1,3,4,5]); u = Transpose<perm=[0,3,1,2]>(t); y = Relu(u)",
        "RELU",
        "QUANTIZE",
    ),
    "Reshape, rank 2": ("y = Reshape(x[2,6], {3,4})", "RESHAPE"),
    "Reshape to the same shape": ("r = Reshape(x[2,6], {2,6}); y = Add(r, {1.0})", "ADD"),
    "Reshapes collapse": ("r = Reshape(x[2,6], {3,4}); y = Reshape(r, {12})", "RESHAPE"),
    "Flatten of an image": ("y = Flatten(x[1,3,4,5])", "TRANSPOSE RESHAPE"),
    "Flatten of a pooled image": ("p = GlobalAveragePool(x[1,3,4,5]); y = Flatten(p)", "MEAN RESHAPE"),
    "Reshape of an image": ("y = Reshape(x[1,3,4,5], {1,3,20})", "TRANSPOSE RESHAPE"),
    "Squeeze": ("p = GlobalAveragePool(x[1,3,4,5]); y = Squeeze(p, {2,3})", "MEAN RESHAPE"),
    "Unsqueeze": ("u = Unsqueeze(x[1,3], {2,3}); y = Mul(u, x2[1,3,4,5])", "RESHAPE MUL"),
    "Flatten and back": (
        "f = Flatten(x[1,1,1,8]); r = Reshape(f, {1,8,1,1}); y = Conv(r, w[4,8,1,1])",
        "RESHAPE CONV_2D",
    ),
    "channel shuffle": (
        "r = Reshape(x[1,6,4,5], {1,2,3,4,5}); t = Transpose<perm=[0,2,1,3,4]>(r);"
        "s = Reshape(t, {1,6,4,5}); y = Conv(s, w[4,6,1,1])",
        "TRANSPOSE RESHAPE TRANSPOSE RESHAPE TRANSPOSE CONV_2D",
    ),
    "channel shuffle as Gather": (
        "s = Gather<axis=1>(x[1,6,4,5], {0,3,1,4,2,5}); y = Conv(s, w[4,6,1,1])",
        "RESHAPE TRANSPOSE RESHAPE CONV_2D",
    ),
    "channel shuffle in three groups, batch": (
        "y = Gather<axis=-3>(x[2,6,4,5], {0,2,4,1,3,5})",
        "RESHAPE TRANSPOSE RESHAPE",
    ),
    "channel shuffles in a row": (
        "s = Gather<axis=1>(x[1,6,4,5], {0,3,1,4,2,5}); y = Gather<axis=1>(s, {0,3,1,4,2,5})",
        "RESHAPE TRANSPOSE RESHAPE TRANSPOSE RESHAPE",
    ),
    "channel shuffles that cancel": (
        "s = Gather<axis=1>(x[1,6,4,5], {0,3,1,4,2,5}); t = Gather<axis=1>(s, {0,2,4,1,3,5}); y = Add(t, t)",
        "ADD",
    ),
    "shuffle, rank 2": ("y = Gather<axis=1>(x[3,6], {0,3,1,4,2,5})", "RESHAPE TRANSPOSE RESHAPE"),
    "shuffle of some channels": ("y = Gather<axis=1>(x[1,8,4,5], {0,2,1,3})", "GATHER"),
    "shuffle of rows": ("y = Gather<axis=2>(x[1,3,4,5], {0,2,1,3})", "GATHER"),
    "Gather of channels backwards": ("y = Gather<axis=1>(x[1,4,4,5], {-1,-2,-3,-4})", "GATHER"),
    "Gather of channels twice": ("y = Gather<axis=1>(x[1,2,4,5], {0,1,0,1})", "GATHER"),
    "Gather of one channel": ("y = Gather<axis=1>(x[1,4,4,5], {2})", "GATHER"),
    "Gather of columns": ("y = Gather<axis=3>(x[1,3,4,5], {4,0,-2})", "GATHER"),
    "Gather of images": ("y = Gather<axis=0>(x[3,2,4,5], {2,0})", "GATHER"),
    "Gather, rank 3": ("y = Gather<axis=2>(x[2,3,4], {3,1})", "GATHER"),
    "data ops between convolutions": (
        "c = Conv(x[1,3,4,6], w[8,3,1,1]); s1, s2 = Split<axis=1, num_outputs=2>(c);"
        "p = Pad(s2, {0,0,0,0,0,4,0,0}); k = Concat<axis=1>(p, s1); d = DepthToSpace<blocksize=2>(k);"
        "y = Conv(d, v[4,3,1,1])",
        "CONV_2D SPLIT PAD CONCATENATION DEPTH_TO_SPACE CONV_2D",
    ),
}

INT16 = {
    "Concat of six": "CONCATENATION",
    "Concat of eleven, of height": "CONCATENATION",
    "Transposes that cancel": "RELU",
    "data ops between convolutions": (
        "CONV_2D SPLIT PAD CONCATENATION DEQUANTIZE DEPTH_TO_SPACE QUANTIZE CONV_2D"
    ),
}


def test_in_float(float_case: Any) -> None:
    float_case.check()


def test_in_int8(int8_case: Any) -> None:
    int8_case.check()


def test_in_int16(int16_case: Any) -> None:
    int16_case.check()


@pytest.mark.parametrize(
    ("image", "axis", "indices"),
    [
        ("1, 4, 3, 5", 1, "int64 i = {-2}"),
        ("1, 4, 3, 5", 3, "int64 i = {1}"),
        ("2, 4, 3, 5", 0, "int64 i = {1}"),
        ("4, 6", 1, "int64 i = {3}"),
        ("1, 4, 3, 5", 1, "int64[2, 2] i = {0, 1, -1, 2}"),
        ("1, 3, 5", 1, "int64[2, 2] i = {0, 1, -1, 2}"),  # an image that comes from none
    ],
)
@pytest.mark.parametrize("is_int8", [False, True])
def test_gather_to_another_rank(
    image: str, axis: int, indices: str, is_int8: bool, onnx_text: Any, tmp_path: Path
) -> None:
    model = model_from_text(
        f"g (float[{image}] x) => (float[] y) <{indices}> {{ y = Gather<axis = {axis}>(x, i) }}"
    )
    samples = onnx_text["samples_for"](model)
    if is_int8:
        quantize_model(model, samples, LITERT_2_3, QuantizeRecipe(calibrator="min-max"))
    graph = lower(model, LITERT_2_3)
    gather = next(op for op in graph.ops if op.name == "GATHER")
    x, y = gather.inputs[0], gather.outputs[0]
    assert x is not None and (x.params is None) is (y.params is None) is not is_int8
    assert x.params is None or y.params is None or x.params.same_as(y.params)
    for sample in samples:
        actual = onnx_text["run_tflite"](graph, tmp_path / "gather.tflite", sample)
        expected = OnnxSession(model, optimize=False).run(sample)
        np.testing.assert_allclose(actual["y"], expected["y"], rtol=0, atol=1e-6)


@pytest.mark.parametrize("is_int8", [False, True])
@pytest.mark.parametrize("count", [6, 9, 13])
def test_concat_of_many_stays_in_one_partition(
    count: int, is_int8: bool, onnx_text: Any, tmp_path: Path
) -> None:
    parts = ", ".join(["a", "b", "c"] * count)[: 3 * count - 2]
    nodes = "a = Mul(x[1,2,4,5], x); b = Add(x, x); c = Sub(x, a)"
    model = onnx_text["model_of"](f"{nodes}; k = Concat<axis=1>({parts}); y = Mul(k, k)")
    if is_int8:
        samples = onnx_text["samples_for"](model)
        quantize_model(model, samples, LITERT_2_3, QuantizeRecipe(calibrator="min-max"))
    path = tmp_path / "concat.tflite"
    path.write_bytes(write_tflite(lower(model, LITERT_2_3), "test"))
    measured = measure_partitions(path, LITERT_2_3)
    assert measured.count == 1
    assert measured.outside == ()
