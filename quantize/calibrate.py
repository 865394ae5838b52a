"""Run float inputs through ONNX Runtime and keep a histogram per quantization point."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from mobiledeploy.quantize.histogram import Histogram
from mobiledeploy.runtimes import OnnxSession

__all__ = ["collect_histograms"]

Sample = Mapping[str, NDArray[np.float32]]


def collect_histograms(
    model: ir.Model,
    values: Sequence[ir.Value],
    samples: Iterable[Sample],
    on_sample: Callable[[], Any] = lambda: None,
) -> dict[ir.Value, Histogram]:
    """Histograms of graph values over the samples. Memory holds one sample's values at a time.

    Args:
        values: Activations of ``model``, graph inputs among them.
        samples: Input name -> float32 array, NCHW for images.
        on_sample: Called after each sample, for progress.
    """
    names = [value.name or "" for value in values]
    session = OnnxSession(model, extra_outputs=names)
    histograms = {value: Histogram() for value in values}
    for sample in samples:
        results = session.run(sample, names)
        for value, array in zip(values, results, strict=True):
            histograms[value].add(array)
        on_sample()
    return histograms
