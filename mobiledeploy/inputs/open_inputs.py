"""Inputs to calibrate a network with and to check it on.

    folder of images    JPEG and PNG at any depth, each through the model's own preprocessing
    .npy                float (N, C, H, W) or (N, H, W, C) that is preprocessed already, or pixels as uint8
                        (N, H, W, C), which are preprocessed as image files are
    .npz                the same, with an array named like each input of the model; for a model with a single
                        input, a single array of any name
    nothing             generated images, with a warning

Samples are chosen by seed and split into a part to calibrate with and a part held back to check the result.
They are made when they are asked for, so that memory does not grow with their number.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import overload

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mobiledeploy.base.errors import InputError
from mobiledeploy.inputs.generated_images import generated_image
from mobiledeploy.inputs.images import (
    describe_preprocessing,
    is_image_file,
    normalise,
    preprocess,
    read_image,
)
from mobiledeploy.inputs.preprocessing import Preprocessing
from mobiledeploy.runtime.runtimes import Sample

__all__ = [
    "ImageInput",
    "InputSource",
    "Samples",
    "files_under",
    "image_input",
    "named_in_short",
    "open_inputs",
    "read_bytes",
]

ARCHIVE_SUFFIXES = (".zip", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".7z", ".rar")


class Samples(Sequence[Sample]):
    """Samples that are made when asked for, one in memory at a time, the same on every pass."""

    def __init__(self, numbers: Sequence[int], make: Callable[[int], Sample]) -> None:
        self._numbers = numbers
        self._make = make

    def __len__(self) -> int:
        return len(self._numbers)

    @overload
    def __getitem__(self, index: int) -> Sample: ...
    @overload
    def __getitem__(self, index: slice) -> Samples: ...
    def __getitem__(self, index: int | slice) -> Sample | Samples:
        if isinstance(index, slice):
            return Samples(self._numbers[index], self._make)
        return self._make(self._numbers[index])


@dataclass(frozen=True)
class InputSource:
    """Where the inputs of a run come from.

    Attributes:
        description: one line for the report: how many of what, and how they were prepared.
        warnings: what the user should know about them, a sentence each.
        calibration: samples to calibrate with.
        holdout: other samples, to check the result on; the same ones for any number of calibration samples,
            as long as there are enough of both.
        digest: what `fingerprint` returns.
    """

    description: str
    warnings: list[str]
    calibration: Samples
    holdout: Samples
    digest: str

    def fingerprint(self) -> str:
        """SHA-256 (hex) of what the samples are made from, in order: file bytes, array rows, or seeds."""
        return self.digest


@dataclass(frozen=True)
class ImageInput:
    """The one input of a model that takes an image.

    Attributes:
        name: of the input.
        channels: 3 for RGB, 1 for grey.
        size: (height, width) in pixels.
    """

    name: str
    channels: int
    size: tuple[int, int]

    @property
    def mode(self) -> str:
        """Pillow's name for such pixels."""
        return "RGB" if self.channels == 3 else "L"


def open_inputs(
    path: Path | None,
    inputs: Mapping[str, tuple[int, ...]],
    preprocessing: Preprocessing | None,
    samples: int,
    seed: int,
    holdout: int = 16,
) -> InputSource:
    """Open a source of inputs for a model and split it.

    Args:
        path: a folder of images, a .npy or .npz file, or None for generated images (random numbers, if the
            model does not take an image).
        inputs: name -> shape of each input of the model, batch 1, images as (1, C, H, W).
        preprocessing: what the model wants done to an image; None: resize to the input size, scale to [0, 1].
        samples: how many to calibrate with, at most.
        seed: of the choice among what `path` holds, or of the generator.
        holdout: how many more to keep for checking. Of a source with too few for both, a fifth is kept; a
            single sample serves for both.

    Raises:
        InputError: nothing usable at `path`, or arrays that do not fit the model.
    """
    if samples < 1 or holdout < 0:
        raise InputError(f"samples {samples} and held back {holdout}, expected at least 1 and 0")
    wanted = _Wanted(samples, holdout, seed)
    if path is None:
        image = image_input(inputs)
        return _generated_source(image, preprocessing, wanted) if image else _random_source(inputs, wanted)
    if not path.exists():
        raise InputError(f"{path} does not exist, expected a folder of images or a .npy or .npz file")
    if path.is_dir():
        return _image_source(path, inputs, preprocessing, wanted)
    if path.suffix.lower() in (".npy", ".npz"):
        return _array_source(path, inputs, preprocessing, wanted)
    remedy = "; unpack it and pass the folder" if path.suffix.lower() in ARCHIVE_SUFFIXES else ""
    raise InputError(f"{path} is a file, expected a folder of images or a .npy or .npz file{remedy}")


