"""Run float inputs through ONNX Runtime and keep a histogram per quantization point."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import onnx_ir as ir

from mobiledeploy.errors import InputError
from mobiledeploy.quantize.histogram import Histogram
from mobiledeploy.runtimes import OnnxSession, Sample

__all__ = ["collect_histograms"]


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

    Raises:
        InputError: There are no samples, or one drives a value to NaN or infinity.
    """
    names = [value.name or "" for value in values]
    histograms = {value: Histogram() for value in values}
    if not names:
        return histograms
    session, index = OnnxSession(model, extra_outputs=names), -1
    for index, sample in enumerate(samples):
        for value, array in zip(values, session.values(sample, names), strict=True):
            try:
                histograms[value].add(array)
            except FloatingPointError:
                raise InputError(
                    f"{value.name!r} is NaN or infinite on calibration sample {index}, expected finite "
                    "values; check the weights and that input"
                ) from None
        on_sample()
    if index < 0:
        raise InputError("no calibration samples, expected at least one; give more inputs")
    return histograms
