"""Ops that move data without computing: reshape, transpose, concatenate, split, slice, pad, resize."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mobiledeploy.exporters.tflite.builder import Builder
from mobiledeploy.exporters.tflite.graph import Tensor
from mobiledeploy.exporters.tflite.lowerings.registry import lowers
from mobiledeploy.runtime.targets import OpUse


@lowers("Reshape", "Flatten", "Squeeze", "Unsqueeze")
def reshape(
    b: Builder, x: Tensor, shape: Tensor | None = None, *, allowzero: int = 0, axis: int = 1
) -> Tensor:
    """The result's shape is known from shape inference, whatever the op."""
    x, to = b.onnx_order(b.same_params(x)), b.onnx_result
    return b.reshape(x, to.shape, to=to)


@lowers("Identity")
def identity(b: Builder, x: Tensor) -> Tensor:
    return b.same_params(x)


@lowers("Transpose")
def transpose(b: Builder, x: Tensor, *, perm: Sequence[int] = ()) -> Tensor:
    x = b.onnx_order(b.same_params(x))
    return b.transpose(x, perm or range(len(x.shape))[::-1], to=b.onnx_result)


@lowers("Gather")
def gather(b: Builder, x: Tensor, indices: Tensor, *, axis: int = 0) -> Tensor:
    """A shuffle of the last axis as RESHAPE, TRANSPOSE, RESHAPE, which are delegated; else GATHER."""
    x = b.same_params(x) if len(indices.shape) == 1 else b.onnx_order(b.same_params(x))
    along = x.axis(axis)
    if along == len(x.shape) - 1 and (blocks := _shuffled_blocks(indices, x.shape[along])) is not None:
        rows = (*x.shape[:-1], blocks, x.shape[-1] // blocks)
        order = (*range(len(rows) - 2), len(rows) - 1, len(rows) - 2)
        return b.reshape(b.transpose(b.reshape(x, rows), order), b.result.shape, to=b.result)
    to = b.result if len(indices.shape) == 1 else b.onnx_result
    if indices.data is not None:
        positive = indices.data % x.shape[along]
        indices = b.constant(positive.astype(np.int32), "indices")
    return b.op("GATHER", x, indices, to=to, axis=along, batch_dims=0)


def _shuffled_blocks(indices: Tensor, size: int) -> int | None:
    """Return into how many equal blocks a permutation deals out a row, as cards are; None if it does not."""
    if indices.data is None or indices.shape != (size,) or size < 2 or indices.data[0] != 0:
        return None
    width = int(indices.data[1])
    if width < 2 or size % width:
        return None
    dealt = np.arange(size).reshape(-1, width).T.reshape(-1)
    return size // width if np.array_equal(indices.data, dealt) else None


@lowers("Concat")
def concat(b: Builder, *xs: Tensor, axis: int) -> Tensor:
    """CONCATENATION, whose inputs share the output's parameters; nested where the target takes fewer."""
    along, parts = b.result.axis(axis), [b.same_params(b.broadcastable(x)) for x in xs]
    most = _most_inputs(b, len(parts))
    while len(parts) > most:
        joined = parts[:most]
        size = sum(part.shape[along] for part in joined)
        shape = (*b.result.shape[:along], size, *b.result.shape[along + 1 :])
        to = b.result.with_shape(shape, f"joined{len(parts)}")
        parts = [_concatenation(b, joined, along, to), *parts[most:]]
    return _concatenation(b, parts, along, b.result)


def _concatenation(b: Builder, parts: Sequence[Tensor], along: int, to: Tensor) -> Tensor:
    return b.op("CONCATENATION", *parts, to=to, axis=along, fused_activation_function="NONE")


def _most_inputs(b: Builder, count: int) -> int:
    """Return the most inputs up to ``count`` of a CONCATENATION that the target delegates; else ``count``."""
    for inputs in range(count, 1, -1):
        if b.target.why_not(OpUse("CONCATENATION", b.precision, inputs)) is None:
            return inputs
    return count


def _ints(b: Builder, value: Tensor | None, what: str) -> NDArray[np.int64]:
    if value is None or value.data is None:
        raise b.refuse(f"{what} that are computed at run time", "make them constants")
    return value.data.astype(np.int64).reshape(-1)


@lowers("Split")
def split(
    b: Builder, x: Tensor, sizes: Tensor | None = None, *, axis: int = 0, num_outputs: int = 0
) -> list[Tensor]:
    """SPLIT into equal parts (delegated for 2 to 4), else one SLICE per part (SPLIT_V is never delegated)."""
    along, x = x.axis(axis), b.same_params(x)
    parts = [result.shape[along] for result in b.results]
    if len(set(parts)) == 1 and 2 <= len(parts) <= 4:
        b.op("SPLIT", b.constant(np.array(along, np.int32), "axis"), x, to=b.results, num_splits=len(parts))
        return b.results
    starts = np.cumsum([0, *parts])
    for result, start in zip(b.results, starts, strict=False):
        begin = np.array([start if i == along else 0 for i in range(len(x.shape))], np.int32)
        size = np.array(result.shape, np.int32)
        b.op("SLICE", x, b.constant(begin, f"begin{start}"), b.constant(size, f"size{start}"), to=result)
    return b.results


@lowers("Slice")
def slice_(
    b: Builder,
    x: Tensor,
    starts: Tensor,
    ends: Tensor,
    axes: Tensor | None = None,
    steps: Tensor | None = None,
) -> Tensor:
    """SLICE for unit steps, STRIDED_SLICE else."""
    first = _ints(b, starts, "starts")
    along = _ints(b, axes, "axes") if axes is not None else np.arange(len(first))
    step = _ints(b, steps, "steps") if steps is not None else np.ones(len(first), np.int64)
    if (step < 1).any():
        raise b.refuse("a negative step", "slice forward, TFLite's slices do")
    rank, x = len(x.shape), b.same_params(x)
    begin, stride = np.zeros(rank, np.int32), np.ones(rank, np.int32)
    for axis, start, by in zip(along, first, step, strict=True):
        place = x.axis(int(axis))
        size = x.shape[place]
        begin[place], stride[place] = np.clip(start + size if start < 0 else start, 0, size), by
    extent = np.array(b.result.shape, np.int32)
    if (stride == 1).all():
        return b.op("SLICE", x, b.constant(begin, "begin"), b.constant(extent, "size"))
    end = begin + (extent - 1) * stride + 1
    return b.op(
        "STRIDED_SLICE", x, b.constant(begin, "begin"), b.constant(end, "end"), b.constant(stride, "strides")
    )


@lowers("Pad")
def pad(
    b: Builder,
    x: Tensor,
    pads: Tensor,
    value: Tensor | None = None,
    axes: Tensor | None = None,
    *,
    mode: str = "constant",
) -> Tensor:
    """PAD writes real 0."""
    if mode != "constant" or (value is not None and (value.data is None or np.any(value.data != 0))):
        raise b.refuse(f"mode {mode} or a value other than 0", "only padding with zeros is supported")
    widths = _ints(b, pads, "pads").reshape(2, -1)
    if (widths < 0).any():
        raise b.refuse(f"negative pads {widths.tolist()}", "cut with Slice instead")
    along = _ints(b, axes, "axes") if axes is not None else np.arange(widths.shape[1])
    paddings = np.zeros((len(x.shape), 2), np.int32)
    for axis, before, after in zip(along, *widths, strict=True):
        paddings[x.axis(int(axis))] = before, after
    return b.op("PAD", b.same_params(x), b.constant(paddings, "paddings"))


@lowers("Resize")
def resize(
    b: Builder,
    x: Tensor,
    roi: Tensor | None = None,
    scales: Tensor | None = None,
    sizes: Tensor | None = None,
    *,
    antialias: int = 0,
    axes: Sequence[int] = (),
    coordinate_transformation_mode: str = "half_pixel",
    cubic_coeff_a: float = -0.75,
    exclude_outside: int = 0,
    extrapolation_value: float = 0.0,
    keep_aspect_ratio_policy: str = "stretch",
    mode: str = "nearest",
    nearest_mode: str = "round_prefer_floor",
) -> Tensor:
    """RESIZE_BILINEAR or RESIZE_NEAREST_NEIGHBOR of height and width to a fixed size."""
    if mode not in ("linear", "nearest") or antialias or len(x.shape) != 4 or x.shape[3] != b.result.shape[3]:
        raise b.refuse(
            f"mode {mode} with antialias={antialias}",
            "only linear and nearest resizing of images without antialiasing are supported",
        )
    how = coordinate_transformation_mode
    if mode == "nearest" and (how, nearest_mode) != ("asymmetric", "floor"):
        raise b.refuse(
            f"nearest resizing with {how}, {nearest_mode}", "use asymmetric with floor, PyTorch's nearest"
        )
    if how not in ("half_pixel", "pytorch_half_pixel", "align_corners", "asymmetric"):
        raise b.refuse(f"coordinate_transformation_mode {how}", "use half_pixel or align_corners")
    if how != "align_corners":
        _require_scale_of_sizes(b, x, scales, axes)
    size = b.constant(np.array(b.result.shape[1:3], np.int32), "size")
    return b.op(
        "RESIZE_BILINEAR" if mode == "linear" else "RESIZE_NEAREST_NEIGHBOR",
        b.same_params(x),
        size,
        align_corners=how == "align_corners",
        half_pixel_centers=how in ("half_pixel", "pytorch_half_pixel"),
    )


def _require_scale_of_sizes(b: Builder, x: Tensor, scales: Tensor | None, axes: Sequence[int]) -> None:
    """ONNX samples at the given scale, TFLite at output size / input size: refuse where they differ."""
    if scales is None or scales.data is None or not scales.data.size:
        return
    for axis, scale in zip(axes or range(len(x.shape)), scales.data, strict=True):
        place = x.axis(axis)
        if not np.isclose(x.shape[place] * scale, b.result.shape[place]):
            raise b.refuse(
                f"scale {scale:g}, which does not give a whole size from {x.shape[place]}",
                "resize to a fixed size instead of by a factor",
            )


@lowers("DepthToSpace", int16=False)
def depth_to_space(b: Builder, x: Tensor, *, blocksize: int, mode: str = "DCR") -> Tensor:
    """DEPTH_TO_SPACE orders depth as DCR; for CRD, PyTorch's PixelShuffle, rows of blocks are transposed."""
    x = b.same_params(x)
    n, h, w, c = b.result.shape
    if mode == "DCR" or c == 1:
        return b.op("DEPTH_TO_SPACE", x, block_size=blocksize)
    rows = b.reshape(x, (n * h // blocksize, w // blocksize, c, blocksize, blocksize))
    return b.reshape(b.transpose(rows, (0, 3, 1, 4, 2)), b.result.shape, to=b.result)


@lowers("SpaceToDepth", int16=False)
def space_to_depth(b: Builder, x: Tensor, *, blocksize: int) -> Tensor:
    return b.op("SPACE_TO_DEPTH", b.same_params(x), block_size=blocksize)