def image_input(inputs: Mapping[str, tuple[int, ...]]) -> ImageInput | None:
    """The input that takes an image, if it is the model's only one: (1, 3, H, W) or (1, 1, H, W)."""
    images = [_as_image(name, shape) for name, shape in inputs.items()]
    return images[0] if len(images) == 1 else None


def _as_image(name: str, shape: tuple[int, ...]) -> ImageInput | None:
    if len(shape) != 4 or shape[0] != 1 or shape[1] not in (1, 3):
        return None
    return ImageInput(name, shape[1], (shape[2], shape[3]))


def files_under(folder: Path) -> list[str]:
    """Paths of the files at any depth, relative to `folder`, with "/", sorted; dot files are left out.

    Raises:
        InputError: `folder` or a folder in it cannot be read.
    """

    def refuse(error: OSError) -> None:
        raise InputError(f"{error.filename} cannot be read ({error.strerror}); make it readable") from error

    found: list[str] = []
    seen: set[str] = set()
    for parent, folders, files in os.walk(folder, onerror=refuse, followlinks=True):
        real = os.path.realpath(parent)
        if real in seen:  # a link back into the tree: it would never end
            folders.clear()
            continue
        seen.add(real)
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        relative = Path(parent).relative_to(folder)
        found += [(relative / name).as_posix() for name in files if not name.startswith(".")]
    return sorted(found)


