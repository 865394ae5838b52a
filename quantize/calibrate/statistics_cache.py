"""Histograms of earlier runs, in the user's cache: the same network on the same data need not run again."""

from __future__ import annotations

import hashlib
import os
import platform
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import onnx_ir as ir

from mobiledeploy.base.cache import placed
from mobiledeploy.base.errors import InputError
from mobiledeploy.quantize.calibrate.histogram import Histogram, pack, unpack
from mobiledeploy.runtime.runtimes import Sample

__all__ = ["StatisticsCache", "identity"]

# To be raised when a histogram of the same values comes to hold something else.
_FORMAT = 1


class StatisticsCache:
    """Histograms of the activations of networks over one set of samples.

    What cannot be read is as if it were not there; what cannot be written is left out.

    Args:
        folder: Holds one file for each network and set of samples; other runs may use it, too.
        data: Tells this set of samples from others, as ``identity`` does.
        limit_bytes: Most bytes of all files together; the least recently used files go first.
    """

    def __init__(self, folder: Path, data: str, limit_bytes: int = 64 << 20) -> None:
        self._folder, self._data, self._limit_bytes = folder, data, limit_bytes

    def key(self, model: ir.Model, names: Sequence[str]) -> str:
        """Hex digest of all that the histograms of the values of those names depend on."""
        import onnxruntime

        digest = hashlib.sha256(ir.to_proto(model).SerializeToString(deterministic=True))
        runtime = (onnxruntime.__version__, platform.machine(), os.cpu_count())
        digest.update(repr((_FORMAT, runtime, self._data, list(names))).encode())
        return digest.hexdigest()

    def find(self, key: str, count: int) -> list[Histogram] | None:
        """What was kept under a key, if it is whole and holds so many histograms."""
        path = self._path(key)
        try:
            with np.load(path, allow_pickle=False) as stored:
                histograms = unpack({name: stored[name] for name in stored.files})
            if len(histograms) != count:
                return None
            os.utime(path)  # used just now
        except Exception:  # on damaged files numpy and zipfile raise whatever they run into
            return None
        return histograms

    def keep(self, key: str, histograms: Sequence[Histogram]) -> None:
        """Write histograms, and remove what has become too much."""
        arrays: dict[str, Any] = {**pack(histograms)}
        with suppress(InputError):
            with placed(self._path(key)) as aside, aside.open("wb") as file:
                np.savez_compressed(file, **arrays)
            self._evict()

    def _evict(self) -> None:
        with suppress(OSError):  # another process may evict at the same time
            files = [(path.stat(), path) for path in self._folder.glob("*.npz")]
            files.sort(key=lambda item: item[0].st_mtime_ns)
            size = sum(stat.st_size for stat, _ in files)
            for stat, path in files[:-1]:
                if size <= self._limit_bytes:
                    break
                path.unlink()
                size -= stat.st_size

    def _path(self, key: str) -> Path:
        return self._folder / f"{key}.npz"


def identity(fingerprint: str, samples: Sequence[Sample], settings: Iterable[object]) -> str:
    """What tells one set of samples from others.

    Args:
        fingerprint: Digest of the files that they are made from.
        samples: The samples; the first one counts by its numbers, in case the preparation changes.
        settings: All other settings that decide how they are made.
    """
    digest = hashlib.sha256(repr((fingerprint, len(samples), list(settings))).encode())
    for name, array in sorted(samples[0].items()):
        digest.update(f"{name} {array.dtype} {array.shape}".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()
