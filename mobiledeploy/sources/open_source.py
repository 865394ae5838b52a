"""Where a network comes from: the registry, the user's own Python file, or an ONNX file."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mobiledeploy.base.errors import InputError
from mobiledeploy.base.files import file_sha256, safe_stem
from mobiledeploy.inputs.preprocessing import Preprocessing
from mobiledeploy.models.registry import resolve
from mobiledeploy.models.spec import Conventions
from mobiledeploy.runtime.precisions import KINDS
from mobiledeploy.sources.user_code import call_factory
from mobiledeploy.tasks.tensors import Tensors

# torch, and what imports it, is imported where it is first needed: a mistyped name gets its answer at once.
if TYPE_CHECKING:
    import onnx_ir as ir
    from torch import nn

__all__ = ["INPUT_NAME", "ModelOptions", "Source", "WeightsRecord", "module_sha256", "open_source"]

INPUT_NAME = "image"
_LONGEST_SIDE = 4096  # pixels; more is a slip of the finger, and takes gigabytes before it fails


@dataclass(frozen=True)
class ModelOptions:
    """What the user may say about the network.

    Attributes:
        weights: A file, the name of one of the network's weights entries, "imagenet" for the preferred one,
            "random", or None for imagenet if it can be had, else random.
        weights_as: Name of the weights entry whose conventions, preprocessing and width a file has; None to
            tell by its hash and its keys. Without a file, initial weights get them.
        size: (height, width) of the input; None for the network's own.
        num_classes: Size of the head; None for the network's own, or that of the weights file.
        width_mult: Width multiplier; None for that of a weights entry that is named, else 1.
        options: What else the function that builds the network takes, by name.
        seed: Of initial weights and the images that settle them.
        weights_host: Where official weights are downloaded from; None for the publisher's host.
        weights_timeout_s: Seconds to wait for that host.
    """

    weights: str | None = None
    weights_as: str | None = None
    size: tuple[int, int] | None = None
    num_classes: int | None = None
    width_mult: float | None = None
    options: Mapping[str, float | str] = field(default_factory=dict)
    seed: int = 0
    weights_host: str | None = None
    weights_timeout_s: float = 5.0

    def for_factory(self) -> dict[str, float | str]:
        """What the user asked of the function that builds the network.

        Raises:
            InputError: One thing is asked for twice.
        """
        asked = {"num_classes": self.num_classes, "width_mult": self.width_mult}
        given = {name: value for name, value in asked.items() if value is not None}
        if twice := given.keys() & self.options.keys():
            raise InputError(f"{twice.pop()} is given twice, expected it once; leave --option out")
        return {**given, **self.options}


@dataclass(frozen=True)
class WeightsRecord:
    """Which weights a network got.

    Attributes:
        kind: "file", "imagenet", "random", "factory" (as the user's code made them) or "onnx".
        description: A line for the report.
        sha256: Of the weights file; for others, of all parameters and buffers in order.
        entry: The weights entry that they are, or are taken for; None where there is none.
        conventions: What the network was built with for them; None outside the registry.
    """

    kind: str
    description: str
    sha256: str
    entry: str | None = None
    conventions: Conventions | None = None


@dataclass
class Source:
    """A network ready for export: either a module, in evaluation mode, or an ONNX graph.

    Attributes:
        name: Stem of the artifacts' names.
        inputs: Input name -> shape, batch 1, images NCHW.
        quantized: Whether the graph is QDQ already.
        file: The ONNX file that it comes from.
        preprocessing: What the network wants done to an image; None if nobody said.
        task: What it is for, by name; "tensors" if nobody said.
        facts: Figures of the network for the report.
        warnings: What the user should know about it, a sentence each.
    """

    name: str
    inputs: dict[str, tuple[int, ...]]
    weights: WeightsRecord
    module: nn.Module | None = None
    model: ir.Model | None = None
    quantized: bool = False
    file: Path | None = None
    preprocessing: Preprocessing | None = None
    task: str = Tensors.name
    facts: dict[str, Any] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)


def open_source(text: str, options: ModelOptions) -> Source:
    """A network by registry name, ``path/to/file.py:factory``, or path to an .onnx file.

    Raises:
        InputError: No such network, file or factory, options that it does not take, or a module that does not
            run on an image of the given size.
        WeightsError: The weights cannot be had or do not fit.
        UnsupportedModelError: An ONNX file with dynamic shapes.
    """
    if options.size is not None and max(options.size) > _LONGEST_SIDE:
        height, width = options.size
        raise InputError(
            f"size {height}x{width}, expected sides of up to {_LONGEST_SIDE} pixels; pass a smaller --size"
        )
    path, _, factory = text.rpartition(":")
    if factory and path.endswith(".py"):
        return _from_python(Path(path), factory, options)
    if text.endswith(".py"):
        raise InputError(
            f"{text} names no factory, expected {text}:FACTORY, which returns an nn.Module; add it"
        )
    if text.endswith(".onnx"):
        return _from_onnx(Path(text), options)
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
        task=getattr(module, "task", Tensors.name),
    )


def _build(path: Path, factory: str, options: ModelOptions) -> object:
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(options.seed)
        return call_factory(path, factory, options.for_factory())


def _users_weights(module: nn.Module, factory: str, options: ModelOptions) -> WeightsRecord:
    """Load the weights file, if one is given."""
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
    """The name of the float network whose QDQ graph an export has written under this one."""
    suffixes = (f"_{kind.qdq}" for kind in KINDS.values() if kind.qdq)
    return next((stem.removesuffix(suffix) for suffix in suffixes if stem.endswith(suffix)), stem)


def _refuse_options(path: Path, options: ModelOptions) -> None:
    by_flag: Mapping[str, object] = {
        "--weights": options.weights,
        "--weights-as": options.weights_as,
        "--size": options.size,
        "--num-classes": options.num_classes,
        "--width-mult": options.width_mult,
        "--option": options.options or None,
    }
    given = [flag for flag, value in by_flag.items() if value is not None]
    if given:
        raise InputError(
            f"{' and '.join(given)} for {path}, expected none of that, as an ONNX file is exported as it is; "
            "leave it out"
        )


def module_sha256(module: nn.Module) -> str:
    """Over all parameters and buffers in order, hex."""
    digest = hashlib.sha256()
    for name, value in module.state_dict().items():
        digest.update(name.encode())
        digest.update(np.ascontiguousarray(value.numpy()).tobytes())
    return digest.hexdigest()