@dataclass(frozen=True)
class _Wanted:
    samples: int
    holdout: int
    seed: int

    def order(self, count: int) -> list[int]:
        """The numbers 0..count-1 as they are drawn."""
        return [int(number) for number in np.random.default_rng(self.seed).permutation(count)]

    def split(self, found: int) -> tuple[range, range]:
        """Which of `found` samples to calibrate with, and which to hold back.

        The latter come first, so that another number of calibration samples leaves them as they are.
        """
        if found == 1:
            return range(1), range(min(1, self.holdout))
        kept = min(self.holdout, max(found - self.samples, found // 5, 1))
        return range(kept, min(found, kept + self.samples)), range(kept)

    def warnings(self, found: int, kind: str) -> list[str]:
        """What to say if `found` samples are too few."""
        calibration, kept = self.split(found)
        if found == 1 and kept:
            return [f"calibration wants {self.samples} {kind}, found 1: it serves to calibrate and to check"]
        if len(calibration) < self.samples:
            return [
                f"calibration wants {self.samples} {kind}, found {found} and held back {len(kept)} of these"
            ]
        return []


def _source(
    wanted: _Wanted,
    make: Callable[[int], Sample],
    digests: Sequence[bytes],
    kind: str,
    notes: Iterable[str],
    how: str,
) -> InputSource:
    """Put together a source of `len(digests)` samples: number -> sample, and the SHA-256 of each."""
    calibration, kept = wanted.split(len(digests))
    parts = (b"".join(digests[number] for number in part) for part in (calibration, kept))
    return InputSource(
        description=f"{len(calibration)} {kind}, {len(kept)} held back; {how}",
        warnings=[*notes, *wanted.warnings(len(digests), kind)],
        calibration=Samples(calibration, make),
        holdout=Samples(kept, make),
        digest=hashlib.sha256(b"|".join(parts)).hexdigest(),
    )


def _generated_source(image: ImageInput, preprocessing: Preprocessing | None, wanted: _Wanted) -> InputSource:
    def make(number: int) -> Sample:
        picture = Image.fromarray(generated_image(number, image.size, wanted.seed)).convert(image.mode)
        return {image.name: normalise(np.asarray(picture), preprocessing)}

    count = wanted.samples + wanted.holdout
    digests = [
        _digest(f"generated {number} {image.size} {image.mode} {wanted.seed}") for number in range(count)
    ]
    note = "calibration used generated images; for ranges that fit the real ones pass --calibration DIR"
    how = f"seed {wanted.seed}, {image.size[1]}x{image.size[0]}"
    return _source(wanted, make, digests, "generated images", [note], how)


def _random_source(inputs: Mapping[str, tuple[int, ...]], wanted: _Wanted) -> InputSource:
    def make(number: int) -> Sample:
        rng = np.random.default_rng([wanted.seed, number])
        return {name: rng.standard_normal(shape, np.float32) for name, shape in inputs.items()}

    count = wanted.samples + wanted.holdout
    digests = [_digest(f"normal {number} {dict(inputs)} {wanted.seed}") for number in range(count)]
    note = f"calibration used random numbers ({_shapes(inputs)} is no image); pass --calibration FILE.npz"
    return _source(wanted, make, digests, "random inputs", [note], f"standard normal, seed {wanted.seed}")


def _image_source(
    folder: Path, inputs: Mapping[str, tuple[int, ...]], preprocessing: Preprocessing | None, wanted: _Wanted
) -> InputSource:
    image = image_input(inputs)
    if image is None:
        raise InputError(
            f"{folder} is a folder of images for a model that takes {_shapes(inputs)}, expected one input "
            "(1, 3, H, W) or (1, 1, H, W); pass a .npy or .npz file"
        )
    files = files_under(folder)
    names = [name for name in files if is_image_file(name)]
    chosen: list[Path] = []
    digests: list[bytes] = []
    broken: list[str] = []
    enlarged = 0
    for number in wanted.order(len(names)):
        try:
            content = read_bytes(folder / names[number])
            width, height = read_image(content, image.mode).size
        except InputError as error:
            broken.append(f"{names[number]} ({error})")
            continue
        enlarged += height < image.size[0] or width < image.size[1]
        chosen.append(folder / names[number])
        digests.append(_digest(content))
        if len(chosen) == wanted.samples + wanted.holdout:
            break
    if not chosen:
        raise InputError(_nothing_usable(folder, files, broken))

    def make(number: int) -> Sample:
        try:
            picture = read_image(read_bytes(chosen[number]), image.mode)
        except InputError as error:
            raise InputError(f"{chosen[number]} could be read before and cannot be now ({error})") from error
        return {image.name: preprocess(picture, image.size, preprocessing)}

    notes = named_in_short(broken, "left out, as they cannot be read")
    notes += _enlarged_note(enlarged, len(chosen), image)
    how = f"{folder.resolve().name}, {describe_preprocessing(image.size, preprocessing)}"
    return _source(wanted, make, digests, "images", notes, how)


def _array_source(
    path: Path, inputs: Mapping[str, tuple[int, ...]], preprocessing: Preprocessing | None, wanted: _Wanted
) -> InputSource:
    arrays = _load_arrays(path, inputs)
    lengths = {array.shape[0] if array.ndim else 0 for array in arrays.values()}
    if len(lengths) > 1 or 0 in lengths:
        shapes = ", ".join(f"{name} {array.shape}" for name, array in arrays.items())
        raise InputError(f"{path} has {shapes}, expected a first axis of samples, as many for every input")
    readers = {
        name: _row_reader(f"{path}, {name}", arrays[name], shape, preprocessing)
        for name, shape in inputs.items()
    }
    chosen = wanted.order(lengths.pop())[: wanted.samples + wanted.holdout]

    def make(number: int) -> Sample:
        return {name: read(chosen[number]) for name, read in readers.items()}

    digests = []
    for number, row in enumerate(chosen):
        for name, value in make(number).items():
            if not np.isfinite(value).all():
                raise InputError(f"{path}, {name}, sample {row} has NaN or infinity, expected finite values")
        digests.append(_digest(b"".join(arrays[name][row].tobytes() for name in inputs)))

    pixels = [shape for name, shape in inputs.items() if arrays[name].dtype == np.uint8]
    how = describe_preprocessing((pixels[0][2], pixels[0][3]), preprocessing) if pixels else "as they are"
    return _source(wanted, make, digests, "samples", [], f"{path.name}, {how}")


def _load_arrays(path: Path, inputs: Mapping[str, tuple[int, ...]]) -> dict[str, NDArray[np.generic]]:
    """Input name -> (N, ...) array. A .npy stays on disk and is read row by row."""
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
            f"{path} cannot be read ({reason}), expected numeric arrays saved by numpy.save or numpy.savez"
        ) from error
    if len(stored) == len(inputs) == 1:
        return dict(zip(inputs, stored.values(), strict=True))
    if set(stored) != set(inputs):
        raise InputError(
            f"{path} has {', '.join(sorted(stored)) or 'nothing'}, "
            f"expected a .npz with arrays named {', '.join(sorted(inputs))}"
        )
    return stored


def _row_reader(
    what: str, array: NDArray[np.generic], shape: tuple[int, ...], preprocessing: Preprocessing | None
) -> Callable[[int], NDArray[np.float32]]:
    """Row number -> that sample as the model takes it, (1, ...) float32."""
    rest = array.shape[1:]
    image = _as_image(what, shape)
    if image and array.dtype == np.uint8 and len(rest) == 3 and rest[2] == image.channels and 0 not in rest:
        return lambda row: preprocess(_as_picture(array[row]), image.size, preprocessing)
    if array.dtype.kind == "f" and shape[0] == 1:
        if rest == shape[1:]:
            return lambda row: _as_batch(array[row])
        if image and rest == (*image.size, image.channels):
            return lambda row: _as_batch(array[row].transpose(2, 0, 1))
    raise InputError(f"{what} is {array.dtype} {array.shape}, expected {_fitting_arrays(shape)}")


def _as_picture(pixels: NDArray[np.generic]) -> Image.Image:
    """(H, W, 3) or (H, W, 1) uint8 to mode RGB or L."""
    return Image.fromarray(np.asarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels))


