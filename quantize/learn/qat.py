"""Quantization-aware training: the network as int8 computes it, to be trained by the user's own loop.

docs/quantization_aware_training.md shows how.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import onnx_ir as ir
from torch import Tensor, nn

from mobiledeploy.base.errors import InputError
from mobiledeploy.exporters.rewrites.stages import rewrite_for_target
from mobiledeploy.exporters.torch_to_onnx import torch_to_onnx
from mobiledeploy.graph.onnx_graph import is_quantized, tidy
from mobiledeploy.quantize.calibrate.calibrate import calibrate
from mobiledeploy.quantize.calibrate.calibrators import DEFAULT_CALIBRATOR
from mobiledeploy.quantize.calibrate.widen_ranges import widen_ranges
from mobiledeploy.quantize.learn.torch_graph import TorchGraph
from mobiledeploy.quantize.qdq.insert_qdq import insert_qdq
from mobiledeploy.quantize.qdq.plan import Plan
from mobiledeploy.quantize.recipe import QuantizeRecipe
from mobiledeploy.quantize.weights.correct_bias import add_zero_biases
from mobiledeploy.runtime.runtimes import Sample
from mobiledeploy.runtime.targets import LITERT_2_3, Target

__all__ = ["FakeQuantized", "fake_quantized"]


def fake_quantized(
    network: nn.Module | ir.Model,
    samples: Sequence[Sample],
    inputs: Mapping[str, tuple[int, ...]] | None = None,
    *,
    target: Target = LITERT_2_3,
    calibrator: str = DEFAULT_CALIBRATOR,
) -> FakeQuantized:
    """A network in the form that int8 will have, with ranges from calibration, ready to be trained.

    Args:
        network: The float network: a module in PyTorch, which is put into evaluation mode, or an ONNX graph.
        samples: Calibration inputs: input name -> array with batch 1, as the network takes it.
        inputs: Input name -> shape with batch 1, for a module; the shapes of the first sample when left out.
        calibrator: Name of the method that chooses the ranges to begin with.

    Raises:
        InputError: There are no samples, the network is quantized already, or no calibrator has that name.
        UnsupportedModelError: The network cannot be exported, or an op cannot be computed in PyTorch.
    """
    recipe = QuantizeRecipe(calibrator=calibrator)
    if not len(samples):
        raise InputError("no calibration samples, expected at least one; give more inputs")
    if isinstance(network, nn.Module):
        shapes = inputs or {name: array.shape for name, array in samples[0].items()}
        model = torch_to_onnx(network, shapes)
    else:
        model = network.clone()
    if is_quantized(model):
        raise InputError("the network is quantized already, expected one in float; start from that")
    rewrite_for_target(model, target, "int8")
    add_zero_biases(model)
    return FakeQuantized(model, calibrate(model, samples, target, recipe.method).plan, target)


class FakeQuantized(nn.Module):
    """A network that computes in float what int8 will, with gradients straight through the rounding.

    Batch norms are folded into the convolutions already. Weights, biases, weight scales and activation scales
    are parameters.

    Args:
        model: A float graph that has been rewritten for the target. It is kept and written to.
        plan: A plan for that graph with scales that the target takes. It is kept and written to, too.

    Attributes:
        graph: The network that learns; its parameters are this module's.
    """

    def __init__(self, model: ir.Model, plan: Plan, target: Target) -> None:
        super().__init__()
        self.target = target
        self.graph = TorchGraph(model, plan)
        self._real = TorchGraph(model, plan).requires_grad_(False)
        self._real.quantized = False

    def forward(self, *inputs: Tensor) -> Any:
        """The outputs as int8 computes them: a tensor, or a tuple of several, of any batch size."""
        return self.graph(*inputs)

    def real(self, *inputs: Tensor) -> Any:
        """The outputs of the float network as it was, of the same form: what to distil from."""
        return self._real(*inputs)

    def parameter_groups(self, rate: float = 0.05) -> list[dict[str, Any]]:
        """Parameter groups for an optimizer such as Adam, whose steps have the size of the learning rate.

        Args:
            rate: How far a weight moves at a step, in steps of its int8 scale. A bias moves by that share of
                the mean bias, scaled down by 20, a scale by rate / 20 of itself.
        """
        groups: list[dict[str, Any]] = []
        slow = rate / 20
        for linear in self.graph.linears:
            groups.append({"params": [linear.weights], "lr": rate * float(linear.initial.median())})
            groups.append({"params": [linear.log_factor], "lr": slow})
            if linear.bias is not None:
                size = float(linear.bias.detach().abs().mean())
                groups.append(
                    {"params": [linear.bias], "lr": slow * max(size, float(linear.initial.median()))}
                )
        scales = [scale.log_factor for scale in self.graph.scales]
        groups.append({"params": scales, "lr": slow})
        kept = [{**group, "params": [p for p in group["params"] if p.requires_grad]} for group in groups]
        return [group for group in kept if group["params"]]

    def to_qdq(self) -> ir.Model:
        """The QDQ graph with the integers that this module computes with; training can go on after it.

        Save it as .onnx: ``mobiledeploy export`` makes int8 TFLite of it with the same integers. A scale that
        the target would not take any more is widened, here in the module as well.
        """
        graph = self.graph
        graph.write()
        widen_ranges(graph.model.graph, graph.plan, self.target)
        graph.take_scales()
        qdq = graph.model.clone()
        insert_qdq(qdq, graph.plan)
        return tidy(qdq)
