"""The ops that a quantizer leaves in float: those of its result that do not compute in int8."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import onnx_ir as ir

from mobiledeploy.graph.op_traits import BOUNDARY, CLAMPING
from mobiledeploy.runtime.runtimes import TfliteSession
from mobiledeploy.sources.onnx_file import load_onnx

__all__ = ["float_ops_of_onnx", "float_ops_of_tflite"]

_NO_ARITHMETIC = {"Constant", "Identity", "Shape", "Cast"}


def float_ops_of_tflite(path: Path) -> dict[str, int]:
    """TFLite op -> how many of them give a float result; DEQUANTIZE at the output is none."""
    session = TfliteSession(path, delegate=False)
    tensors = session.tensors()
    ops = [(node["op_name"], tensors[int(node["outputs"][0])]["dtype"]) for node in session.nodes()]
    return dict(Counter(name for name, dtype in ops if name != "DEQUANTIZE" and np.dtype(dtype).kind == "f"))


def float_ops_of_onnx(path: Path) -> dict[str, int]:
    """ONNX op -> how many of them ONNX Runtime computes in float, in a QDQ graph.

    An op between DequantizeLinear and QuantizeLinear for which ONNX Runtime has no integer kernel, such as
    HardSwish, is one of them. An op of integer inputs whose result is not rounded to int8 before other
    arithmetic goes on with it is listed as "<op>, result in float".
    """
    found: Counter[str] = Counter()
    integer = _integer_kernels()
    for node in load_onnx(path).graph:
        if node.op_type in BOUNDARY | _NO_ARITHMETIC:
            continue
        if node.op_type not in integer | CLAMPING or not all(map(_is_quantized, node.inputs)):
            found[node.op_type] += 1
        elif not _is_rounded(node.outputs[0]):
            found[f"{node.op_type}, result in float"] += 1
    return dict(found)


def _integer_kernels() -> set[str]:
    """The ops that onnxruntime.quantization quantizes."""
    from onnxruntime.quantization import registry

    return set(registry.QDQRegistry) | set(registry.QLinearOpsRegistry) | set(registry.CommonOpsRegistry)


def _is_quantized(value: ir.Value | None) -> bool:
    """A constant (weights, exponents, bounds), what is dequantized, or what a fused activation reads."""
    producer = None if value is None else value.producer()
    if producer is None:
        return value is None or not value.is_graph_input()
    return producer.op_type in BOUNDARY | _NO_ARITHMETIC or _is_fused(value)


def _is_fused(value: ir.Value | None) -> bool:
    assert value is not None
    readers = [use.node for use in value.uses()]
    return len(readers) == 1 and readers[0].op_type in CLAMPING


def _is_rounded(value: ir.Value) -> bool:
    """Whether its readers get it in int8, or nobody else reads it (a graph's output in float)."""
    readers = [use.node for use in value.uses()]
    if not readers:
        return True
    if _is_fused(value):
        return _is_rounded(readers[0].outputs[0])
    return all(reader.op_type == "QuantizeLinear" for reader in readers)
