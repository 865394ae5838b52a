"""The files of a launch on this machine: models, inputs and outputs, in a folder that is gone at its end."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from mobiledeploy.base.errors import DeviceError, InputError
from mobiledeploy.bench.runner.records import Model

__all__ = ["folder_with", "read"]


@contextmanager
def folder_with(models: Mapping[str, Model]) -> Iterator[Path]:
    """Make a folder with links to models, and their inputs beside them; all is gone at the end.

    Args:
        models: Name of a link -> model.

    Raises:
        InputError: It cannot be made.
    """
    with ExitStack() as until_the_end:
        try:
            folder = Path(until_the_end.enter_context(TemporaryDirectory(prefix="mobiledeploy-bench-")))
            for name, model in models.items():
                (folder / name).symlink_to(model.path.resolve())
                for i, content in enumerate(model.inputs):
                    (folder / f"{name}.in{i}").write_bytes(content)
        except OSError as error:
            raise InputError(
                f"{error.filename} gives {error.strerror!r}, expected room for the models' inputs; set "
                "TMPDIR to another folder"
            ) from error
        yield folder


def read(path: str | Path) -> bytes:
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
