"""Tells a file that holds code from one that is merely damaged, without running either."""

from __future__ import annotations

import pickle
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import torch

__all__ = ["first_code"]

# torch's format before 1.6 is a magic number, a version and a system description, then the object.
_OLD_FORMAT_PICKLES = 4


def first_code(path: Path) -> str | None:
    """Qualified name of the first function or class that the pickle in `path` would import and call.

    Reads plain pickles, torch.save's archives and its older format.

    Returns:
        e.g. "posix.system", or None where nothing but tensors is named, or the file is no pickle.
    """
    try:
        with _pickles(path) as file:
            for _ in range(_OLD_FORMAT_PICKLES):
                _Inspector(file).load()
    except _CodeFoundError as found:
        return str(found)
    except Exception:  # the bytes may be anything, and a pickle machine fails on them in as many ways
        return None
    return None


@contextmanager
def _pickles(path: Path) -> Iterator[IO[bytes]]:
    if not zipfile.is_zipfile(path):
        with path.open("rb") as file:
            yield file
    else:
        with zipfile.ZipFile(path) as archive:
            member = next(name for name in archive.namelist() if name.endswith("/data.pkl"))
            with archive.open(member) as file:
                yield file


class _CodeFoundError(Exception):
    pass


class _Inert:
    """Takes the place of a tensor or ordered dict: accepts whatever a pickle does to it and keeps nothing."""

    def __init__(self, *args: object) -> None:
        pass

    def __setitem__(self, key: object, value: object) -> None:
        pass

    def __setstate__(self, state: object) -> None:
        pass


class _Inspector(pickle.Unpickler):
    """Stops at the first imported name; a pickle reaches functions and classes through `find_class` alone."""

    def find_class(self, module: str, name: str) -> type[_Inert]:
        if _describes_tensors(module, name):
            return _Inert
        raise _CodeFoundError(f"{module}.{name}")

    def persistent_load(self, pid: object) -> None:
        """Stands for a tensor's bytes, which are not needed to see what the file would call."""


def _describes_tensors(module: str, name: str) -> bool:
    """Whether torch.save writes this name for a state_dict. Anything else is somebody's code."""
    match module:
        case "collections":
            return name == "OrderedDict"
        case "torch._utils":
            return name.startswith("_rebuild_")
        case "torch":
            return name.endswith("Storage") or isinstance(getattr(torch, name, None), torch.dtype)
        case _:
            return False
