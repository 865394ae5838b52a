"""Arrays of a .npy or .npz file as inputs: prepared already, or pixels that are preprocessed as images."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mobiledeploy.base.errors import InputError
from mobiledeploy.inputs.images import as_image, describe_preprocessing, preprocess
from mobiledeploy.inputs.preprocessing import Preprocessing
from mobiledeploy.inputs.samples import InputSource, SampleChoice, content_digest, input_source
from mobiledeploy.runtime.runtimes import Sample

__all__ = ["array_source"]


def array_source(
    path: Path,
    inputs: Mapping[str, tuple[int, ...]],
    preprocessing: Preprocessing | None,
    wanted: SampleChoice,
) -> InputSource:
    """Open a .npy or .npz file whose arrays have a first axis of samples.

    Args:
        path: file with one array, or (.npz) with one for each input.
        inputs: name -> shape of each input of the model.
        preprocessing: what the model wants done to an image; applied to pixels (uint8) only.
        wanted: how many samples to take, and which.

    Raises:
        InputError: the file cannot be read, or its arrays do not fit the model.
    """
    arrays = _load_arrays(path, inputs)
    lengths = {array.shape[0] if array.ndim else 0 for array in arrays.values()}
    if len(lengths) > 1 or 0 in lengths:
        shapes = ", ".join(f"{name} {array.shape}" for name, array in arrays.items())
        raise InputError(
            f"{path} has {shapes}, expected a first axis of samples, as many for every input; save them so"
        )
    readers = {
        name: _row_reader(f"{path}, {name}", arrays[name], shape, preprocessing)
        for name, shape in inputs.items()
    }
    chosen = wanted.order(lengths.pop())[: wanted.total]

    def make(number: int) -> Sample:
        return {name: read(chosen[number]) for name, read in readers.items()}

    digests = []
    for number, row in enumerate(chosen):
        for name, value in make(number).items():
            if not np.isfinite(value).all():
                raise InputError(
                    f"{path}, {name}, sample {row} has NaN or infinity, expected finite values; correct "
                    "it or leave it out"
                )
        digests.append(content_digest(b"".join(arrays[name][row].tobytes() for name in inputs)))

    pixels = [shape for name, shape in inputs.items() if arrays[name].dtype == np.uint8]
    how = describe_preprocessing((pixels[0][2], pixels[0][3]), preprocessing) if pixels else "as they are"
    return input_source(wanted, make, digests, "samples", [], f"{path.name}, {how}")


def _load_arrays(path: Path, inputs: Mapping[str, tuple[int, ...]]) -> dict[str, NDArray[np.generic]]:
    """Return input name -> (N, ...) array. A .npy stays on disk and is read row by row."""
    try:
        loaded = np.load(path, mmap_mode="r", allow_pickle=False)
        if isinstance(loaded, np.lib.npyio.NpzFile):
            with loaded:
                names = inputs if set(inputs) <= set(loaded.files) else loaded.files
                stored = {name: loaded[name] for name in names}
        else:
            stored = {"one unnamed array": loaded}
    except Exception as error:  # on damaged files numpy and zipfile raise whatever they run into
        reason = str(error).split(". ")[0]  # numpy goes on to advise loading pickles
        raise InputError(
            f"{path} cannot be read ({reason}), expected numeric arrays of numpy.save or numpy.savez; save "
            "it again"
        ) from error
    if len(stored) == len(inputs) == 1:
        return dict(zip(inputs, stored.values(), strict=True))
    if set(stored) != set(inputs):
        raise InputError(
            f"{path} has {', '.join(sorted(stored)) or 'nothing'}, "
            f"expected a .npz with arrays named {', '.join(sorted(inputs))}; name them so"
        )
    return stored


def _row_reader(
    what: str, array: NDArray[np.generic], shape: tuple[int, ...], preprocessing: Preprocessing | None
) -> Callable[[int], NDArray[np.float32]]:
    """Return a function from row number to that sample as the model takes it, (1, ...) float32."""
    rest = array.shape[1:]
    image = as_image(what, shape)
    if image and array.dtype == np.uint8 and len(rest) == 3 and rest[2] == image.channels and 0 not in rest:
        return lambda row: preprocess(_as_picture(array[row]), image.size, preprocessing)
    if array.dtype.kind == "f" and shape[0] == 1:
        if rest == shape[1:]:
            return lambda row: _as_batch(array[row])
        if image and rest == (*image.size, image.channels):
            return lambda row: _as_batch(array[row].transpose(2, 0, 1))
    raise InputError(f"{what} is {array.dtype} {array.shape}, expected {_fitting_arrays(shape)}")


def _as_picture(pixels: NDArray[np.generic]) -> Image.Image:
    """Return (H, W, 3) or (H, W, 1) uint8 as an image of mode RGB or L."""
    return Image.fromarray(np.asarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels))


def _as_batch(row: NDArray[np.generic]) -> NDArray[np.float32]:
    with np.errstate(over="ignore"):  # a double too large for float32 is reported as infinite later
        return np.array(row[None], dtype=np.float32, order="C")


def _fitting_arrays(shape: tuple[int, ...]) -> str:
    """Return in words which arrays an input of this shape can be read from, and what to do."""
    if shape[0] != 1:
        return f"a model of batch 1 (its input is {shape}); export the model with batch 1"
    planar = "(" + ", ".join(["N", *map(str, shape[1:])]) + ")"
    image = as_image("", shape)
    if image is None:
        return f"float {planar}; convert it"
    height, width = image.size
    pixels = f"pixels as uint8 (N, H, W, {image.channels})"
    return f"float {planar} or (N, {height}, {width}, {image.channels}), or {pixels}; convert it"
