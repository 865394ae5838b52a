"""A planned graph that runs with other activation ranges at no cost, to see what they do to its outputs."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from mobiledeploy.graph.params import QuantParams
from mobiledeploy.quantize.qdq.insert_qdq import insert_qdq
from mobiledeploy.quantize.qdq.plan import Plan
from mobiledeploy.runtime.runtimes import OnnxSession, Outputs, Sample

__all__ = ["QdqTrials"]


class QdqTrials:
    """Runs a QDQ graph whose activation parameters are inputs, in one session of ONNX Runtime.

    Biases are rounded to the steps that the plan gave them at first; these are so fine that it does not show.

    Args:
        model: The float graph; it is not changed.
        plan: The plan for that graph to begin with.
        samples: A few inputs; they stay in memory, with their outputs in float.
    """

    def __init__(self, model: ir.Model, plan: Plan, samples: Sequence[Sample]) -> None:
        self._samples = list(samples)
        self._workers = max(1, min(os.cpu_count() or 1, len(self._samples)))
        reference = OnnxSession(model, threads=1)
        self.wanted = [reference.run(sample) for sample in self._samples]
        # Of each output, mean of the samples.
        self._energy = {
            name: max(float(np.mean([np.square(outputs[name]).sum() for outputs in self.wanted])), 1e-30)
            for name in reference.output_names
        }
        copy = model.clone()
        insert_qdq(copy, plan)
        for value in plan.points.values:
            for name, dtype in (("scale", np.dtype(np.float32)), ("zero_point", plan.dtype)):
                constant = copy.graph.initializers.pop(f"{value}/{name}")
                constant.dtype, constant.shape = ir.DataType.from_numpy(dtype), ir.Shape([])
                constant.const_value = None
                copy.graph.inputs.append(constant)
        # One thread each: samples run side by side, and the sums come out in one order.
        self._session = OnnxSession(copy, threads=1, fuse_qdq=False)

    def run(self, activations: Mapping[str, QuantParams], part: slice = slice(None)) -> list[Outputs]:
        """The outputs with those parameters, for each sample or for some of them."""
        given: dict[str, NDArray[Any]] = {
            f"{value}/{name}": array
            for value, params in activations.items()
            for name, array in (
                ("scale", np.asarray(params.scale[0], np.float32)),
                ("zero_point", np.asarray(params.zero_point[0], params.dtype)),
            )
        }
        with ThreadPoolExecutor(self._workers) as threads:
            return list(
                threads.map(lambda sample: self._session.run({**sample, **given}), self._samples[part])
            )

    def errors(
        self, activations: Mapping[str, QuantParams], part: slice = slice(None)
    ) -> NDArray[np.float64]:
        """The squared error of each sample's outputs, relative to the mean square of that output.

        Returns:
            (samples,); of several outputs the mean.
        """
        found, wanted = self.run(activations, part), self.wanted[part]
        by_output = [
            np.square(actual[name] - outputs[name], dtype=np.float64).sum() / energy
            for name, energy in self._energy.items()
            for actual, outputs in zip(found, wanted, strict=True)
        ]
        errors: NDArray[np.float64] = np.reshape(by_output, (len(self._energy), len(found))).mean(axis=0)
        return errors

    def sqnr_db(
        self, activations: Mapping[str, QuantParams], part: slice = slice(None)
    ) -> NDArray[np.float64]:
        """The SQNR of each sample's outputs in dB, (samples,), at most 120."""
        found: NDArray[np.float64] = -10 * np.log10(np.maximum(self.errors(activations, part), 1e-12))
        return found
