"""The files of a launch on this machine: models, inputs and outputs, in a folder that is gone at its end."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mobiledeploy.base.errors import DeviceError, InputError
from mobiledeploy.bench.runner.records import Model

__all__ = ["put", "read", "temporary_folder"]


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """Make a folder, gone at the end with all that is in it.

    Raises:
        InputError: It cannot be made.
    """
    try:
        folder = tempfile.TemporaryDirectory(prefix="mobiledeploy-bench-")
    except OSError as error:
        raise _no_room(error) from error
    with folder as name:
        yield Path(name)


def put(model: Model, path: Path) -> None:
    """Write a link to the model, and its inputs beside it.

    Raises:
        InputError: They cannot be written.
    """
    try:
        path.symlink_to(model.path.resolve())
        for i, content in enumerate(model.inputs):
            path.with_name(f"{path.name}.in{i}").write_bytes(content)
    except OSError as error:
        raise _no_room(error) from error


def read(path: str) -> bytes:
    """Return an output that the runner wrote.

    Raises:
        DeviceError: It did not.
    """
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise DeviceError(
            f"{path}: {error.strerror}, expected an output of the runner; measure again"
        ) from error


def _no_room(error: OSError) -> InputError:
    return InputError(
        f"{error.filename} gives {error.strerror!r}, expected room for the models' inputs; set TMPDIR to "
        "another folder"
    )
