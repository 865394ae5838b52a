"""Empirical bias correction: what rounding shifts on average, the biases take back.

Rounding weights and activations moves the mean of a channel, and means add up from layer to layer where
noise averages out. Layer by layer in graph order, with all layers before it quantized and corrected, a
channel's mean over calibration samples is brought back to that of the float network. Nagel et al.,
arXiv 1906.04721, section 4.2, and appendix D for the empirical form.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from mobiledeploy.base.progress import SILENT, Progress
from mobiledeploy.graph.constants import add_initializer
from mobiledeploy.graph.linear import output_channels
from mobiledeploy.graph.onnx_graph import constant, input_at, result_of
from mobiledeploy.graph.op_traits import LINEAR_OPS, WEIGHTED
from mobiledeploy.quantize.qdq.plan import weights_of
from mobiledeploy.quantize.weights.batched_executor import BatchedExecutor, largest_live_bytes
from mobiledeploy.runtime.runtimes import OnnxSession, Sample

__all__ = ["BiasCorrection", "add_zero_biases", "copy_biases", "correct_biases"]

_MOST_SAMPLES = 64
_MOST_BYTES = 1 << 29
_CHANNEL_AXIS = 1  # NCHW, and (N, C) after Gemm
_MOST_STEPS = 2.0**30  # of a bias, as where it is first written (params.with_room_for_bias)


@dataclass(frozen=True)
class BiasCorrection:
    """How far the biases of a layer were moved.

    Attributes:
        layer: Name of the layer's result.
        shift: Root mean square over the channels of what was taken back, relative to the standard deviation
            of the layer's results in float.
    """

    layer: str
    shift: float


def add_zero_biases(model: ir.Model) -> None:
    """Give every convolution and fully connected op without a bias one of zeros, in place.

    TFLite stores one in any case.
    """
    for node in model.graph:
        weights = weights_of(node)
        if weights is None or node.op_type not in LINEAR_OPS or len(node.inputs) != 2:
            continue
        zeros = np.zeros(output_channels(node, weights.shape), np.float32)
        node.resize_inputs(3)
        node.replace_input_with(2, add_initializer(model.graph, f"{result_of(node)}~bias", zeros))


def correct_biases(
    qdq: ir.Model, reference: ir.Model, samples: Sequence[Sample], progress: Progress = SILENT
) -> list[BiasCorrection]:
    """Change the integer biases of the linear ops of a QDQ graph, in place.

    Args:
        reference: The float graph that it was made of, with values of the same names.
        samples: Calibration inputs. The first 64 are used, fewer where a network is so large that their
            values would not fit in half a gigabyte.
        progress: Shows how many layers are done.

    Returns:
        What was done, in graph order.
    """
    biases = _integer_biases(qdq)
    if not biases:
        return []
    count = max(1, min(_MOST_SAMPLES, _MOST_BYTES // max(1, largest_live_bytes(qdq.graph))))
    chosen = [samples[index] for index in range(min(count, len(samples)))]
    wanted = _float_moments(reference, [_float_name(node) for node in biases], chosen)
    quantized = BatchedExecutor(qdq, chosen)
    found = []
    with progress.step("correct biases", len(biases)) as advance:
        for node, bias in biases.items():
            found.append(_corrected(node, bias, quantized, wanted[_float_name(node)]))
            advance()
    return found


def copy_biases(qdq: ir.Model, model: ir.Model) -> None:
    """Give the float graph that a QDQ graph was made of its biases, in place."""
    corrected = {_float_name(node): bias for node, bias in _integer_biases(qdq).items()}
    for node in model.graph:
        if (bias := corrected.get(result_of(node))) is not None:
            array = (bias.integers * bias.steps.astype(np.float64)).astype(np.float32)
            value = add_initializer(model.graph, f"{result_of(node)}~corrected_bias", array)
            node.replace_input_with(2, value)


@dataclass(frozen=True)
class _Moments:
    """Attributes:
    means: (samples, channels).
    deviation: Standard deviation of all values.
    """

    means: NDArray[np.float64]
    deviation: float


def _float_moments(
    reference: ir.Model, names: Sequence[str], samples: Sequence[Sample]
) -> dict[str, _Moments]:
    session = OnnxSession(reference, extra_outputs=names, threads=1)
    means: dict[str, list[NDArray[np.float64]]] = {name: [] for name in names}
    variances: dict[str, list[float]] = {name: [] for name in names}
    for sample in samples:
        for name, array in zip(names, session.values(sample, names), strict=True):
            means[name].append(_channel_means(array))
            variances[name].append(float(array.var(dtype=np.float64)))
    return {name: _Moments(np.stack(means[name]), float(np.sqrt(np.mean(variances[name])))) for name in names}


def _corrected(
    node: ir.Node, bias: _IntegerBias, quantized: BatchedExecutor, wanted: _Moments
) -> BiasCorrection:
    found = np.stack([_channel_means(array) for array in quantized.run_to(node)])
    shift = _known_part(found - wanted.means)
    moved = np.clip(bias.integers - np.rint(shift / bias.steps), -_MOST_STEPS, _MOST_STEPS).astype(np.int32)
    bias.value.const_value = ir.tensor(moved, name=bias.value.name)
    taken_back = ((bias.integers.astype(np.float64) - moved) * bias.steps).astype(np.float32)
    quantized.change(node, lambda array: array - taken_back.reshape(1, -1, *[1] * (array.ndim - 2)))
    relative = float(np.sqrt(np.mean(np.square(taken_back)))) / max(wanted.deviation, 1e-30)
    return BiasCorrection(_float_name(node), relative)


def _known_part(errors: NDArray[np.float64]) -> NDArray[np.float64]:
    """The mean error of each channel, less what a mean over so few samples cannot be told from noise.

    Shrunk by signal / (signal + noise), the Wiener gain of a mean whose standard error is known.

    Args:
        errors: (samples, channels).
    """
    mean = errors.mean(axis=0)
    noise = errors.var(axis=0, ddof=1) / len(errors) if len(errors) > 1 else np.zeros_like(mean)
    power = np.square(mean)
    known: NDArray[np.float64] = mean * power / np.maximum(power + noise, 1e-30)
    return known


def _channel_means(array: NDArray[Any]) -> NDArray[np.float64]:
    others = tuple(axis for axis in range(array.ndim) if axis != _CHANNEL_AXIS)
    means: NDArray[np.float64] = array.mean(axis=others, dtype=np.float64)
    return means


@dataclass(frozen=True, eq=False)
class _IntegerBias:
    """Attributes:
    value: The constant that holds the integers.
    integers: (output channels,), int32.
    steps: Scale of the integers, one number or one per channel.
    """

    value: ir.Value
    integers: NDArray[np.int32]
    steps: NDArray[np.float32]


def _integer_biases(qdq: ir.Model) -> dict[ir.Node, _IntegerBias]:
    """The linear ops of a QDQ graph that have an integer bias, in graph order."""
    found = {}
    for node in qdq.graph:
        real = input_at(node, 2) if node.op_type in WEIGHTED else None
        dequantizer = None if real is None else real.producer()
        if dequantizer is None or dequantizer.op_type != "DequantizeLinear":
            continue
        value, integers, steps = dequantizer.inputs[0], *map(constant, dequantizer.inputs[:2])
        if value is not None and integers is not None and steps is not None and integers.dtype == np.int32:
            found[node] = _IntegerBias(value, integers, steps)
    return found


def _float_name(node: ir.Node) -> str:
    """The name in the float graph of what a node of its QDQ graph computes: outputs of the model differ."""
    return result_of(node).removesuffix("/float")
