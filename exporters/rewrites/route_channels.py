"""Channel shuffles for free: route every channel straight from where it is computed to where it is read.

Reshape, transpose, split, concatenation and the like only move channels. A region of such ops is nothing but
a table: which channel of which source is each channel of each result? If the ops around can have their
channels in another order (`channel_order`), the sources are sorted by where their channels go and the results
by where they come from; all that the region did is then done by slices of its sources, put together once.

In ShuffleNetV2 (arXiv:1807.11164) the units of a stage are one region. Half of what a unit computes is read
by the next one, a quarter by the one after it, and so on; no channel is copied on its way past a unit.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from mobiledeploy.exporters.rewrites.rule import Applied, Refusal, RewriteLog
from mobiledeploy.graph.channel_order import ChannelClass, channel_classes, channels_of, reorder
from mobiledeploy.graph.constants import add_initializer
from mobiledeploy.graph.moves import Elements, move, moved, whole_channels
from mobiledeploy.graph.onnx_graph import describe, producer_of, rank, shape_of, tidy
from mobiledeploy.graph.op_traits import PERMUTING
from mobiledeploy.runtime.targets import Precision, Target

__all__ = ["route_channels"]

_NAME = "RouteChannels"
_MOST_PIECES = 16  # of a result; one that needs more is cheaper to make with a transpose


def route_channels(model: ir.Model, target: Target, precision: Precision) -> RewriteLog:
    """Replace regions that permute channels by slices and concatenations, in place.

    Channels of values around a region may be in another order afterwards; inputs and outputs of the model
    never are.

    Returns:
        How many regions were replaced, and why others were not.
    """
    graph = model.graph
    regions = list(_regions(list(graph)))
    refused: list[Refusal] = []
    while regions:
        classes = channel_classes(graph, {node for region in regions for node in region.nodes})
        orders = _choose_orders(regions, classes)
        costly = [(region, reason) for region in regions if (reason := _why_costly(region, classes, orders))]
        if not costly:
            break
        # What a region keeps is fixed for the others, too.
        refused += [Refusal(_NAME, describe(region.nodes[0]), reason) for region, reason in costly]
        regions = [region for region in regions if region not in [one for one, _ in costly]]
    if not regions:
        return RewriteLog(refused=tuple(refused))
    for found in dict.fromkeys(classes[value] for region in regions for value in region.values):
        if found.fixed_by is None:
            reorder(found, orders[found], graph)
    for region in regions:
        _rebuild(region, classes, orders, graph)
    tidy(model)
    return RewriteLog((Applied(_NAME, len(regions)),), tuple(refused))


@dataclass(frozen=True, eq=False)
class _Region:
    """Connected ops that only move channels.

    Attributes:
        sources: Values that enter, in graph order.
        results: Value that leaves -> (source, channel) of each of its channels, both counted from 0.
    """

    nodes: Sequence[ir.Node]
    sources: Sequence[ir.Value]
    results: dict[ir.Value, NDArray[np.int64]]

    @property
    def values(self) -> list[ir.Value]:
        return [*self.sources, *self.results]


# Finding regions


def _regions(nodes: Sequence[ir.Node]) -> Iterator[_Region]:
    """Yield the regions among nodes in graph order.

    A node that moves other things than channels, such as a Flatten beside a shuffle, is left out: it is one
    like any other then, which fixes the order of what it reads.
    """
    for connected in _connected(nodes):
        found = _trace(connected)
        if isinstance(found, _Region):
            yield found
        else:
            yield from _regions([node for node in connected if node not in found])


def _connected(nodes: Sequence[ir.Node]) -> Iterator[list[ir.Node]]:
    """Yield moving nodes that share values, as far as they permute anything, each in graph order."""
    group_of: dict[ir.Value, list[ir.Node]] = {}
    for node in nodes:
        if not (values := moved(node)):
            continue
        merged = [node]
        for group in {id(found): found for value in values if (found := group_of.get(value))}.values():
            merged = group + merged
        touched = {v for one in merged for v in (*moved(one), *one.outputs)}
        group_of.update(dict.fromkeys(touched, merged))
    position = {node: i for i, node in enumerate(nodes)}
    for group in {id(group): group for group in group_of.values()}.values():
        if any(node.op_type in PERMUTING for node in group):
            yield sorted(group, key=position.__getitem__)


def _trace(nodes: Sequence[ir.Node]) -> _Region | set[ir.Node]:
    """Follow every channel through nodes; return those that move other things than whole channels, if any."""
    inside = {value for node in nodes for value in node.outputs}
    sources = list(dict.fromkeys(v for node in nodes for v in moved(node) if v not in inside))
    if misfits := {node for node in nodes if any(v in sources and rank(v) != 4 for v in moved(node))}:
        return misfits
    elements: dict[ir.Value, Elements] = {}
    first = 0
    for value in sources:
        shape = shape_of(value)
        elements[value] = first + np.arange(np.prod(shape)).reshape(shape)
        first += elements[value].size
    for node in nodes:
        outputs = move(node, [elements[value] for value in moved(node)])
        elements.update(zip(node.outputs, outputs, strict=True))
    results: dict[ir.Value, NDArray[np.int64]] = {}
    for value in (value for node in nodes for value in node.outputs):
        if value.is_graph_output() or any(use.node not in nodes for use in value.uses()):
            channels = whole_channels(elements[value], [elements[source] for source in sources])
            if channels is None:
                misfits.add(producer_of(value))
            else:
                results[value] = channels
    return misfits or _Region(nodes, sources, results)


# Choosing orders

Orders = dict[ChannelClass, NDArray[np.int64]]
"""The channel that stands in each place."""


def _choose_orders(regions: Sequence[_Region], classes: dict[ir.Value, ChannelClass]) -> Orders:
    """Sort sources by where their channels are read, then results by where in the sources they come from."""
    orders: Orders = {}
    for region in regions:
        readers = _readers(region)
        for source, read in zip(region.sources, readers, strict=True):
            by_reader = sorted(range(len(read)), key=read.__getitem__)
            orders.setdefault(classes[source], _allowed(by_reader, classes[source]))
    for region in regions:
        places = [np.argsort(orders[classes[source]]) for source in region.sources]
        for result, channels in region.results.items():
            origin = [(index, places[index][channel]) for index, channel in channels]
            by_origin = sorted(range(len(origin)), key=origin.__getitem__)
            orders.setdefault(classes[result], _allowed(by_origin, classes[result]))
    return orders


def _readers(region: _Region) -> list[list[list[tuple[int, int]]]]:
    """Return for each channel of each source the (result, place in it) where it goes."""
    found: list[list[list[tuple[int, int]]]] = [
        [[] for _ in range(channels_of(source))] for source in region.sources
    ]
    for number, channels in enumerate(region.results.values()):
        for place, (index, channel) in enumerate(channels):
            found[index][channel].append((number, place))
    return found


def _allowed(order: Sequence[int], found: ChannelClass) -> NDArray[np.int64]:
    return np.arange(len(order)) if found.fixed_by else np.array(order)


Piece = tuple[int, int, int]
"""Index of a source, and the places in it from the first to the one after the last."""


def _pieces(
    region: _Region, result: ir.Value, classes: dict[ir.Value, ChannelClass], orders: Orders
) -> list[Piece]:
    """Return what a result is put together from, in order."""
    places = [np.argsort(orders[classes[source]]) for source in region.sources]
    pieces: list[Piece] = []
    for index, channel in region.results[result][orders[classes[result]]]:
        place = int(places[index][channel])
        if pieces and pieces[-1][0] == index and pieces[-1][2] == place:
            pieces[-1] = (index, pieces[-1][1], place + 1)
        else:
            pieces.append((int(index), place, place + 1))
    return pieces


def _why_costly(region: _Region, classes: dict[ir.Value, ChannelClass], orders: Orders) -> str | None:
    for result in region.results:
        count = len(_pieces(region, result, classes, orders))
        if count > _MOST_PIECES:
            fixed = next((reason for value in region.values if (reason := classes[value].fixed_by)), None)
            return (
                f"{result.name!r} would be put together from {count} slices, {_MOST_PIECES} at most pay"
                + (f"; the order of channels is not free, as {fixed}" if fixed else "")
            )
    return None


# Rebuilding


def _rebuild(region: _Region, classes: dict[ir.Value, ChannelClass], orders: Orders, graph: ir.Graph) -> None:
    """Insert slices and concatenations for a region; its nodes die for want of readers."""
    slices: dict[Piece, ir.Value] = {}
    for result in region.results:
        before = producer_of(result)
        parts: list[ir.Value] = []
        for piece in _pieces(region, result, classes, orders):
            source = region.sources[piece[0]]
            if piece[1:] == (0, channels_of(source)):
                parts.append(source)
                continue
            if piece not in slices:
                slices[piece] = _insert_slice(source, *piece[1:], before, graph)
            parts.append(slices[piece])
        name, result.name = result.name, f"{result.name}~moved"
        if len(parts) > 1:
            joined = ir.Node("", "Concat", parts, [ir.AttrInt64("axis", 1)])
        else:
            joined = ir.Node("", "Identity", parts)
        joined.outputs[0].name = name
        graph.insert_before(before, joined)
        ir.convenience.replace_all_uses_with(result, joined.outputs[0], replace_graph_outputs=True)


def _insert_slice(source: ir.Value, start: int, stop: int, before: ir.Node, graph: ir.Graph) -> ir.Value:
    bounds = [_index(graph, number) for number in (start, stop, 1)]
    node = ir.Node("", "Slice", [source, *bounds])
    node.outputs[0].name = f"{source.name}~{start}-{stop}"
    graph.insert_before(before, node)
    return node.outputs[0]


def _index(graph: ir.Graph, number: int) -> ir.Value:
    """Return an int64 constant of shape (1,)."""
    name = f"channel~{number}"
    if name not in graph.initializers:
        add_initializer(graph, name, np.array([number], np.int64))
    return graph.initializers[name]
