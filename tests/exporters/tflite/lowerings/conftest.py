"""Runs the tables of the test files beside this one: ONNX Runtime against LiteRT, in float, int8 and int16.

A file's ``CASES`` maps a name to ``(nodes, ops)`` or ``(nodes, ops, int8 ops)``. The nodes are ONNX text,
separated by semicolons, with shapes written where a value first appears: ``x[1,3,8,8]`` is an input (any
name in x), another name with a shape is a float constant, ``{0,-3}`` an int64 constant, ``{6.0}`` a float
scalar. Results named y... are the outputs. The ops are those of the TFLite graph in order, without QUANTIZE
and DEQUANTIZE at its ends; where the int8 ops are left out they are the same, None says that the case is
tested in float only. The int16 ops are the int8 ops, unless the file's ``INT16`` has others.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from numpy.typing import NDArray

from mobiledeploy.exporters.tflite.graph import TfliteGraph
from mobiledeploy.exporters.tflite.onnx_to_tflite import lower
from mobiledeploy.exporters.tflite.writer import write_tflite
from mobiledeploy.graph.onnx_graph import tidy
from mobiledeploy.quantize.quantize_model import quantize_model
from mobiledeploy.quantize.recipe import QuantizeRecipe
from mobiledeploy.runtime.partitions import forecast_partitions, measure_partitions
from mobiledeploy.runtime.runtimes import OnnxSession, Outputs, Sample, TfliteSession
from mobiledeploy.runtime.targets import LITERT_2_3
from mobiledeploy.testing import random_sample

_SHAPED = re.compile(r"\b([a-z]\w*)\[([\d,]*)\]")
# LiteRT does not tell an op's options, so the forecast cannot see that a pool's stride exceeds its kernel.
_BEYOND_THE_FORECAST = "kernel_shape=[3,3], strides=[4,4]"

# By how many steps int16 kernels may be off: they round twice, and bilinear resizing weighs values of 15 bits
# with weights of 10, along two axes.
_STEPS_IN_INT16 = 2.0
_STEPS_OF_RESIZING = 2.0 + 2 * 2.0**5

_CONSTANT = re.compile(r"\{([^}]*)\}")


def model_of(text: str) -> ir.Model:
    """The model that a line of a table describes; constants are drawn from a seed."""
    rng = np.random.default_rng(0)
    inputs: dict[str, list[int]] = {}
    initializers: dict[str, NDArray[Any]] = {}

    def shaped(match: re.Match[str]) -> str:
        name, shape = match[1], [int(d) for d in match[2].split(",") if d]
        if name.startswith("x"):
            inputs[name] = shape
        else:
            initializers[name] = np.asarray(rng.normal(size=shape), np.float32)
        return name

    def constant(match: re.Match[str]) -> str:
        name = f"constant{len(initializers)}"
        numbers = match[1].split(",") if match[1] else []
        is_float = any("." in number for number in numbers)
        array = np.array(numbers, np.float32 if is_float else np.int64)
        initializers[name] = array[0] if is_float and array.size == 1 else array
        return name

    nodes = _CONSTANT.sub(constant, _SHAPED.sub(shaped, text)).replace(";", "\n")
    outputs = re.findall(r"\b(y\w*)(?=[\w, ]* = )", nodes)
    header = ", ".join(f"float[{','.join(map(str, shape))}] {name}" for name, shape in inputs.items())
    results = ", ".join(f"float[] {name}" for name in outputs)
    proto = onnx.parser.parse_model(
        f'<ir_version: 10, opset_import: ["" : 20]> g ({header}) => ({results}) {{ {nodes} }}'
    )
    proto.graph.initializer.extend(
        onnx.numpy_helper.from_array(np.asarray(a), n) for n, a in initializers.items()
    )
    for output in proto.graph.output:
        output.type.tensor_type.ClearField("shape")
    return tidy(ir.from_proto(onnx.shape_inference.infer_shapes(proto)))


def samples_for(model: ir.Model, count: int = 4) -> list[Sample]:
    """Seeded normal inputs for a model."""
    return [random_sample(model, seed, scale=2.0) for seed in range(count)]


def run_tflite(graph: TfliteGraph, path: Path, sample: Sample, delegate: bool = True) -> Outputs:
    """Outputs of the graph in LiteRT, for a sample in ONNX's layout, in ONNX's layout."""
    path.write_bytes(write_tflite(graph, "test"))
    return TfliteSession(path, delegate=delegate, nhwc=True).run(sample)


def ops_of(graph: TfliteGraph) -> str:
    """Op names in order, without the QUANTIZE and DEQUANTIZE of inputs and outputs."""
    inputs, outputs = set(graph.inputs.values()), set(graph.outputs.values())
    inner = [
        op.name
        for op in graph.ops
        if not (op.name == "QUANTIZE" and inputs.intersection(op.inputs))
        and not (op.name == "DEQUANTIZE" and outputs.intersection(op.outputs))
    ]
    return " ".join(inner)


@dataclass(frozen=True)
class LoweringCase:
    """One line of a table, in one precision."""

    text: str
    ops: str
    activations: Literal["float32", "int8", "int16"]
    folder: Path

    def check(self, delegate: bool = True) -> None:
        """The ops are as expected, the outputs ONNX Runtime's.

        In int8 to one step of the output's scale, in int16 to a few.

        And the delegate cuts the graph as the target's table forecasts.
        """
        model = model_of(self.text)
        samples = samples_for(model)
        if self.activations != "float32":
            quantize_model(
                model, samples, LITERT_2_3, QuantizeRecipe(calibrator="min-max", activations=self.activations)
            )
            tidy(model)
        graph = lower(model, LITERT_2_3)
        assert ops_of(graph) == self.ops
        reference = OnnxSession(model, optimize=self.activations == "float32")
        steps = {name: _step(graph, name) for name in graph.outputs}
        off = 1.0
        if self.activations == "int16":
            off = _STEPS_OF_RESIZING if "Resize" in self.text else _STEPS_IN_INT16
        for sample in samples:
            expected = reference.run(sample)
            actual = run_tflite(graph, self.folder / "case.tflite", sample, delegate)
            for name, array in expected.items():
                tolerance = max(1.001 * off * steps[name], 1e-5 * max(1.0, float(np.abs(array).max())))
                np.testing.assert_allclose(actual[name], array, rtol=0, atol=tolerance, err_msg=name)
        if delegate and _BEYOND_THE_FORECAST not in self.text:
            path = self.folder / "case.tflite"
            assert forecast_partitions(path, LITERT_2_3) == measure_partitions(path, LITERT_2_3)


def _step(graph: TfliteGraph, name: str) -> float:
    producer = graph.producer(graph.outputs[name])
    stored = producer.inputs[0] if producer is not None else None
    return float(stored.params.scale[0]) if stored is not None and stored.params is not None else 0.0


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One test per line of the module's table and precision."""
    cases = getattr(metafunc.module, "CASES", {})
    if "float_case" in metafunc.fixturenames:
        metafunc.parametrize("float_case", cases.values(), ids=cases.keys(), indirect=True)
    if "int8_case" in metafunc.fixturenames:
        int8 = {name: case for name, case in cases.items() if case[-1] is not None}
        metafunc.parametrize("int8_case", int8.values(), ids=int8.keys(), indirect=True)
    if "int16_case" in metafunc.fixturenames:
        others = getattr(metafunc.module, "INT16", {})
        int16 = {name: (text, others.get(name, ops)) for name, (text, *_, ops) in cases.items() if ops}
        metafunc.parametrize("int16_case", int16.values(), ids=int16.keys(), indirect=True)


@pytest.fixture
def float_case(request: pytest.FixtureRequest, tmp_path: Path) -> LoweringCase:
    text, ops, *_ = request.param
    return LoweringCase(text, ops, "float32", tmp_path)


@pytest.fixture
def int8_case(request: pytest.FixtureRequest, tmp_path: Path) -> LoweringCase:
    text, *_, ops = request.param
    return LoweringCase(text, ops, "int8", tmp_path)


@pytest.fixture
def int16_case(request: pytest.FixtureRequest, tmp_path: Path) -> LoweringCase:
    text, ops = request.param
    return LoweringCase(text, ops, "int16", tmp_path)


@pytest.fixture
def onnx_text() -> MappingProxyType[str, Any]:
    """The helpers by name, for tests that are no line of a table."""
    return MappingProxyType({"model_of": model_of, "run_tflite": run_tflite, "samples_for": samples_for})
