"""Run float inputs through ONNX Runtime and keep statistics of each value."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from typing import Any, Protocol

import onnx_ir as ir
from numpy.typing import NDArray

from mobiledeploy.base.errors import InputError
from mobiledeploy.quantize.calibrate.histogram import Histogram, merged
from mobiledeploy.quantize.calibrate.statistics_cache import StatisticsCache
from mobiledeploy.runtime.runtimes import OnnxSession, Sample

__all__ = ["Observer", "collect_histograms", "observe"]


def collect_histograms(
    model: ir.Model,
    groups: Sequence[Sequence[str]],
    samples: Iterable[Sample],
    on_sample: Callable[[], Any] = lambda: None,
    cache: StatisticsCache | None = None,
) -> list[Histogram]:
    """Return for each group of values a histogram of what all its members are on the samples.

    Args:
        groups: Names of activations of ``model``, graph inputs among them.
        samples: Input name -> float32 array, NCHW for images. Not touched if the cache has the result.
        on_sample: Called after each sample, for progress.
        cache: Keeps statistics of these very samples.

    Raises:
        InputError: There are no samples, or one drives a value to NaN or infinity.
    """
    names = list(chain.from_iterable(groups))
    if not names:
        return []
    key = cache.key(model, names) if cache else ""
    histograms = cache.find(key, len(names)) if cache else None
    if histograms is None:
        histograms = [Histogram() for _ in names]
        observe(model, dict(zip(names, histograms, strict=True)), samples, on_sample)
        if cache:
            cache.keep(key, histograms)
    of = dict(zip(names, histograms, strict=True))
    return [merged(of[name] for name in group) for group in groups]


class Observer(Protocol):
    """Keeps statistics of one value."""

    def add(self, array: NDArray[Any], /) -> None:
        """Take what the value is for one sample.

        Raises:
            FloatingPointError: Some of it is NaN or infinite.
        """


def observe(
    model: ir.Model,
    observers: Mapping[str, Observer],
    samples: Iterable[Sample],
    on_sample: Callable[[], Any] = lambda: None,
) -> None:
    """Show each observer its value on every sample. Memory holds one sample's values at a time.

    Args:
        observers: Name of a value -> what observes it; the graph's inputs may be among them.
        on_sample: Called after each sample, for progress.

    Raises:
        InputError: There are no samples, or one drives a value to NaN or infinity.
    """
    names = list(observers)
    session, index = OnnxSession(model, extra_outputs=names), -1
    # Each observer is called by one thread at a time, in the order of the samples: the same every time.
    with ThreadPoolExecutor(os.cpu_count()) as threads:
        for index, sample in enumerate(samples):
            finite = list(threads.map(_add, observers.values(), session.values(sample, names)))
            if not all(finite):
                raise InputError(
                    f"{names[finite.index(False)]!r} is NaN or infinite on calibration sample {index}, "
                    "expected finite values; check the weights and that input"
                )
            on_sample()
    if index < 0:
        raise InputError("no calibration samples, expected at least one; give more inputs")


def _add(observer: Observer, array: NDArray[Any]) -> bool:
    """Whether all numbers were finite and have been taken."""
    try:
        observer.add(array)
    except FloatingPointError:
        return False
    return True
