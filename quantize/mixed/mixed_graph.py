"""A quantized network whose layers can be put back into float one by one."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from functools import cached_property, partial

import onnx_ir as ir

from mobiledeploy.exporters.tflite.lowerings.registry import has_integer_form
from mobiledeploy.graph.onnx_graph import float_array, result_of
from mobiledeploy.graph.op_traits import CONSTANT_OPERANDS, WEIGHTED
from mobiledeploy.quantize.mixed.mixed_cost import estimated_instructions
from mobiledeploy.quantize.qdq.insert_qdq import insert_qdq
from mobiledeploy.quantize.qdq.keep_float import mark
from mobiledeploy.quantize.qdq.layers import Layer, layers_of
from mobiledeploy.quantize.qdq.plan import Plan
from mobiledeploy.quantize.qdq.points import QuantizationPoints, find_points
from mobiledeploy.runtime.targets import Target

__all__ = ["MixedGraph", "Rounding"]


@dataclass(frozen=True)
class Rounding:
    """What is rounded at one place.

    Attributes:
        names: Names of the values there, which share one scale; of an op's first result for its constants.
        constants: Whether weights and bias, or other constants, of an op are rounded.
    """

    names: tuple[str, ...]
    constants: bool


class MixedGraph:
    """A float graph with all that has been decided about quantizing it, before it is written.

    Args:
        exact: The float graph with the weights and biases that an op in float needs.
        model: The same graph with the constants that a quantized op needs: weights as they have been
            reconstructed, biases as they have been corrected. Neither is changed, and both are kept.
        plan: The plan for that graph. It is kept, too, and must not change any more.
    """

    def __init__(self, exact: ir.Model, model: ir.Model, plan: Plan, target: Target) -> None:
        self.exact, self.plan, self.target = exact, plan, target
        self._adjusted = model.clone()

    @cached_property
    def layers(self) -> list[Layer]:
        """All layers that round, in graph order."""
        return layers_of(self._adjusted.graph, self.plan.points.integer_nodes, self.target)

    def to_qdq(self, in_float: Iterable[Layer] = ()) -> ir.Model:
        """The QDQ graph with those layers in float, not tidied: that takes longer than to run it once.

        The parameters of all others are those of the graph that is quantized throughout.
        """
        model, plan = self._with_float_layers(in_float)
        insert_qdq(model, plan)
        return model

    def with_float_layers(self, layers: Iterable[Layer]) -> MixedGraph:
        """The same network with those layers in float for good: they are none of its layers any more."""
        layers, exact = list(layers), self.exact.clone()
        mark(exact.graph, _nodes(layers))
        return MixedGraph(exact, *self._with_float_layers(layers), self.target)

    def instructions(self, in_float: Iterable[Layer] = ()) -> float:
        """Estimated, with those layers in float. Constants take none, and are not quantized for it."""
        model, plan = self._with_float_layers(in_float)
        insert_qdq(model, replace(plan, points=replace(plan.points, integer_nodes=set())))
        return estimated_instructions(model, self.target)

    def roundings(self, in_float: Iterable[Layer] = ()) -> list[Rounding]:
        """All that is rounded with those layers in float. A value is as long as any op in int8 touches it."""
        graph, integer_nodes = self._adjusted.graph, self.plan.points.integer_nodes - _nodes(in_float)
        points = find_points(graph, self.target, lambda node: result_of(node) in integer_nodes)
        values = set(points.values)
        ops = [result_of(node) for node in graph if _rounds_constants(node)]
        return [
            *(Rounding(tuple(g), False) for g in self.plan.points.groups if not values.isdisjoint(g)),
            *(Rounding((name,), True) for name in ops if name in integer_nodes),
        ]

    def rounding_once(self, rounding: Rounding) -> ir.Model:
        """The float graph that rounds there and nowhere else, for running it once."""
        names = list(rounding.names)
        points = QuantizationPoints([], set(names)) if rounding.constants else QuantizationPoints([names])
        others = {result_of(node) for node in self._adjusted.graph} - points.integer_nodes
        model = self._with_exact_constants(others)
        insert_qdq(model, replace(self.plan, points=points))
        return model

    def _with_float_layers(self, in_float: Iterable[Layer]) -> tuple[ir.Model, Plan]:
        """A copy of the adjusted graph that says of those layers that they stay in float, and its plan."""
        names = _nodes(in_float)
        model = self._with_exact_constants(names)
        mark(model.graph, names)
        integer = partial(has_integer_form, dtype=self.plan.dtype)
        points = find_points(model.graph, self.target, integer)
        activations = {name: self.plan.activations[name] for name in points.values}
        return model, replace(self.plan, points=points, activations=activations)

    def _with_exact_constants(self, names: Collection[str]) -> ir.Model:
        """A copy of the adjusted graph in which the nodes of those results have the float constants."""
        model = self._adjusted.clone()
        initializers, exact = model.graph.initializers, {result_of(node): node for node in self.exact.graph}
        for node in model.graph:
            wanted = exact[result_of(node)].inputs if result_of(node) in names else node.inputs
            for index, (own, other) in enumerate(zip(node.inputs, wanted, strict=True)):
                if own is None or other is None or own.const_value is other.const_value:
                    continue
                name = f"{other.name}~exact"
                if name not in initializers:
                    initializers[name] = ir.Value(name=name, const_value=other.const_value)
                node.replace_input_with(index, initializers[name])
        return model


def _nodes(layers: Iterable[Layer]) -> set[str]:
    return {name for layer in layers for name in layer.nodes}


def _rounds_constants(node: ir.Node) -> bool:
    """Whether it has constants that int8 cannot hold exactly, as it does a single number."""
    if node.op_type not in WEIGHTED and node.op_type not in CONSTANT_OPERANDS:
        return False
    arrays = [float_array(value) for value in node.inputs]
    return any(array is not None and array.size > 1 for array in arrays)
