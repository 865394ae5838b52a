"""A float graph and its plan as a PyTorch module: float, or fake-quantized as int8 will compute it.

The module runs the graph node by node on batches. Quantized, every value of the plan's points is rounded to
its int8 parameters, weights and biases to theirs, all of it differentiable; a value between an op and the
activation that will be fused into it is no point and stays as it is, as in int8. So the results are those of
the QDQ graph that ``insert_qdq`` writes.

What can be learned are parameters of the module: weights, biases, weight scales and one scale per group of
values that share parameters. ``write`` puts them back into the graph and the plan.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from mobiledeploy.base.errors import UnsupportedModelError
from mobiledeploy.graph.constants import replace_constant
from mobiledeploy.graph.onnx_graph import (
    constant,
    describe,
    float_array,
    input_at,
    name_of,
    required,
    result_of,
    shape_of,
)
from mobiledeploy.graph.op_traits import CONSTANT_OPERANDS, WEIGHTED, channel_axis
from mobiledeploy.graph.params import QuantParams, activation_params, dequantize, quantize
from mobiledeploy.quantize.learn.fake_quantize import (
    along,
    fake_quantize,
    fake_quantize_bias,
    fake_quantize_weights,
    weight_steps,
)
from mobiledeploy.quantize.learn.torch_ops import Computation, computation
from mobiledeploy.quantize.qdq.plan import Plan, weights_of

__all__ = ["ActivationScale", "LinearConstants", "TorchGraph", "Values"]

Values = dict[ir.Value, Tensor]
"""Activations of a batch: the first axis counts samples."""


class ActivationScale(nn.Module):
    """The parameters of a group of values, with a scale that can be learned.

    Attributes:
        log_factor: Natural logarithm of the scale over the one it started from, shape (1,): the same step
            means the same for every group.
        learned: Whether the op that computes the group leaves its scale open.
    """

    initial: Tensor

    def __init__(self, params: QuantParams, learned: bool) -> None:
        super().__init__()
        self.register_buffer("initial", torch.tensor(params.scale))
        self.zero_point = int(params.zero_point[0])
        self.log_factor = nn.Parameter(torch.zeros(1), requires_grad=learned)
        self.learned = learned

    @property
    def scale(self) -> Tensor:
        """Shape (1,)."""
        return self.initial * self.log_factor.exp()

    def start_from(self, params: QuantParams) -> None:
        """Take other parameters."""
        with torch.no_grad():
            self.initial.copy_(torch.tensor(params.scale))
            self.log_factor.zero_()
        self.zero_point = int(params.zero_point[0])

    def params(self) -> QuantParams:
        """The parameters in the form that a plan holds."""
        scale = self.scale.detach().cpu().numpy().astype(np.float32)
        return QuantParams(scale, np.array([self.zero_point], np.int64))

    def forward(self, x: Tensor) -> Tensor:
        return fake_quantize(x, self.scale, self.zero_point)


class LinearConstants(nn.Module):
    """Weights and bias of a linear op, in float and as int8 and int32 have them.

    Args:
        weights: Weights in the layout of the ONNX node.
        bias: (output channels,); None where there is none.
        axis: Axis of the output channels in the weights.
        params: Parameters of the weights; None for an op that stays in float.
        source: Parameters of the op's input, which scale the bias, too; None where the bias stays in float.

    Attributes:
        log_factor: Natural logarithm of the weight scales over those they started from, (output channels,).
        soft_rounding: Gives the weights in steps of their scale, in place of rounding to nearest.
    """

    initial: Tensor

    def __init__(
        self,
        weights: NDArray[np.float32],
        bias: NDArray[np.float32] | None,
        axis: int,
        params: QuantParams | None,
        source: ActivationScale | None,
    ) -> None:
        super().__init__()
        self.weights = nn.Parameter(torch.tensor(weights))
        self.bias = None if bias is None else nn.Parameter(torch.tensor(bias))
        self.axis, self.quantized = axis, params is not None
        self._source = () if source is None else (source,)  # in a tuple: its state is not of this module
        scale = np.ones(1, np.float32) if params is None else params.scale
        self.register_buffer("initial", torch.tensor(np.broadcast_to(scale, weights.shape[axis])))
        self.log_factor = nn.Parameter(torch.zeros_like(self.initial), requires_grad=self.quantized)
        self.soft_rounding: nn.Module | None = None

    def forward(self) -> tuple[Tensor, Tensor | None]:
        """Weights and bias as int8 has them."""
        if not self.quantized:
            return self.weights, self.bias
        scale = self.scale
        if self.soft_rounding is None:
            weights = fake_quantize_weights(self.weights, scale, self.axis)
        else:
            weights = self._real(self.soft_rounding(), scale)
        if self.bias is None or not self._source:
            return weights, self.bias
        return weights, fake_quantize_bias(self.bias, self._source[0].scale * scale)

    @property
    def scale(self) -> Tensor:
        """(output channels,), with room for the bias as ``params.with_room_for_bias`` makes it."""
        scale = self.initial * self.log_factor.exp()
        if self.bias is None or not self._source:
            return scale
        smallest = self.bias.detach().double().abs() / (self._source[0].scale.detach().double() * 2.0**30)
        return torch.maximum(scale, smallest.float())

    def steps(self) -> Tensor:
        """Weights over their scale, not rounded, float64."""
        return weight_steps(self.weights.detach(), self.scale.detach(), self.axis)

    def integers(self) -> Tensor:
        """The int8 weights, rounded to nearest."""
        return self.steps().round().clamp(-127, 127).to(torch.int8)

    def set_integers(self, integers: Tensor) -> None:
        """Make the weights those that integers stand for."""
        with torch.no_grad():
            self.weights.copy_(self._real(integers, self.scale))

    def params(self) -> QuantParams:
        """The parameters of the weights, in the form that a plan holds."""
        scale = self.scale.detach().cpu().numpy().astype(np.float32)
        return QuantParams(scale, np.zeros(scale.shape, np.int64), self.axis)

    def _real(self, steps: Tensor, scale: Tensor) -> Tensor:
        """The weights that steps of a scale stand for."""
        return (steps.double() * along(self.axis, scale.double(), steps.ndim)).float()


class TorchGraph(nn.Module):
    """A float graph of batch 1 that computes batches.

    Args:
        model: A float graph, rewritten for int8. ``write`` changes it, nothing else does.
        plan: A plan for that graph.

    Attributes:
        nodes: The nodes in the order in which they run.
        scales: Parameters of each group of values that share them.
        linears: Constants of each linear node with constant weights, in int8 or not.
        quantized: Whether ``forward`` rounds.
        mix: (value as it is, rounded) -> what its readers get, in place of the rounded value.

    Raises:
        UnsupportedModelError: An op has no computation in PyTorch, or does not work on batches.
    """

    def __init__(self, model: ir.Model, plan: Plan) -> None:
        super().__init__()
        self.model, self.plan, self.quantized = model, plan, True
        self.mix: Callable[[Tensor, Tensor], Tensor] | None = None
        self.nodes = list(model.graph)
        for value in model.graph.inputs:
            if shape_of(value)[:1] != (1,):
                raise UnsupportedModelError(
                    f"input {value.name!r} has the shape {list(shape_of(value))}, expected 1 in front, since "
                    "PyTorch computes batches of samples; export the model with batch 1"
                )
        groups = plan.points.groups
        self.scales: Sequence[ActivationScale] = nn.ModuleList(  # type: ignore[assignment]
            ActivationScale(plan.activations[group[0]], group[0] not in plan.fixed) for group in groups
        )
        self._group = {name: index for index, group in enumerate(groups) for name in group}
        self.linears: list[LinearConstants] = nn.ModuleList()  # type: ignore[assignment]
        self._steps = {node: self._step(node) for node in self.nodes}
        self._last_use = {value: node for node in self.nodes for value in node.inputs if value is not None}

    def forward(self, *inputs: Tensor) -> Tensor | tuple[Tensor, ...]:
        """The graph's outputs, in its order; the tensor itself if there is one.

        Args:
            inputs: Inputs in the graph's order, with any number of samples along the first axis.
        """
        graph = self.model.graph
        found = self.run(dict(zip(graph.inputs, inputs, strict=True)), self.nodes, graph.outputs)
        outputs = tuple(found[value] for value in graph.outputs)
        return outputs[0] if len(outputs) == 1 else outputs

    def run(
        self, known: Mapping[ir.Value, Tensor], nodes: Iterable[ir.Node], wanted: Iterable[ir.Value]
    ) -> Values:
        """Run some of the nodes, in order.

        Args:
            known: What they read and do not compute: graph inputs as they are, other values already rounded
                if the module is quantized.
            wanted: Values to return; others are let go after their last use.
        """
        kept = list(dict.fromkeys(wanted))
        values = {v: self._seen(v, x) if v.is_graph_input() else x for v, x in known.items()}
        for node in nodes:
            for value, result in zip(node.outputs, self._compute(node, values), strict=True):
                values[value] = self._seen(value, result)
            for operand in node.inputs:
                if operand is not None and operand not in kept and self._last_use[operand] is node:
                    values.pop(operand, None)
        return {value: values[value] for value in kept}

    def scale_of(self, value: ir.Value | None) -> ActivationScale | None:
        """The parameters of a value's group; None for a value that carries none."""
        index = None if value is None else self._group.get(name_of(value))
        return None if index is None else self.scales[index]

    def linear(self, node: ir.Node) -> LinearConstants | None:
        """The weights and bias of a linear node; None for other nodes."""
        return self._steps[node].linear

    def take_scales(self) -> None:
        """Start anew from the activation scales of the plan."""
        for scale, group in zip(self.scales, self.plan.points.groups, strict=True):
            scale.start_from(self.plan.activations[group[0]])

    def take_constants(self, graph: ir.Graph) -> None:
        """Take the weights and biases of another graph with nodes of the same names."""
        others = {result_of(node): node for node in graph}
        with torch.no_grad():
            for node in self.nodes:
                if (linear := self.linear(node)) is None:
                    continue
                held = others[result_of(node)].inputs
                for parameter, value in zip((linear.weights, linear.bias), held[1:], strict=False):
                    array = float_array(value)
                    if parameter is not None and array is not None:
                        parameter.copy_(torch.tensor(array).reshape(-1 if array.size == 1 else array.shape))

    def write(self) -> None:
        """Put weights, biases and all parameters into the graph and the plan, so that ``insert_qdq`` writes
        the integers of this module.

        Weights are written as int8 has them: rounding them to their scale again changes nothing.
        """
        for scale, group in zip(self.scales, self.plan.points.groups, strict=True):
            self.plan.activations.update(dict.fromkeys(group, scale.params()))
        for node in self.nodes:
            if (linear := self.linear(node)) is None:
                continue
            if linear.quantized:
                self.plan.weights[result_of(node)] = linear.params()
                linear.set_integers(linear.integers())
            for index, learned in enumerate((linear.weights, linear.bias), 1):
                if learned is not None:
                    array = learned.detach().cpu().numpy().astype(np.float32)
                    replace_constant(self.model.graph, node, index, array)
                    required(node.inputs[index]).shape = ir.Shape(
                        array.shape
                    )  # a bias may have been one number

    # Inside

    def _seen(self, value: ir.Value, x: Tensor) -> Tensor:
        """A value as its readers see it."""
        scale = self.scale_of(value) if self.quantized else None
        if scale is None:
            return x
        rounded = scale(x)
        return rounded if self.mix is None else self.mix(x, rounded)

    def _compute(self, node: ir.Node, values: Values) -> tuple[Tensor, ...]:
        step = self._steps[node]
        operands = [
            getattr(self, operand[self.quantized])
            if isinstance(operand, tuple)
            else None
            if operand is None
            else values[operand]
            for operand in step.operands
        ]
        if step.linear is not None:
            operands += step.linear() if self.quantized else (step.linear.weights, step.linear.bias)
        result = step.compute(*operands)
        return (result,) if isinstance(result, Tensor) else tuple(result)

    def _step(self, node: ir.Node) -> _Step:
        linear = self._linear_constants(node)
        if linear is not None:
            self.linears.append(linear)
        operands: list[ir.Value | tuple[str, str] | None] = []
        for value in node.inputs[:1] if linear is not None else node.inputs:
            array = float_array(value)
            if array is not None:
                operands.append(self._constant(node, array))
            else:
                operands.append(value if constant(value) is None else None)
        return _Step(computation(node), linear, operands)

    def _linear_constants(self, node: ir.Node) -> LinearConstants | None:
        if node.op_type not in WEIGHTED or (weights := weights_of(node)) is None:
            return None
        plan, axis = self.plan.linear(node), channel_axis(node)
        bias = input_at(node, 2)
        numbers = float_array(bias)
        if bias is not None and (numbers is None or numbers.size not in (1, weights.shape[axis])):
            raise UnsupportedModelError(
                f"{describe(node)} has the bias {bias.name!r}, expected a constant number per channel; "
                "quantize without high effort and without training"
            )
        return LinearConstants(
            weights,
            None if numbers is None else np.broadcast_to(numbers.reshape(-1), weights.shape[axis]),
            axis,
            None if plan is None else plan.params,
            None if plan is None or plan.bias_params is None else self.scale_of(node.inputs[0]),
        )

    def _constant(self, node: ir.Node, array: NDArray[np.float32]) -> tuple[str, str]:
        """Names of the buffers that hold a constant which is no weight: in float, and as int8 has it."""
        rounded = array
        if result_of(node) in self.plan.points.integer_nodes and node.op_type in CONSTANT_OPERANDS:
            own = activation_params(float(array.min()), float(array.max()))
            rounded = dequantize(quantize(array, own), own)
        number = len(list(self.buffers(recurse=False)))
        names = f"real_{number}", f"rounded_{number}"
        for name, numbers in zip(names, (array, rounded), strict=True):
            self.register_buffer(name, torch.tensor(numbers), persistent=False)
        return names


@dataclass(frozen=True)
class _Step:
    """What it takes to run a node.

    Attributes:
        linear: Weights and bias of a linear node.
        operands: The other inputs: a value, the names of a constant's two buffers, or None for nothing.
    """

    compute: Computation
    linear: LinearConstants | None
    operands: list[ir.Value | tuple[str, str] | None]
