"""A histogram per quantization point, from the cache where it has them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import onnx_ir as ir

from mobiledeploy.quantize.calibrate.histogram import Histogram
from mobiledeploy.quantize.calibrate.observe import observe
from mobiledeploy.quantize.calibrate.statistics_cache import StatisticsCache
from mobiledeploy.runtime.runtimes import Sample

__all__ = ["collect_histograms"]


def collect_histograms(
    model: ir.Model,
    names: Sequence[str],
    samples: Iterable[Sample],
    on_sample: Callable[[], Any] = lambda: None,
    cache: StatisticsCache | None = None,
) -> dict[str, Histogram]:
    """Name of a value -> its histogram over the samples.

    Args:
        names: Names of activations of ``model``, graph inputs among them.
        samples: Input name -> float32 array, NCHW for images. Not touched if the cache has the result.
        on_sample: Called after each sample, for progress.
        cache: Keeps statistics of these very samples.

    Raises:
        InputError: There are no samples, or one drives a value to NaN or infinity.
    """
    if not names:
        return {}
    key = cache.key(model, names) if cache else ""
    found = cache.find(key, len(names)) if cache else None
    if found is not None:
        return dict(zip(names, found, strict=True))
    histograms = {name: Histogram() for name in names}
    observe(model, histograms, samples, on_sample)
    if cache:
        cache.keep(key, list(histograms.values()))
    return histograms
