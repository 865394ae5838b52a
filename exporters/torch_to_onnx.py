"""nn.Module -> onnx_ir.Model (float32, NCHW, static shapes, batch as given)."""

from __future__ import annotations

import ast
import io
import logging
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stderr

import onnx_ir as ir
import torch
from torch import nn

from mobiledeploy.base.errors import UnsupportedModelError
from mobiledeploy.graph.constants import free_name
from mobiledeploy.graph.onnx_graph import required, simplify

__all__ = ["torch_to_onnx"]


def torch_to_onnx(module: nn.Module, inputs: Mapping[str, tuple[int, ...]]) -> ir.Model:
    """Export a module in evaluation mode.

    Args:
        module: Called with one float32 tensor per entry of ``inputs``, in order. Put into evaluation mode.
        inputs: Input name -> static shape, NCHW for images. The names become the ONNX input names.

    Raises:
        UnsupportedModelError: torch.export or the ONNX translation refuses the module.
    """
    examples = tuple(torch.zeros(shape) for shape in inputs.values())
    try:
        with _quiet(), torch.no_grad():
            # Exported first by hand: torch.onnx.export would otherwise try several strategies on failure,
            # minutes of work that end in the same error.
            program = torch.export.export(module.eval(), examples, strict=False)
            exported = torch.onnx.export(
                program,
                examples,
                dynamo=True,
                input_names=list(inputs),
                verbose=False,
                optimize=True,
                external_data=False,
            )
    except Exception as error:
        raise UnsupportedModelError(
            f"{type(module).__name__} cannot be exported to ONNX: {_first_line(error)}; "
            "the forward method must be traceable by torch.export with fixed shapes"
        ) from error
    model = required(exported).model
    _name_values_by_module(model)
    return simplify(model)


def _name_values_by_module(model: ir.Model) -> None:
    """Name each activation after the module that computes it, so that reports speak the user's language.

    Value names survive onnxsim, node metadata does not.
    """
    inputs, outputs = model.graph.inputs, model.graph.outputs
    names = ["output"] if len(outputs) == 1 else [f"output_{index}" for index in range(len(outputs))]
    taken = {value.name for value in inputs} | set(model.graph.initializers) | set(names)
    for node in model.graph:
        scopes = ast.literal_eval(node.metadata_props.get("pkg.torch.onnx.name_scopes", "[]"))
        path = next((scope for scope in reversed(scopes[:-1]) if scope), None)
        for value in node.outputs:
            value.name = free_name(path or value.name or node.op_type.lower(), taken)
            taken.add(value.name)
    for name, value in zip(names, outputs, strict=True):
        value.name = name


def _first_line(error: BaseException) -> str:
    root: BaseException = error
    while root.__cause__ is not None:
        root = root.__cause__
    text = str(root).strip() or type(root).__name__
    return text.splitlines()[0]


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence the exporter's progress lines, notes and graph dumps, which are no concern of the user."""
    names = ("torch.onnx", "torch.export", "torch.fx.experimental.symbolic_shapes", "onnxscript", "onnx_ir")
    loggers = [logging.getLogger(name) for name in names]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), redirect_stderr(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
