"""Helpers for tests of rewrites and lowerings: ours, and those that users write for their own.

model = model_from_text('''
    g (float[1, 3, 8, 8] x) => (float[1, 4, 8, 8] y) <float[4, 3, 1, 1] w> {
        conv = Conv(x, w)
        y = Relu(conv)
    }''')
before = model.clone()
apply_rules(model, [MyRule], get_target("litert-2.3"), "int8")
assert op_types(model) == ["Conv"]
assert_same_outputs(before, model, rtol=1e-5, atol=1e-6)
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
from numpy.typing import ArrayLike, NDArray

from mobiledeploy.graph.onnx_graph import array_of, static_inputs, tidy
from mobiledeploy.runtime.runtimes import OnnxSession, Sample

__all__ = [
    "array_of",
    "assert_same_outputs",
    "model_from_text",
    "op_types",
    "random_sample",
    "weights_from_names",
]

_HEADER = '<ir_version: 10, opset_import: ["" : 20]>'


def model_from_text(text: str, seed: int = 0, **constants: ArrayLike) -> ir.Model:
    """Return a model of the ONNX text syntax, with shapes inferred.

    Args:
        text: A graph, ``name (inputs) => (outputs) <constants> { nodes }``; opset 20 unless it begins with a
            header. A value declared between the angle brackets that no node computes becomes a constant.
        seed: Random seed of the constants without numbers: normally distributed, scaled by their fan-in.
        constants: Numbers for constants by name, broadcast to the declared shape.
    """
    proto = onnx.parser.parse_model(text if text.lstrip().startswith("<") else _HEADER + text)
    rng = np.random.default_rng(seed)
    known = {name for node in proto.graph.node for name in node.output}
    for declared in proto.graph.value_info:
        if declared.name in known:
            continue
        tensor = declared.type.tensor_type
        shape = tuple(d.dim_value for d in tensor.shape.dim)
        if declared.name in constants:
            array = np.broadcast_to(np.asarray(constants[declared.name]), shape)
        else:
            array = rng.normal(size=shape) / np.sqrt(np.prod(shape[1:], dtype=float) or 1)
        dtype = onnx.helper.tensor_dtype_to_np_dtype(tensor.elem_type)
        proto.graph.initializer.append(onnx.numpy_helper.from_array(array.astype(dtype), declared.name))
    return tidy(ir.from_proto(proto))


def op_types(model: ir.Model) -> list[str]:
    """Return the op type of each node, in order."""
    return [node.op_type for node in model.graph]


def random_sample(model: ir.Model, seed: int = 0, scale: float = 3.0) -> Sample:
    """Return normally distributed inputs; the default scale goes beyond both ends of a ReLU6."""
    rng = np.random.default_rng(seed)
    return {
        name: rng.normal(0, scale, shape).astype(np.float32) for name, shape in static_inputs(model).items()
    }


def assert_same_outputs(
    before: ir.Model,
    after: ir.Model,
    *,
    rtol: float,
    atol: float,
    sample: Sample | None = None,
    seed: int = 0,
) -> None:
    """Assert that two models of the same inputs and outputs compute the same, node by node in ONNX Runtime.

    Args:
        rtol: Relative tolerance of each element.
        atol: Tolerance relative to the largest magnitude of the output, the same at every scale.
        sample: Inputs; random ones when left out.

    Raises:
        AssertionError: Names, shapes or numbers of the outputs differ.
    """
    inputs = sample if sample is not None else random_sample(before, seed)
    wanted, found = (OnnxSession(model, optimize=False, threads=1).run(inputs) for model in (before, after))
    assert list(found) == list(wanted), f"outputs {list(found)}, expected {list(wanted)}"
    for name, want in wanted.items():
        got = found[name]
        assert got.shape == want.shape, f"output {name!r} has the shape {got.shape}, expected {want.shape}"
        largest = float(np.abs(want).max(initial=0))
        np.testing.assert_allclose(got, want, rtol=rtol, atol=atol * largest, err_msg=f"output {name!r}")


def weights_from_names(shapes: Mapping[str, tuple[int, ...]]) -> dict[str, NDArray[Any]]:
    """Return a state_dict whose numbers follow from its keys alone, the same everywhere and for ever.

    Kernels have the variance 2 / fan-in; batch norms do something to every channel, and shrink or blow up
    none. A key named "image" gets numbers in [-1, 1). float32, but for `num_batches_tracked`.
    """
    return {key: _numbers(key, shape) for key, shape in shapes.items()}


def _numbers(key: str, shape: tuple[int, ...]) -> NDArray[Any]:
    if key.endswith("num_batches_tracked"):
        return np.zeros(shape, np.int64)
    seed = int.from_bytes(hashlib.sha256(key.encode()).digest()[:8], "little")
    # Not a generator's distributions: numpy promises the same bits in later versions, but not those.
    bits = np.random.PCG64(seed).random_raw(math.prod(shape)) >> np.uint64(11)
    uniform = (bits.astype(np.float64) / 2**52 - 1).reshape(shape)  # [-1, 1)
    if key == "image":
        numbers = uniform
    elif key.endswith("running_var"):
        numbers = 1 + uniform / 2
    elif len(shape) > 1:
        numbers = uniform * math.sqrt(6 / math.prod(shape[1:]))
    elif key.endswith("weight"):
        numbers = 1 + 0.3 * uniform
    else:
        numbers = 0.1 * uniform
    return numbers.astype(np.float32)