def _as_batch(row: NDArray[np.generic]) -> NDArray[np.float32]:
    with np.errstate(over="ignore"):  # a double too large for float32 is reported as infinite later
        return np.array(row[None], dtype=np.float32, order="C")


def _fitting_arrays(shape: tuple[int, ...]) -> str:
    """In words, the arrays that an input of this shape can be read from."""
    if shape[0] != 1:
        return f"a model of batch 1 (its input is {shape}); export the model with batch 1"
    planar = "(" + ", ".join(["N", *map(str, shape[1:])]) + ")"
    image = _as_image("", shape)
    if image is None:
        return f"float {planar}"
    height, width = image.size
    channels = image.channels
    return f"float {planar} or (N, {height}, {width}, {channels}), or pixels as uint8 (N, H, W, {channels})"


def _nothing_usable(folder: Path, files: list[str], broken: list[str]) -> str:
    if not files:
        return f"{folder} is empty, expected JPEG or PNG images; pass a folder that holds some, at any depth"
    first = f" (first: {broken[0]})" if broken else ""
    count = f"{len(files)} files" if len(files) > 1 else "1 file"
    return f"{folder}: found {count}, none is a readable JPEG or PNG{first}; pass a folder of images"


def named_in_short(names: Sequence[str], what: str, limit: int = 10) -> list[str]:
    """One warning for each name, "<name>: ...", up to a limit, and one that counts the rest."""
    shown = [f"{what}: {name}" for name in names[:limit]]
    return shown + ([f"{what}: {len(names) - limit} more"] if len(names) > limit else [])


def _enlarged_note(enlarged: int, count: int, image: ImageInput) -> list[str]:
    height, width = image.size
    note = f"{enlarged} of {count} images are smaller than the input ({width}x{height}) and were enlarged"
    return [note] if enlarged else []


def read_bytes(path: Path) -> bytes:
    """Content of a file.

    Raises:
        InputError: it is missing or cannot be read. The message does not name it.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(error.strerror or str(error)) from error


def _digest(content: bytes | str) -> bytes:
    return hashlib.sha256(content.encode() if isinstance(content, str) else content).digest()


def _shapes(inputs: Mapping[str, tuple[int, ...]]) -> str:
    return ", ".join(f"{name} {shape}" for name, shape in inputs.items())
