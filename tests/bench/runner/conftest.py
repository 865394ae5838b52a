"""The runner for this host, models of many inputs, and what an emulated AArch64 needs."""

from __future__ import annotations

import platform
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import flatbuffers
import pytest
from ai_edge_litert import schema_py_generated as schema

from mobiledeploy.base.errors import InputError
from mobiledeploy.bench.runner.compile import aarch64_compilers, runner_for
from mobiledeploy.bench.runner.litert_library import library_for
from mobiledeploy.bench.runner.system_libraries import system_libraries

CPUINFO = """processor : 0
Features : fp asimd evtstrm aes pmull sha1 sha2 crc32 atomics fphp asimdhp cpuid asimdrdm lrcpc dcpop asimddp
CPU implementer : 0x41
CPU architecture: 8
CPU variant : 0x4
CPU part : 0xd0b
CPU revision : 1
"""

T = schema.TensorType


@dataclass(frozen=True)
class Part:
    """An op of one input and one output, each an input and output of the model, too."""

    op: int
    dtype: int
    shape: tuple[int, ...] = (1, 6)
    version: int = 1


PARTS = {
    "real": Part(schema.BuiltinOperator.ADD, T.FLOAT32),
    "small": Part(schema.BuiltinOperator.ADD, T.INT8, version=2),
    "byte": Part(schema.BuiltinOperator.ADD, T.UINT8),
    "whole": Part(schema.BuiltinOperator.ADD, T.INT32),
    "long": Part(schema.BuiltinOperator.ADD, T.INT64, version=4),  # XNNPACK takes neither this nor the next
    "flag": Part(schema.BuiltinOperator.LOGICAL_NOT, T.BOOL),
}


def _model_of(parts: Mapping[str, Part], signature: Sequence[str] = (), dynamic: bool = False) -> bytes:
    """A TFLite file with those ops side by side.

    Args:
        signature: Names of the inputs in a signature's order; no signature if there are none.
        dynamic: Whether the first size of all tensors is left open.
    """
    model, graph = schema.ModelT(), schema.SubGraphT()
    model.version = 3
    model.buffers = [schema.BufferT()]
    graph.tensors, graph.operators, model.operatorCodes = [], [], []
    for i, (name, part) in enumerate(parts.items()):
        for suffix in ("", "_out"):
            tensor = schema.TensorT()
            tensor.name, tensor.shape, tensor.type, tensor.buffer = name + suffix, part.shape, part.dtype, 0
            if dynamic:
                tensor.shapeSignature = [-1, *part.shape[1:]]
            if part.dtype in (T.INT8, T.UINT8):
                tensor.quantization = schema.QuantizationParametersT()
                tensor.quantization.scale, tensor.quantization.zeroPoint = [0.5], [0]
            graph.tensors.append(tensor)
        code, op = schema.OperatorCodeT(), schema.OperatorT()
        code.builtinCode = code.deprecatedBuiltinCode = part.op
        code.version = part.version
        operands = 2 if part.op == schema.BuiltinOperator.ADD else 1
        op.inputs, op.outputs, op.opcodeIndex = [2 * i] * operands, [2 * i + 1], i
        if part.op == schema.BuiltinOperator.ADD:
            op.builtinOptionsType, op.builtinOptions = schema.BuiltinOptions.AddOptions, schema.AddOptionsT()
        model.operatorCodes.append(code)
        graph.operators.append(op)
    count = len(parts)
    graph.inputs, graph.outputs = [2 * i for i in range(count)], [2 * i + 1 for i in range(count)]
    model.subgraphs = [graph]
    if signature:
        model.signatureDefs = [_signature([list(parts).index(name) for name in signature], list(signature))]
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def _signature(indices: list[int], names: list[str]) -> schema.SignatureDefT:
    found = schema.SignatureDefT()
    found.signatureKey, found.subgraphIndex = "serving_default", 0
    found.inputs, found.outputs = [], []
    for name, index in zip(names, indices, strict=True):
        for side, tensor, suffix in (
            (found.inputs, 2 * index, ""),
            (found.outputs, 2 * index + 1, "_result"),
        ):
            entry = schema.TensorMapT()
            entry.name, entry.tensorIndex = name + suffix, tensor
            side.append(entry)
    return found


@pytest.fixture(scope="session")
def odd_files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Files that are not like an image classifier.

    "many": six inputs, each of another type, in a signature that has them in another order than the graph;
    "not": an op that XNNPACK does not take; "open": a batch size left open; "where": an output whose size
    only a run tells; "text": no model.
    """
    contents = {
        "many": _model_of(PARTS, signature=sorted(PARTS)),
        "not": _model_of({"flag": PARTS["flag"]}),
        "open": _model_of({"real": PARTS["real"]}, dynamic=True),
        "where": _model_of({"flag": Part(schema.BuiltinOperator.WHERE, T.BOOL, (6,))}),
        "text": b"no model",
    }
    folder = tmp_path_factory.mktemp("odd")
    for name, content in contents.items():
        (folder / f"{name}.tflite").write_bytes(content)
    return {name: folder / f"{name}.tflite" for name in contents}


@pytest.fixture(scope="session")
def host_runner(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if platform.system() != "Linux":
        pytest.skip("the runner runs on Linux")
    return runner_for("host", cache=tmp_path_factory.mktemp("built"))


@pytest.fixture(scope="session")
def arm_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A root for qemu-aarch64: lib/ with LiteRT and what it needs, the runner, proc/cpuinfo."""
    if shutil.which("qemu-aarch64") is None:
        pytest.skip("qemu-aarch64 is not installed")
    if not aarch64_compilers():
        pytest.skip("no compiler for AArch64 is installed")
    root = tmp_path_factory.mktemp("arm")
    (root / "lib").mkdir()
    (root / "proc").mkdir()
    (root / "proc" / "cpuinfo").write_text(CPUINFO)
    try:
        libraries = {**system_libraries(), "libLiteRt.so": library_for("aarch64")}
    except InputError as error:
        pytest.skip(str(error))
    for name, path in libraries.items():
        (root / "lib" / name).symlink_to(path)
    (root / "runner").symlink_to(runner_for("aarch64", cache=tmp_path_factory.mktemp("built_arm")))
    return root
