"""Opens a network: of the registry, of the user's own Python file, or of an ONNX file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from mobiledeploy.base.errors import InputError
from mobiledeploy.base.files import file_sha256, safe_stem
from mobiledeploy.base.options import given
from mobiledeploy.models.registry import resolve
from mobiledeploy.runtime.precisions import KINDS
from mobiledeploy.sources.source import INPUT_NAME, ModelOptions, Source, WeightsRecord, module_sha256
from mobiledeploy.sources.user_code import call_factory
from mobiledeploy.tasks.registry import TASKS
from mobiledeploy.tasks.tensors import Tensors

# torch, and what imports it, is imported where it is first needed: a mistyped name gets its answer at once.
if TYPE_CHECKING:
    from torch import nn

__all__ = ["open_source"]


def open_source(text: str, options: ModelOptions) -> Source:
    """Return a network by registry name, ``path/to/file.py:factory``, or path to an .onnx file.

    Raises:
        InputError: No such network, file or factory, options that it does not take, or a module that does not
            run on an image of the given size.
        WeightsError: The weights cannot be had or do not fit.
        UnsupportedModelError: An ONNX file with dynamic shapes.
    """
    path, _, factory = text.rpartition(":")
    if factory and path.endswith(".py"):
        return _from_python(Path(path), factory, options)
    if text.endswith(".py"):
        raise InputError(
            f"{text} names no factory, expected {text}:FACTORY, which returns an nn.Module; add it"
        )
    if text.endswith(".onnx"):
        return _from_onnx(Path(text), options)
    if text.endswith(".tflite"):
        raise InputError(
            f"{text} is an artifact already, expected a network to make one of; `mobiledeploy verify` and "
            "`mobiledeploy bench` take .tflite files"
        )
    spec = resolve(text)
    from mobiledeploy.sources.registry_source import from_registry

    return from_registry(spec, options)


# The user's own Python file


def _from_python(path: Path, factory: str, options: ModelOptions) -> Source:
    from mobiledeploy.sources.module_checks import input_shape, require_module, require_runnable

    name = f"{path}:{factory}"
    if options.weights_as is not None:
        raise InputError(
            f"--weights-as for {name}, expected none, as only networks of the registry have weights entries; "
            "leave it out"
        )
    if options.weights in ("imagenet", "random"):
        raise InputError(
            f"--weights {options.weights} for {name}, expected a file, as only networks of the registry have "
            "such weights; pass one, or nothing to keep those that the factory makes"
        )
    module = require_module(name, _build(path, factory, options)).eval()
    shape = input_shape(name, module, options.size)
    weights = _users_weights(module, factory, options)
    require_runnable(name, module, shape)
    return Source(
        name=safe_stem(factory),
        inputs={INPUT_NAME: shape},
        weights=weights,
        module=module,
        preprocessing=getattr(module, "preprocessing", None),
        task=_said_task(module),
    )


def _said_task(module: nn.Module) -> str:
    """Return the task that a module's attribute names; others call something else that."""
    said = getattr(module, "task", None)
    return said if isinstance(said, str) and said in TASKS else Tensors.name


def _build(path: Path, factory: str, options: ModelOptions) -> object:
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(options.seed)
        return call_factory(path, factory, options.for_factory())


def _users_weights(module: nn.Module, factory: str, options: ModelOptions) -> WeightsRecord:
    """Load the weights file, if one is given, and return the record of the weights."""
    from mobiledeploy.models.weights.load import apply_state_dict, load_state_dict

    if options.weights is None:
        return WeightsRecord("factory", f"as {factory} made them", module_sha256(module))
    file = Path(options.weights)
    apply_state_dict(module, load_state_dict(file), str(file))
    return WeightsRecord("file", file.name, file_sha256(file))


# ONNX


def _from_onnx(path: Path, options: ModelOptions) -> Source:
    from mobiledeploy.graph.onnx_graph import is_quantized, static_inputs
    from mobiledeploy.sources.onnx_file import load_onnx

    _refuse_options(path, options)
    model = load_onnx(path)
    quantized = is_quantized(model)
    return Source(
        name=safe_stem(_named_as_float(path.stem) if quantized else path.stem),
        inputs=static_inputs(model),
        weights=WeightsRecord("onnx", path.name, file_sha256(path)),
        model=model,
        quantized=quantized,
        file=path,
    )


def _named_as_float(stem: str) -> str:
    """Return the name of the float network whose QDQ graph an export has written under this one."""
    suffixes = (f"_{kind.qdq}" for kind in KINDS.values() if kind.qdq)
    return next((stem.removesuffix(suffix) for suffix in suffixes if stem.endswith(suffix)), stem)


def _refuse_options(path: Path, options: ModelOptions) -> None:
    asked = [text for text, about in given(options, ModelOptions).items() if about.name != "weights_host"]
    if asked:
        raise InputError(
            f"{' and '.join(asked)} for {path}, expected none of that, as an ONNX file is exported as it is; "
            "leave it out"
        )
