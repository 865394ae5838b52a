"""The inputs and outputs of a .tflite file, and bytes to feed it: seeded noise, or the user's arrays."""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mobiledeploy.base.errors import InputError
from mobiledeploy.runtime.runtimes import TfliteSession

__all__ = ["Interface", "IoTensor", "given_inputs", "interface", "noise_inputs", "to_array"]


@dataclass(frozen=True)
class IoTensor:
    """An input or output of a file.

    Attributes:
        name: In the first signature; the tensor's own in a file without signatures.
        shape: As the file holds it, images NHWC; a size that it leaves open is the one that it starts with.
        dtype: type of its elements, little endian.
    """

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]


@dataclass(frozen=True)
class Interface:
    """Inputs and outputs of a file, each in the order in which the runner numbers them: the graph's."""

    inputs: tuple[IoTensor, ...]
    outputs: tuple[IoTensor, ...]


def interface(path: Path) -> Interface:
    """Read what the file takes and gives.

    Raises:
        InputError: It is missing, no TFLite model, or has an input or output of a type that is no number.
    """
    # Without delegate: nothing is prepared that is not needed to ask.
    session = TfliteSession(path, delegate=False)
    names = {
        detail["index"]: name for side in (session.inputs, session.outputs) for name, detail in side.items()
    }
    sides = [
        tuple(_tensor(path, names.get(detail["index"], detail["name"]), detail) for detail in details)
        for details in (session.interpreter.get_input_details(), session.interpreter.get_output_details())
    ]
    return Interface(*sides)


def _tensor(path: Path, name: str, detail: dict[str, Any]) -> IoTensor:
    dtype = np.dtype(detail["dtype"])
    if dtype.kind not in "biuf":
        raise InputError(
            f"{path}: {name} is of type {dtype}, expected numbers; export it without that tensor"
        )
    return IoTensor(name, tuple(int(size) for size in detail["shape"]), dtype.newbyteorder("<"))


def noise_inputs(found: Interface, seed: int) -> tuple[bytes, ...]:
    """Draw bytes for each input: real numbers uniform in [-1, 1), integers over their whole range."""
    random = np.random.default_rng(seed)
    return tuple(_noise(tensor, random).astype(tensor.dtype).tobytes() for tensor in found.inputs)


def _noise(tensor: IoTensor, random: np.random.Generator) -> NDArray[Any]:
    if tensor.dtype.kind == "f":
        return random.uniform(-1, 1, tensor.shape)
    if tensor.dtype.kind == "b":
        return random.integers(0, 2, tensor.shape)
    limits = np.iinfo(tensor.dtype)
    return random.integers(
        limits.min, limits.max, tensor.shape, tensor.dtype.newbyteorder("="), endpoint=True
    )


def given_inputs(found: Interface, file: Path) -> tuple[bytes, ...]:
    """Read bytes for each input from a .npy file (of one input), or from a .npz file with the inputs' names.

    Images may be NCHW, too, and are transposed then.

    Raises:
        InputError: The file cannot be read, or an array is missing or does not fit its input.
    """
    try:
        content = np.load(file, allow_pickle=False)
        arrays = dict(content) if isinstance(content, np.lib.npyio.NpzFile) else {"": content}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise InputError(
            f"{file} cannot be read ({error}), expected a .npy or .npz file of arrays"
        ) from error
    if len(arrays) == len(found.inputs) == 1:
        (array,) = arrays.values()
        return (_fitted(found.inputs[0], array, file),)
    missing = [tensor.name for tensor in found.inputs if tensor.name not in arrays]
    if missing:
        raise InputError(
            f"{file} has no array {', '.join(missing)}, expected one for each input; save them by "
            f"np.savez with the names {', '.join(tensor.name for tensor in found.inputs)}"
        )
    return tuple(_fitted(tensor, arrays[tensor.name], file) for tensor in found.inputs)


def _fitted(tensor: IoTensor, array: NDArray[Any], file: Path) -> bytes:
    if array.ndim == 4 and array.shape != tensor.shape:
        array = array.transpose(0, 2, 3, 1)
    if array.shape != tensor.shape or array.dtype.newbyteorder("<") != tensor.dtype:
        raise InputError(
            f"{file}: the array for {tensor.name} is {array.dtype.name} {array.shape}, expected "
            f"{tensor.dtype.name} {tensor.shape}, or NCHW; convert it"
        )
    return array.astype(tensor.dtype).tobytes()


def to_array(tensor: IoTensor, content: bytes) -> NDArray[Any]:
    """Return the elements that an output's bytes stand for, as stored, in the tensor's shape.

    Raises:
        ValueError: The number of bytes is another.
    """
    return np.frombuffer(content, tensor.dtype).reshape(tensor.shape)
