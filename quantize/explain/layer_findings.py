"""Why the worst layers are bad, in words that say what can be done about it.

First where the noise of a layer's result enters: before the layer, in its constants, inside of it (the gate
of an h-swish), or in its result. Then what about the numbers there makes a step of int8 too coarse.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from mobiledeploy.graph.onnx_graph import required, result_of
from mobiledeploy.graph.op_traits import SAME_SCALE
from mobiledeploy.graph.params import QuantParams
from mobiledeploy.quantize.explain.local_loss import LocalLoss, local_losses
from mobiledeploy.quantize.mixed.mixed_graph import MixedGraph
from mobiledeploy.quantize.qdq.keep_float import stem
from mobiledeploy.quantize.qdq.layers import Layer
from mobiledeploy.quantize.qdq.plan import LinearOp
from mobiledeploy.quantize.weights.channel_factors import channel_factors
from mobiledeploy.runtime.runtimes import OnnxSession, Sample

__all__ = ["LayerFinding", "Reason", "explain_layers"]

Reason = Literal[
    "inherited", "outlier channel", "range", "clipping", "shared scale", "activation", "weights", "rounding"
]

_WORST = 5
_OWN_SHARE = 0.35
_WIDE_SCALE = 2.0  # so many times the range that the values need: one of the eight bits is lost
_OUTLIER_CHANNEL = 6.0  # times the median channel
_OUTLIER_VALUE = 4.0  # times what 99.9 % of the values stay below; of normally distributed ones 1.5 times
_OUTLIER_WEIGHT = 6.0  # times the root mean square of its channel; of hundreds of normally distributed ones 3

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class LayerFinding:
    """One of the layers of least SQNR.

    Attributes:
        layer: Name of the layer.
        op: ONNX type of its first op.
        sqnr_db: SQNR of its result, with everything before it in int8, too.
        own_sqnr_db: SQNR of its result if its input came from float.
        reason: Kind of the cause.
        text: Cause, in words.
        remedy: What to do about it, in words.
        affected: Later layers of still less SQNR whose noise comes from it; they are not listed themselves.
    """

    layer: str
    op: str
    sqnr_db: float
    own_sqnr_db: float
    reason: Reason
    text: str
    remedy: str
    affected: tuple[str, ...] = ()


def explain_layers(
    graph: MixedGraph,
    samples: Sequence[Sample],
    on_sample: Callable[[], Any] = lambda: None,
    *,
    equalized: bool = True,
) -> list[LayerFinding]:
    """The five layers of least SQNR, the worst first, each with a reason.

    In place of layers that only pass on what one layer before them has done, that one layer is listed.

    Args:
        samples: A few inputs; values of those layers on all of them are in memory at a time.
        on_sample: Called after each sample, for progress.
        equalized: Whether equalization was on when the graph was quantized.
    """
    explainer = _Explainer(graph, local_losses(graph, samples, on_sample), equalized)
    worst = explainer.worst()
    names = list(dict.fromkeys(name for loss, _ in worst for name in (loss.layer.name, loss.layer.output)))
    session = OnnxSession(graph.exact, names, optimize=False)
    seen: Values = {name: [] for name in names}
    for sample in samples:
        for name, array in zip(names, session.values(sample, names), strict=True):
            seen[name].append(array)
    return [explainer.finding(loss, affected, seen) for loss, affected in worst]


Values = dict[str, list[Floats]]
"""Name of a value -> the value in float, one array for each sample."""

Found = tuple[Reason, str, str]
"""Reason, text, remedy."""


class _Explainer:
    def __init__(self, graph: MixedGraph, losses: Sequence[LocalLoss], equalized: bool) -> None:
        self._graph, self._losses, self._equalized = graph, losses, equalized
        self._nodes = {result_of(node): node for node in graph.exact.graph}
        self._by_name = {loss.layer.name: loss for loss in losses}
        self._loss_of = {name: loss for loss in losses for name in loss.layer.nodes}

    def worst(self) -> list[tuple[LocalLoss, list[str]]]:
        """The layers to explain, and the names of those that are worse because of them."""
        found: dict[str, tuple[LocalLoss, list[str]]] = {}
        for loss in sorted(self._losses, key=lambda loss: loss.cumulated):
            source = self._culprit(loss) or loss
            _, affected = found.setdefault(source.layer.name, (source, []))
            if source is not loss:
                affected.append(loss.layer.name)
            if len(found) == _WORST:
                break
        return list(found.values())

    def _culprit(self, loss: LocalLoss) -> LocalLoss | None:
        """The one layer before a layer whose own rounding is most of the noise in its result.

        Looked for along the values of least SQNR, as far back as they are about as noisy.
        """
        if loss.own_share >= _OWN_SHARE:
            return None
        at = loss
        while at.passed:
            closest = min(at.passed, key=at.passed.__getitem__)
            if loss.share(at.passed[closest]) >= _OWN_SHARE:
                return self._by_name[closest]
            noisiest = min((self._by_name[name] for name in at.passed), key=lambda source: source.cumulated)
            if loss.share(noisiest.own["all"]) >= _OWN_SHARE:
                return noisiest
            if loss.share(noisiest.cumulated) < _OWN_SHARE:
                return None
            at = noisiest
        return None

    def finding(self, loss: LocalLoss, affected: Sequence[str], values: Values) -> LayerFinding:
        """Why that layer is bad.

        Args:
            values: Among them its result, and that of its first op.
        """
        reason, text, remedy = self._why(loss, bool(affected), values)
        layer, own = loss.layer, loss.own["all"]
        return LayerFinding(layer.name, layer.op, loss.cumulated, own, reason, text, remedy, tuple(affected))

    def _why(self, loss: LocalLoss, harms: bool, values: Values) -> Found:
        layer = loss.layer
        result = self._numbers(layer, layer.output, values[layer.output])
        if harms and result is not None:
            return result
        if loss.own_share < _OWN_SHARE and not harms:
            return self._inherited(loss)
        parts: dict[str, float] = {part: loss.own[part] for part in ("constants", "inner", "result")}
        worst = min(parts, key=parts.__getitem__)
        if worst == "constants":
            return self._weights(layer)
        if worst == "inner":
            before = self._numbers(layer, layer.name, values[layer.name])
            return before or _activation(loss, self._nodes)
        text = "its values fill their range well: this is what a step of 1/255 of the range gives"
        remedy = f"nothing is wrong here; if it must be better, {_in_float(layer.name)}"
        return result or ("rounding", text, remedy)

    # Where it comes from

    def _inherited(self, loss: LocalLoss) -> Found:
        text = f"the layer itself adds little ({_percent(loss.own_share)} of the noise); "
        sources = self._sources(loss.layer)
        if not sources:
            text += "the rest is the rounding of the network's input"
            return "inherited", text, "inputs of less range than the calibration's, or calibrate with those"
        source = min(sources, key=lambda source: source.own["all"])
        text += (
            f"the rest has gathered in {len(sources)} layers before it, of which {source.layer.name} "
            f"rounds the most ({source.own['all']:.1f} dB by itself)"
        )
        return "inherited", text, "no one layer is to blame: --effort high, or --accuracy-budget"

    def _sources(self, layer: Layer) -> list[LocalLoss]:
        """The losses of all layers that it computes from."""
        found: dict[str, LocalLoss] = {}
        pending = [self._nodes[name] for name in layer.nodes]
        seen = set(pending)
        while pending:
            node = pending.pop()
            loss = self._loss_of.get(result_of(node))
            if loss is not None and loss.layer is not layer:
                found[loss.layer.name] = loss
            producers = [value.producer() for value in node.inputs if value is not None]
            new = [producer for producer in producers if producer is not None and producer not in seen]
            seen.update(new)
            pending += new
        return list(found.values())

    # What it is about the numbers

    def _weights(self, layer: Layer) -> Found:
        node = self._nodes[layer.nodes[0]]
        linear = required(self._graph.plan.linear(node))  # of what else are the constants the worst part
        channel, crest = _largest_crest(linear)
        if crest >= _OUTLIER_WEIGHT:
            text = (
                f"the largest weight of output channel {channel} is {crest:.0f} times the root mean square "
                "of that channel's weights, most of which therefore round to a few steps"
            )
        else:
            text = "most of it comes from rounding the weights, without an outlier among them"
        remedy = f"--effort high, which chooses how each weight rounds, or {_in_float(layer.name)}"
        return "weights", text, remedy

    def _numbers(self, layer: Layer, name: str, values: Sequence[Floats]) -> Found | None:
        """What about the numbers of a layer's value makes the step too coarse; None if nothing does."""
        params = self._graph.plan.activations.get(name)
        if params is None:
            return None
        low, high = min(float(v.min()) for v in values), max(float(v.max()) for v in values)
        keep = _in_float(layer.name)
        if (share := _clipped_share(values, params)) > 0.5:
            text = (
                f"the range was chosen as [{params.low:.3g}, {params.high:.3g}], and values reach "
                f"[{low:.3g}, {high:.3g}]: {_percent(share)} of the error is cut off there"
            )
            return "clipping", text, f"--calibrator min-max cuts nothing off; or {keep}"
        needed = max(high, 0.0) - min(low, 0.0)
        if needed > 0 and (wide := (params.high - params.low) / needed) >= _WIDE_SCALE:
            return self._shared(name, wide, keep)
        return self._spread(name, params, values, keep)

    def _shared(self, name: str, wide: float, keep: str) -> Found:
        text = f"its step is made for a range {wide:.1f} times as wide as its values take"
        group = next((group for group in self._graph.plan.points.groups if name in group), [])
        others = [other for other in group if other != name]
        if not others:
            text += "; the range was widened so that the target takes the op, or few inputs reach its ends"
            return "range", text, f"more or other calibration inputs; or {keep}"
        text += f", since it has one scale with {', '.join(stem(other) for other in others[:3])}"
        joins = [each for each in group if each in self._nodes and self._nodes[each].op_type in SAME_SCALE]
        remedy = f"{_in_float(joins[-1])}, which is what joins them; or {keep}" if joins else keep
        return "shared scale", text, remedy

    def _spread(self, name: str, params: QuantParams, values: Sequence[Floats], keep: str) -> Found | None:
        channel, ratio, count, few = _outlier_channel(values)
        if few and ratio >= _OUTLIER_CHANNEL:
            text = (
                f"channel {channel} of {count} is {ratio:.0f} times as large as the median channel, and all "
                "share one step"
            )
            return "outlier channel", text, f"{self._equalizing(name, channel)}; or {keep}, or --effort high"
        magnitudes = np.concatenate([np.abs(value).ravel() for value in values])
        largest, usual = float(magnitudes.max()), float(np.quantile(magnitudes, 0.999))
        if usual > 0 and largest / usual >= _OUTLIER_VALUE:
            inner = float(np.mean(magnitudes < 2 * float(params.scale[0])))
            text = (
                f"a few values reach {largest:.3g}, 99.9 % stay below {usual:.3g}: the step is wide for them "
                f"({_percent(inner)} of all values are within two steps of 0)"
            )
            return "range", text, f"--calibrator percentile cuts the few off; or {keep}"
        return None

    def _equalizing(self, name: str, channel: int) -> str:
        """Whether equalization can scale a channel of a value, in words."""
        channels = channel_factors(self._graph.exact.graph)
        factor = int(channels.of[self._nodes[name].outputs[0]][channel])
        if factor in channels.fixed_by:
            return f"equalization cannot even that out, since {channels.fixed_by[factor]}"
        if self._equalized:
            return "equalization does not even that out, since that is not predicted to halve the noise"
        return "equalization may even that out: leave out --no-equalization"


