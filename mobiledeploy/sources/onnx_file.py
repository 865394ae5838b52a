"""Reads an .onnx file as the rest of the project expects a graph: a recent opset, tidy, float32."""

from __future__ import annotations

from itertools import chain
from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir
from onnx import version_converter
from onnxscript import optimizer

from mobiledeploy.base.errors import InputError, UnsupportedModelError
from mobiledeploy.graph.onnx_graph import is_quantized, simplify, static_inputs, tidy
from mobiledeploy.graph.op_traits import BOUNDARY
from mobiledeploy.runtime.runtimes import OnnxSession

__all__ = ["load_onnx"]

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
        raise InputError(f"{path}: no such file, expected an ONNX model; check the path")
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
    """Write the domain "" for "ai.onnx", its long name."""
    for named in (*proto.opset_import, *proto.graph.node):
        if named.domain == "ai.onnx":
            named.domain = ""


def _upgrade(model: ir.Model, opset: int) -> ir.Model:
    """Return the model in opset 20. A conversion that changes the outputs is found by comparing them."""
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
    """Return the largest difference of the outputs on one random input, relative to their range."""
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
    optimizer.fold_constants(model, should_fold=lambda node: False if node.op_type in BOUNDARY else None)
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
