"""A quantized network whose layers can be put back into float one by one."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any

import numpy as np
import onnx_ir as ir

from mobiledeploy.exporters.tflite.lowerings.registry import has_integer_form
from mobiledeploy.graph.onnx_graph import float_array, tidy
from mobiledeploy.graph.op_traits import CONSTANT_OPERANDS, WEIGHTED
from mobiledeploy.graph.params import QuantParams
from mobiledeploy.quantize.mixed.mixed_cost import estimated_instructions
from mobiledeploy.quantize.qdq.insert_qdq import insert_qdq
from mobiledeploy.quantize.qdq.keep_float import mark
from mobiledeploy.quantize.qdq.layers import Layer, layers_of
from mobiledeploy.quantize.qdq.plan import Plan
from mobiledeploy.quantize.qdq.points import QuantizationPoints, find_points
from mobiledeploy.runtime.targets import Target

__all__ = ["MixedGraph", "Rounding"]

_INT8 = np.dtype(np.int8)


@dataclass(frozen=True)
class Rounding:
    """What is rounded at one place.

    Attributes:
        names: Of the values there, which share one scale; of the op's first result if constants are rounded.
        constants: Whether it is weights and bias, or other constants, of an op.
    """

    names: tuple[str, ...]
    constants: bool


class MixedGraph:
    """A float graph with all that has been decided about quantizing it, before it is written.

    Args:
        exact: The float graph with the weights and biases that an op in float needs.
        model: The same graph with the constants that a quantized op needs: weights as they have been
            reconstructed, biases as they have been corrected. Neither is changed, and both are kept.
        plan: Of `model`.
        dtype: Of the activations, int8 or int16.
    """

    def __init__(
        self,
        exact: ir.Model,
        model: ir.Model,
        plan: Plan,
        target: Target,
        dtype: np.dtype[Any] = _INT8,
    ) -> None:
        self._dtype, self._has_form = dtype, partial(has_integer_form, dtype=dtype)
        self.exact, self._adjusted, self.target = exact, model.clone(), target
        self.params = {value.name or "": params for value, params in plan.activations.items()}
        self.groups = [[value.name or "" for value in group] for group in plan.points.groups]
        self._weights = {node.outputs[0].name or "": params for node, params in plan.weights.items()}

    @cached_property
    def layers(self) -> list[Layer]:
        """All layers that round, in graph order."""
        graph = self._adjusted.graph
        integer_nodes = {node for node in graph if self._has_form(node)}
        return layers_of(graph, integer_nodes, self.target)

    def written(self, in_float: Iterable[Layer] = ()) -> ir.Model:
        """The QDQ graph with those layers in float.

        The parameters of all others are those of the graph that is quantized throughout.
        """
        return tidy(self.draft(in_float))

    def draft(self, in_float: Iterable[Layer] = ()) -> ir.Model:
        """The same for running it once: without the tidying, which takes longer than to run it."""
        model = self._marked(in_float)
        insert_qdq(model, self.plan(model.graph))
        return model

    def keeping(self, in_float: Iterable[Layer]) -> MixedGraph:
        """The same network with those layers in float for good: they are none of its layers any more."""
        layers = list(in_float)
        exact, model = self.exact.clone(), self._marked(layers)
        _mark(exact, layers)
        return MixedGraph(exact, model, self.plan(model.graph), self.target, self._dtype)

    def instructions(self, in_float: Iterable[Layer] = ()) -> float:
        """Estimated, with those layers in float. Constants take none, and are not quantized for it."""
        model = self._marked(in_float)
        plan = self.plan(model.graph)
        insert_qdq(model, replace(plan, points=replace(plan.points, integer_nodes=set())))
        return estimated_instructions(model, self.target)

    def roundings(self, in_float: Iterable[Layer] = ()) -> list[Rounding]:
        """All that is rounded with those layers in float. A value is as long as any op in int8 touches it."""
        names = {name for layer in in_float for name in layer.nodes}
        graph = self._adjusted.graph
        points = find_points(
            graph, self.target, lambda node: node.outputs[0].name not in names and self._has_form(node)
        )
        values = {value.name or "" for value in points.values}
        ops = [node for node in graph if node in points.integer_nodes and _rounds_constants(node)]
        return [
            *(Rounding(tuple(group), False) for group in self.groups if not values.isdisjoint(group)),
            *(Rounding((node.outputs[0].name or "",), True) for node in ops),
        ]

    def rounding_once(self, rounding: Rounding) -> ir.Model:
        """The float graph that rounds there and nowhere else, for running it once."""
        kept = rounding.names if rounding.constants else ()
        names = {node.outputs[0].name or "" for node in self._adjusted.graph}.difference(kept)
        model = self._with_exact_constants(names)
        plan = self.plan(model.graph)
        values = [value for value in plan.points.values if value.name in rounding.names]
        ops = {node for node in plan.points.integer_nodes if node.outputs[0].name in kept}
        points = QuantizationPoints([] if rounding.constants else [values], ops)
        insert_qdq(model, replace(plan, points=points))
        return model

    def plan(self, graph: ir.Graph) -> Plan:
        """The plan for a copy of the graph, some of whose nodes may have been marked to stay in float."""
        points = find_points(graph, self.target, self._has_form)
        activations: dict[ir.Value, QuantParams] = {
            value: self.params[value.name or ""] for value in points.values
        }
        weights = {
            node: params
            for node in points.integer_nodes
            if (params := self._weights.get(node.outputs[0].name or "")) is not None
        }
        return Plan(points, activations, weights)

    def _marked(self, in_float: Iterable[Layer]) -> ir.Model:
        """A copy of the adjusted graph that says of those layers that they stay in float."""
        layers = list(in_float)
        model = self._with_exact_constants({name for layer in layers for name in layer.nodes})
        _mark(model, layers)
        return model

    def _with_exact_constants(self, names: Collection[str]) -> ir.Model:
        """A copy of the adjusted graph in which the nodes of those results have the float constants."""
        model = self._adjusted.clone()
        originals = {node.outputs[0].name: node for node in self.exact.graph}
        for node in model.graph:
            if node.outputs[0].name not in names:
                continue
            original = originals[node.outputs[0].name]
            for index, value in enumerate(node.inputs):
                exact = original.inputs[index] if index < len(original.inputs) else None
                if value is not None and value.is_initializer():
                    node.replace_input_with(index, None if exact is None else _copied(model, value, exact))
        return model


def _mark(model: ir.Model, layers: Iterable[Layer]) -> None:
    names = {name for layer in layers for name in layer.nodes}
    mark(node for node in model.graph if node.outputs[0].name in names)


def _rounds_constants(node: ir.Node) -> bool:
    """Whether it has constants that int8 cannot hold exactly, as it does a single number."""
    if node.op_type not in WEIGHTED and node.op_type not in CONSTANT_OPERANDS:
        return False
    arrays = [float_array(value) for value in node.inputs]
    return any(array is not None and array.size > 1 for array in arrays)


def _copied(model: ir.Model, own: ir.Value, exact: ir.Value) -> ir.Value:
    """The constant of another model in this one, where it has not got the same."""
    if own.const_value is exact.const_value:
        return own
    name = f"{exact.name}~exact"
    if name not in model.graph.initializers:
        model.graph.initializers[name] = ir.Value(name=name, const_value=exact.const_value)
    return model.graph.initializers[name]
