"""Loading, checking and tidying an onnx_ir.Model, and the small questions that every pass asks of it."""

from __future__ import annotations

from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
import onnxsim
from numpy.typing import NDArray
from onnx import version_converter
from onnx_ir.passes import common as passes
from onnxscript import optimizer

from mobiledeploy.base.errors import InputError, UnsupportedModelError
from mobiledeploy.runtime.runtimes import OnnxSession

__all__ = [
    "constant",
    "describe",
    "float_array",
    "infer_shapes",
    "is_quantized",
    "load_onnx",
    "quantizes_to_int16",
    "scalar",
    "shape_of",
    "simplify",
    "static_inputs",
    "tidy",
]


_OPSET = 20
_OLDEST_OPSET = 18  # ReduceMean takes its axes as an input from here on, as all rewrites and lowerings expect

_OTHER_FLOATS = frozenset([ir.DataType.FLOAT16, ir.DataType.BFLOAT16, ir.DataType.DOUBLE])


def load_onnx(path: Path) -> ir.Model:
    """Read an .onnx file: opset 18 or later, shapes inferred, constants folded and lifted to initializers.

    A quantized (QDQ) model keeps every Q and DQ node.

    Raises:
        InputError: The file is missing or is no ONNX model.
        UnsupportedModelError: An input has a dynamic shape, the opset is too old and cannot be converted, or
            the model computes in another float type than float32.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such file, expected an ONNX model")
    try:
        proto = onnx.load(path)
        _use_short_domain_name(proto)
        onnx.checker.check_model(proto)
        model = ir.from_proto(proto)
    except Exception as error:
        raise InputError(f"{path}: not a valid ONNX model ({_reason(error)}); export it again") from error
    if not model.graph.inputs and not len(model.graph):
        raise InputError(f"{path}: not a valid ONNX model (the graph is empty); export it again")
    tidy(model)
    static_inputs(model)
    if (opset := model.opset_imports.get("", _OPSET)) < _OLDEST_OPSET:
        model = tidy(_upgrade(model, opset))
    _fold_around_qdq(model)
    if not is_quantized(model):
        model = simplify(model)
    _require_float32(model)
    return model


def _use_short_domain_name(proto: onnx.ModelProto) -> None:
    """ "ai.onnx" is the long name of the domain ""."""
    for named in (*proto.opset_import, *proto.graph.node):
        if named.domain == "ai.onnx":
            named.domain = ""


def _upgrade(model: ir.Model, opset: int) -> ir.Model:
    """The model in opset 20. What the converter gives another meaning is caught by comparing the outputs."""
    remedy = f"export it again with opset_version={_OPSET}"
    try:
        proto = ir.to_proto(model)
        proto.ir_version = max(proto.ir_version, onnx.IR_VERSION_2023_5_5)  # the first that allows the opset
        upgraded = ir.from_proto(version_converter.convert_version(proto, _OPSET))
        if opset < 11:
            _keep_old_resize(upgraded)
    except Exception as error:
        raise UnsupportedModelError(
            f"the model has opset {opset}, expected {_OLDEST_OPSET} or later, and cannot be converted "
            f"({_reason(error)}); {remedy}"
        ) from error
    if (difference := _largest_difference(model, upgraded)) > 1e-3:
        raise UnsupportedModelError(
            f"the model has opset {opset}, expected {_OLDEST_OPSET} or later, and its conversion changes the "
            f"outputs by {difference:.2g} of their range; {remedy}"
        )
    return upgraded


def _keep_old_resize(model: ir.Model) -> None:
    """Name the coordinates that Resize and Upsample had before opset 11: they are no longer the default."""
    for node in model.graph:
        if node.op_type == "Resize":
            node.attributes.add(ir.AttrString("coordinate_transformation_mode", "asymmetric"))
            node.attributes.add(ir.AttrString("nearest_mode", "floor"))


def _largest_difference(one: ir.Model, other: ir.Model) -> float:
    """Largest difference of the outputs on one random input, relative to their range; 0 if one cannot run."""
    rng = np.random.default_rng(0)
    dtypes = {value.name: value.dtype.numpy() for value in one.graph.inputs if value.dtype is not None}
    sample = {name: rng.normal(size=shape).astype(dtypes[name]) for name, shape in static_inputs(one).items()}
    try:
        before, after = (OnnxSession(model, optimize=False).run(sample) for model in (one, other))
    except Exception:  # an op that ONNX Runtime does not know; whether we do, the lowering will say
        return 0.0
    differences = [
        np.abs(after[name] - array).max() / max(np.ptp(array), 1e-6) for name, array in before.items()
    ]
    return float(max(differences))


def _fold_around_qdq(model: ir.Model) -> None:
    """Fold constants other than those that Q and DQ nodes make, and ops without effect. In place."""
    keep = ("QuantizeLinear", "DequantizeLinear")
    optimizer.fold_constants(model, should_fold=lambda node: False if node.op_type in keep else None)
    tidy(model)


def _require_float32(model: ir.Model) -> None:
    computed = chain.from_iterable(node.outputs for node in model.graph)
    for value in (*model.graph.inputs, *model.graph.initializers.values(), *computed):
        if value.dtype in _OTHER_FLOATS:
            raise UnsupportedModelError(
                f"the value {value.name!r} is {value.dtype.name.lower()}, expected float32; "
                "export the model in float32, without autocast"
            )


def _reason(error: Exception) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)


def static_inputs(model: ir.Model) -> dict[str, tuple[int, ...]]:
    """Input name -> shape.

    Raises:
        UnsupportedModelError: A dimension is dynamic or unknown.
    """
    found: dict[str, tuple[int, ...]] = {}
    for value in model.graph.inputs:
        sizes = _known_sizes(value)
        if sizes is None or 0 in sizes:
            shape = "unknown" if value.shape is None else f"[{', '.join(str(d) for d in value.shape)}]"
            raise UnsupportedModelError(
                f"input {value.name!r} has the dynamic shape {shape}, expected fixed dimensions; "
                "export the model with a fixed batch, height and width "
                "(for instance `python -m onnxruntime.tools.make_dynamic_shape_fixed`)"
            )
        found[value.name or ""] = sizes
    return found


def _known_sizes(value: ir.Value) -> tuple[int, ...] | None:
    """The shape if all of it is known."""
    if value.shape is None:
        return None
    sizes = tuple(d for d in value.shape if isinstance(d, int))
    return sizes if len(sizes) == value.shape.rank() else None


def is_quantized(model: ir.Model) -> bool:
    """Whether the graph holds QuantizeLinear or DequantizeLinear nodes."""
    return any(node.op_type in ("QuantizeLinear", "DequantizeLinear") for node in model.graph)


def quantizes_to_int16(model: ir.Model) -> bool:
    """Whether activations of a QDQ graph have 16 bits."""
    quantizers = (node for node in model.graph if node.op_type == "QuantizeLinear")
    return any(node.outputs[0].dtype in (ir.DataType.INT16, ir.DataType.UINT16) for node in quantizers)


def simplify(model: ir.Model) -> ir.Model:
    """Fold constants and remove no-ops with onnxsim, then tidy."""
    proto, _ = onnxsim.simplify(ir.to_proto(model))
    return tidy(ir.from_proto(proto))


def tidy(model: ir.Model) -> ir.Model:
    """Constants as initializers, no dead nodes, unique names, all shapes inferred. In place."""
    for step in (
        passes.InlinePass(),
        passes.LiftConstantsToInitializersPass(lift_all_constants=True, size_limit=0),
        passes.RemoveInitializersFromInputsPass(),
        _remove_identities,
        passes.RemoveUnusedNodesPass(),
        passes.TopologicalSortPass(),
        passes.NameFixPass(),
    ):
        step(model)
    return infer_shapes(model)


def _remove_identities(model: ir.Model) -> None:
    """Join the readers of Identity nodes to what these read; the result keeps its name if it is an output.

    An Identity stays where an output would lose its value to another one: onnx_ir's own pass gives both the
    name of the last.
    """
    for node in list(ir.traversal.RecursiveGraphIterator(model.graph)):
        x = node.inputs[0] if node.op_type == "Identity" and not node.domain else None
        if x is None or node.graph is None:
            continue
        result, producer = node.outputs[0], x.producer()
        if result.is_graph_output():
            if x.is_graph_output() or producer is None or producer.graph is not node.graph:
                continue
            x.name = result.name
        x.shape, x.type = x.shape or result.shape, x.type or result.type
        result.replace_all_uses_with(x, replace_graph_outputs=True)
        node.graph.remove(node, safe=True)


def infer_shapes(model: ir.Model) -> ir.Model:
    """Shapes and types of every value that has none yet. In place."""
    passes.ShapeInferencePass(check_type=False, strict_mode=False, data_prop=True)(model)
    return model


def constant(value: ir.Value | None) -> NDArray[Any] | None:
    """The array behind an initializer or constant, or None for an activation."""
    if value is None or value.const_value is None or value.is_graph_input():
        return None
    return value.const_value.numpy()


def scalar(value: ir.Value | None) -> float | None:
    """The number behind a constant of one element, or None."""
    array = constant(value)
    return float(array.reshape(-1)[0]) if array is not None and array.size == 1 else None


def shape_of(value: ir.Value) -> tuple[int, ...]:
    """The static shape, in ONNX (NCHW) order.

    Raises:
        UnsupportedModelError: The shape is unknown or dynamic.
    """
    array = constant(value)
    sizes = array.shape if array is not None else _known_sizes(value)
    if sizes is None:
        node = value.producer()
        raise UnsupportedModelError(
            f"{describe(node) if node else 'input'} gives {value.name!r} the dynamic shape {value.shape}, "
            "expected fixed dimensions; export the model with fixed input shapes"
        )
    return sizes


def describe(node: ir.Node) -> str:
    """A node as a user knows it: its op and the value it computes, which is named after its module."""
    return f"{node.op_type} node {(node.outputs[0].name if node.outputs else None) or node.name!r}"


def float_array(value: ir.Value | None) -> NDArray[np.float32] | None:
    """The array behind a float constant, or None."""
    array = constant(value)
    return array.astype(np.float32) if array is not None and array.dtype.kind == "f" else None
