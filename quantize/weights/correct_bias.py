"""Empirical bias correction: what rounding shifts on average, the biases take back.

Rounding weights and activations moves the mean of a channel, and means add up from layer to layer where
noise averages out. Layer by layer in graph order, with all layers before it quantized and corrected, a
channel's mean over calibration samples is brought back to that of the float network. Nagel et al.,
arXiv 1906.04721, section 4.2, and appendix D for the empirical form.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from mobiledeploy.graph.linear import output_channels
from mobiledeploy.graph.onnx_graph import constant
from mobiledeploy.graph.op_traits import LINEAR_OPS, WEIGHTED
from mobiledeploy.quantize.qdq.plan import weights_of
from mobiledeploy.quantize.weights.batched_executor import Stepwise, largest_live_bytes
from mobiledeploy.runtime.runtimes import OnnxSession, Sample

__all__ = ["BiasCorrection", "add_zero_biases", "copy_biases", "correct_biases", "correctable_layers"]

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
        name = f"{node.outputs[0].name}~bias"
        value = _constant_value(name, zeros)
        model.graph.initializers[name] = value
        node.resize_inputs(3)
        node.replace_input_with(2, value)


def correctable_layers(qdq: ir.Model) -> list[ir.Node]:
    """The linear ops of a QDQ graph that have an integer bias, in graph order."""
    return [node for node in qdq.graph if node.op_type in WEIGHTED and _bias(node) is not None]


def correct_biases(
    qdq: ir.Model,
    reference: ir.Model,
    samples: Sequence[Sample],
    on_layer: Callable[[], Any] = lambda: None,
) -> list[BiasCorrection]:
    """Change the integer biases of a QDQ graph, in place.

    Args:
        reference: The float graph that it was made of, with values of the same names.
        samples: Calibration inputs. The first 64 are used, fewer where a network is so large that their
            values would not fit in half a gigabyte.
        on_layer: Called after each of ``correctable_layers``.

    Returns:
        What was done, in graph order.
    """
    layers = correctable_layers(qdq)
    if not layers:
        return []
    count = max(1, min(_MOST_SAMPLES, _MOST_BYTES // max(1, largest_live_bytes(qdq.graph))))
    chosen = [samples[index] for index in range(min(count, len(samples)))]
    wanted = _float_moments(reference, [_float_name(node) for node in layers], chosen)
    quantized = Stepwise(qdq, chosen)
    return [_corrected(node, quantized, wanted[_float_name(node)], on_layer) for node in layers]


def copy_biases(qdq: ir.Model, model: ir.Model) -> None:
    """Give the float graph that a QDQ graph was made of its biases, in place."""
    corrected = {_float_name(node): _bias(node) for node in correctable_layers(qdq)}
    for node in model.graph:
        bias = corrected.get(node.outputs[0].name or "")
        if bias is None:
            continue
        integers, steps = constant(bias.inputs[0]), constant(bias.inputs[1])
        assert integers is not None and steps is not None
        name = f"{node.outputs[0].name}~corrected_bias"
        array = (integers * steps.astype(np.float64)).astype(np.float32)
        value = _constant_value(name, array)
        model.graph.initializers[name] = value
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
    node: ir.Node, quantized: Stepwise, wanted: _Moments, on_layer: Callable[[], Any]
) -> BiasCorrection:
    found = np.stack([_channel_means(array) for array in quantized.run_to(node)])
    shift = _known_part(found - wanted.means)
    bias = _bias(node)
    assert bias is not None
    integers, steps = constant(bias.inputs[0]), constant(bias.inputs[1])
    assert integers is not None and steps is not None
    moved = np.clip(integers - np.rint(shift / steps), -_MOST_STEPS, _MOST_STEPS).astype(np.int32)
    _replace(bias.inputs[0], moved)
    taken_back = ((integers.astype(np.float64) - moved) * steps).astype(np.float32)
    quantized.change(node, lambda array: array - taken_back.reshape(1, -1, *[1] * (array.ndim - 2)))
    on_layer()
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


def _bias(node: ir.Node) -> ir.Node | None:
    """The DequantizeLinear of a node's integer bias."""
    value = node.inputs[2] if len(node.inputs) > 2 else None
    producer = value.producer() if value is not None else None
    if producer is None or producer.op_type != "DequantizeLinear":
        return None
    integers = constant(producer.inputs[0])
    return producer if integers is not None and integers.dtype == np.int32 else None


def _float_name(node: ir.Node) -> str:
    """The name in the float graph of what a node of its QDQ graph computes: outputs of the model differ."""
    return (node.outputs[0].name or "").removesuffix("/float")


def _constant_value(name: str, array: NDArray[np.float32]) -> ir.Value:
    """With its type, without which a graph cannot be serialized whole."""
    return ir.Value(name=name, type=ir.TensorType(ir.DataType.FLOAT), const_value=ir.tensor(array, name=name))


def _replace(value: ir.Value | None, array: NDArray[Any]) -> None:
    assert value is not None
    value.const_value = ir.tensor(array, name=value.name)
