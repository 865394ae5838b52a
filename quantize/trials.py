"""A planned graph that runs with other activation ranges at no cost, to see what they do to its outputs."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from mobiledeploy.quantize.insert_qdq import insert_qdq
from mobiledeploy.quantize.params import QuantParams
from mobiledeploy.quantize.plan import Plan
from mobiledeploy.quantize.points import QuantizationPoints
from mobiledeploy.runtimes import OnnxSession, Outputs, Sample

__all__ = ["Trials"]


class Trials:
    """Runs a QDQ graph whose activation parameters are inputs, in one session of ONNX Runtime.

    Biases are rounded to the steps that the plan gave them at first; these are so fine that it does not show.

    Args:
        model: The float graph; it is not changed.
        plan: For that graph.
        samples: A few; they stay in memory, with their outputs in float.
    """

    def __init__(self, model: ir.Model, plan: Plan, samples: Sequence[Sample]) -> None:
        self._samples = list(samples)
        self._workers = max(1, min(os.cpu_count() or 1, len(self._samples)))
        reference = OnnxSession(model, threads=1)
        self.wanted = [reference.run(sample) for sample in self._samples]
        copy, copied = _copied(model, plan)
        insert_qdq(copy, copied)
        for value in plan.points.values:
            for name, dtype in (("scale", ir.DataType.FLOAT), ("zero_point", ir.DataType.INT8)):
                constant = copy.graph.initializers.pop(f"{value.name}/{name}")
                constant.const_value, constant.dtype, constant.shape = None, dtype, ir.Shape([])
                copy.graph.inputs.append(constant)
        # One thread each: samples run side by side, and the sums come out in one order.
        self._session = OnnxSession(copy, threads=1, fuse_qdq=False)

    def run(self, activations: Mapping[ir.Value, QuantParams]) -> list[Outputs]:
        """The outputs for each sample with those parameters."""
        given = {
            f"{value.name}/{name}": array
            for value, params in activations.items()
            for name, array in (
                ("scale", np.asarray(params.scale[0], np.float32)),
                ("zero_point", np.asarray(params.zero_point[0], np.int8)),
            )
        }
        with ThreadPoolExecutor(self._workers) as threads:
            return list(threads.map(lambda sample: self._session.run({**sample, **given}), self._samples))

    def errors(self, activations: Mapping[ir.Value, QuantParams]) -> NDArray[np.float64]:
        """The squared error of each sample's outputs, relative to the mean square of that output.

        Returns:
            (samples,); of several outputs the mean.
        """
        found = self.run(activations)
        errors = np.zeros(len(found))
        for name in self.wanted[0]:
            wanted = np.stack([outputs[name].astype(np.float64).ravel() for outputs in self.wanted])
            actual = np.stack([outputs[name].ravel() for outputs in found])
            energy = np.square(wanted).sum() / len(found)
            errors += np.square(actual - wanted).sum(axis=1) / max(float(energy), 1e-30)
        mean: NDArray[np.float64] = errors / len(self.wanted[0])
        return mean


def _copied(model: ir.Model, plan: Plan) -> tuple[ir.Model, Plan]:
    """A copy of a graph, and the same plan for it."""
    copy = model.clone()
    nodes = dict(zip(model.graph, copy.graph, strict=True))
    values = dict(zip(model.graph.inputs, copy.graph.inputs, strict=True))
    for node, twin in nodes.items():
        values.update(zip(node.outputs, twin.outputs, strict=True))
    points = QuantizationPoints(
        [[values[value] for value in group] for group in plan.points.groups],
        {nodes[node] for node in plan.points.int8_nodes},
    )
    activations = {values[value]: params for value, params in plan.activations.items()}
    return copy, Plan(points, activations, {nodes[node]: params for node, params in plan.weights.items()})