def _activation(loss: LocalLoss, nodes: dict[str, ir.Node]) -> Found:
    layer = loss.layer
    ops = [nodes[name].op_type for name in layer.nodes]
    kind = "swish" if "Sigmoid" in ops else "h-swish" if "Clip" in ops and "Mul" in ops else "activation"
    gained = loss.own["inner"]
    text = (
        f"int8 computes its {kind} in several ops, and rounding the gate and its input inside of it alone "
        f"leaves {gained:.1f} dB; rounding the result would leave {loss.own['result']:.1f} dB"
    )
    name = stem(layer.output)
    return "activation", text, f"{_in_float(name)} computes the {kind} in float, or --effort high"


def _largest_crest(linear: LinearOp) -> tuple[int, float]:
    """The output channel whose largest weight is largest against its root mean square, and the ratio."""
    axis = linear.params.axis
    rows = np.moveaxis(linear.weights, axis or 0, 0).reshape(linear.weights.shape[axis or 0], -1)
    rms = np.sqrt(np.mean(np.square(rows, dtype=np.float64), axis=1))
    crest = np.divide(np.abs(rows).max(axis=1), rms, out=np.zeros_like(rms), where=rms > 0)
    return int(crest.argmax()), float(crest.max())


def _clipped_share(values: Sequence[Floats], params: QuantParams) -> float:
    """The share of values beyond the range in the squared error of rounding."""
    beyond = within = 0.0
    step = float(params.scale[0])
    for value in values:
        kept = np.clip(value, params.low, params.high)
        beyond += float(np.sum(np.square(value - kept, dtype=np.float64)))
        rounded = np.rint(kept / step) * step
        within += float(np.sum(np.square(kept - rounded, dtype=np.float64)))
    return beyond / (beyond + within) if beyond > 0 else 0.0


def _outlier_channel(values: Sequence[Floats]) -> tuple[int, float, int, bool]:
    """The largest channel (axis 1), its size against the median one, the number of channels, and whether
    few are so large."""
    if values[0].ndim < 2:
        return 0, 0.0, 1, False
    largest = np.max(
        [np.abs(np.moveaxis(value, 1, 0).reshape(value.shape[1], -1)).max(axis=1) for value in values], axis=0
    )
    median = float(np.median(largest[largest > 0])) if (largest > 0).any() else 0.0
    if median == 0:
        return 0, 0.0, len(largest), False
    few = int(np.sum(largest >= _OUTLIER_CHANNEL * median)) <= max(1, len(largest) // 10)
    return int(largest.argmax()), float(largest.max()) / median, len(largest), few


def _in_float(name: str) -> str:
    return f"keep it in float (--keep-float {shlex.quote(name)})"


def _percent(share: float) -> str:
    return f"{100 * min(share, 1.0):.0f} %"
