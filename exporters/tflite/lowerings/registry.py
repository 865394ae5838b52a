"""The registry of lowerings.

A lowering is a function ``f(b, x, y, ..., *, attribute=default, ...)``: the builder, the node's inputs as
tensors in the chosen layout (None where an optional input is absent), and the node's ONNX attributes by
name. It returns the result tensor, or a list for an op of several outputs. The signature is the list of
what is supported: an attribute that it does not name is an error that tells the user so.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
import onnx_ir as ir

from mobiledeploy.exporters.tflite.graph import Tensor

__all__ = [
    "PRECISION",
    "Lowering",
    "accepted_attributes",
    "has_int8_form",
    "has_integer_form",
    "lowering_for",
    "lowers",
    "supported_ops",
]

Lowering = Callable[..., Tensor | list[Tensor]]
F = TypeVar("F", bound=Callable[..., object])

PRECISION = "mobiledeploy.precision"
"""Key of ``onnx_ir.Node.metadata_props``; "float32" there keeps a node in float in a quantized graph."""

_LOWERINGS: dict[str, Lowering] = {}
_KERNELS: dict[str, frozenset[np.dtype[Any]]] = {}
"""Op -> types of activations for which TFLite has an integer kernel."""


def lowers(*op_types: str, int8: bool = True, int16: bool = True, replace: bool = False) -> Callable[[F], F]:
    """Return a decorator that registers a function as the lowering of ONNX ops.

    Args:
        op_types: ONNX ops, such as "HardSwish".
        int8: Whether TFLite has an int8 kernel for the op; without one it stays in float.
        int16: The same for int16 activations; none is looked for without an int8 kernel.
        replace: Whether the function takes the place of another that lowers the op.

    Raises:
        ValueError: Another function lowers the op, and ``replace`` is not set.
    """
    kernels = [np.dtype(np.int8)] * int8 + [np.dtype(np.int16)] * (int8 and int16)

    def register(function: F) -> F:
        for op_type in op_types:
            if op_type in _LOWERINGS and not replace:
                owner, other = _full_name(_LOWERINGS[op_type]), _full_name(function)
                raise ValueError(
                    f"{op_type} is lowered by {owner} already; pass replace=True if {other} is to replace it"
                )
            _LOWERINGS[op_type] = function  # type: ignore[assignment]
            _KERNELS[op_type] = frozenset(kernels)
        return function

    return register


def _full_name(function: Callable[..., object]) -> str:
    return f"{function.__module__}.{function.__qualname__}"


def lowering_for(op_type: str) -> Lowering | None:
    """Return the function that lowers an ONNX op, or None."""
    return _LOWERINGS.get(op_type)


def supported_ops() -> list[str]:
    """Return the ONNX ops that can be lowered."""
    return sorted(_LOWERINGS)


def has_integer_form(node: ir.Node, dtype: np.dtype[Any]) -> bool:
    """Return whether a node may compute on activations of that type, int8 or int16.

    Its op can, and nobody has said that the node stays in float.
    """
    return dtype in _KERNELS.get(node.op_type, ()) and node.metadata_props.get(PRECISION) != "float32"


def has_int8_form(node: ir.Node) -> bool:
    """Return whether a node may compute in int8."""
    return has_integer_form(node, np.dtype(np.int8))


def accepted_attributes(lowering: Lowering) -> frozenset[str]:
    """Return the ONNX attributes that a lowering handles."""
    parameters = inspect.signature(lowering).parameters.values()
    return frozenset(p.name for p in parameters if p.kind is p.KEYWORD_ONLY)
