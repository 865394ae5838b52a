"""Run float inputs through ONNX Runtime and keep a histogram per quantization point."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from mobiledeploy.base.errors import InputError
from mobiledeploy.quantize.calibrate.histogram import Histogram
from mobiledeploy.quantize.calibrate.statistics_cache import StatisticsCache
from mobiledeploy.runtime.runtimes import OnnxSession, Sample

__all__ = ["collect_histograms"]


def collect_histograms(
    model: ir.Model,
    values: Sequence[ir.Value],
    samples: Iterable[Sample],
    on_sample: Callable[[], Any] = lambda: None,
    cache: StatisticsCache | None = None,
) -> dict[ir.Value, Histogram]:
    """Histograms of graph values over the samples. Memory holds one sample's values at a time.

    Args:
        values: Activations of ``model``, graph inputs among them.
        samples: Input name -> float32 array, NCHW for images. Not touched if the cache has the result.
        on_sample: Called after each sample, for progress.
        cache: Of these very samples.

    Raises:
        InputError: There are no samples, or one drives a value to NaN or infinity.
    """
    names = [value.name or "" for value in values]
    if not names:
        return {}
    key = cache.key(model, names) if cache else ""
    histograms = cache.find(key, len(names)) if cache else None
    if histograms is None:
        histograms = _counted(model, names, samples, on_sample)
        if cache:
            cache.keep(key, histograms)
    return dict(zip(values, histograms, strict=True))


def _counted(
    model: ir.Model, names: Sequence[str], samples: Iterable[Sample], on_sample: Callable[[], Any]
) -> list[Histogram]:
    histograms = [Histogram() for _ in names]
    session, index = OnnxSession(model, extra_outputs=names), -1
    # Each histogram is filled by one thread at a time, in the order of the samples: the same every time.
    with ThreadPoolExecutor(os.cpu_count()) as threads:
        for index, sample in enumerate(samples):
            finite = list(threads.map(_add, histograms, session.values(sample, names)))
            if not all(finite):
                raise InputError(
                    f"{names[finite.index(False)]!r} is NaN or infinite on calibration sample {index}, "
                    "expected finite values; check the weights and that input"
                )
            on_sample()
    if index < 0:
        raise InputError("no calibration samples, expected at least one; give more inputs")
    return histograms


def _add(histogram: Histogram, array: NDArray[np.float32]) -> bool:
    """Whether all values were finite and have been counted."""
    try:
        histogram.add(array)
    except FloatingPointError:
        return False
    return True
