"""Where a network comes from: the registry, the user's own Python file, or an ONNX file."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mobiledeploy.artifacts import file_sha256, safe_stem
from mobiledeploy.errors import InputError, WeightsError
from mobiledeploy.models.registry import create, resolve
from mobiledeploy.models.spec import ModelSpec, Preprocessing
from mobiledeploy.user_code import call_factory

# torch, and what imports it, is imported where it is first needed: a mistyped name gets its answer at once.
if TYPE_CHECKING:
    import onnx_ir as ir
    from torch import nn

__all__ = ["ModelOptions", "Source", "WeightsRecord", "open_source"]

INPUT_NAME = "image"
_SETTLING_IMAGES = 16
_LONGEST_SIDE = 4096  # pixels; more is a slip of the finger, and takes gigabytes before it fails


@dataclass(frozen=True)
class ModelOptions:
    """What the user may say about the network.

    Attributes:
        weights: A file, "imagenet", "random", or None for imagenet if it can be had, else random.
        size: (height, width) of the input; None for the network's own.
        num_classes: Size of the head; None for the network's own, or that of the weights file.
        width_mult: Width multiplier; None for 1.
        seed: Of initial weights and the images that settle them.
        weights_host: Where official weights are downloaded from; None for the publisher's host.
        weights_timeout_s: Seconds to wait for that host.
    """

    weights: str | None = None
    size: tuple[int, int] | None = None
    num_classes: int | None = None
    width_mult: float | None = None
    seed: int = 0
    weights_host: str | None = None
    weights_timeout_s: float = 5.0

    def for_factory(self) -> dict[str, float]:
        """What the user asked of the function that builds the network."""
        asked = {"num_classes": self.num_classes, "width_mult": self.width_mult}
        return {name: value for name, value in asked.items() if value is not None}


@dataclass(frozen=True)
class WeightsRecord:
    """Which weights a network got.

    Attributes:
        kind: "file", "imagenet", "random", "factory" (as the user's code made them) or "onnx".
        description: A line for the report.
        sha256: Of the weights file; for others, of all parameters and buffers in order.
    """

    kind: str
    description: str
    sha256: str


@dataclass
class Source:
    """A network ready for export: either a module, in evaluation mode, or an ONNX graph.

    Attributes:
        name: Stem of the artifacts' names.
        inputs: Input name -> shape, batch 1, images NCHW.
        quantized: Whether the graph is QDQ already.
        file: The ONNX file that it comes from.
        preprocessing: What the network wants done to an image; None if nobody said.
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
    return _from_registry(resolve(text), options)


# The registry


def _from_registry(spec: ModelSpec, options: ModelOptions) -> Source:
    from mobiledeploy.models.counts import count_multiply_adds, count_parameters
    from mobiledeploy.module_checks import require_runnable

    size = options.size or spec.input_size
    inputs: dict[str, tuple[int, ...]] = {INPUT_NAME: (1, 3, *size)}
    network = _with_weights(spec, options, size)
    require_runnable(spec.name, network.module, inputs[INPUT_NAME])
    return Source(
        name=spec.name,
        inputs=inputs,
        weights=network.weights,
        module=network.module.eval(),
        preprocessing=_scaled(network.preprocessing, spec.input_size, size),
        facts={
            "paper": spec.paper,
            "task": spec.task,
            "parameters": count_parameters(network.module),
            "multiply_adds": count_multiply_adds(network.module, inputs[INPUT_NAME]),
            "width_mult": options.width_mult or 1.0,
        },
        warnings=network.warnings,
    )


def _scaled(preprocessing: Preprocessing, own: tuple[int, int], size: tuple[int, int]) -> Preprocessing:
    """The resize in proportion to the input size."""
    if preprocessing.resize is None or size == own:
        return preprocessing
    return replace(preprocessing, resize=round(preprocessing.resize * min(size) / min(own)))


@dataclass
class _Network:
    """A module of the registry with its weights, and the preprocessing that these were trained with."""

    module: nn.Module
    weights: WeightsRecord
    preprocessing: Preprocessing
    warnings: list[str] = field(default_factory=list)


def _with_weights(spec: ModelSpec, options: ModelOptions, size: tuple[int, int]) -> _Network:
    if options.weights == "random":
        return _initial(spec, options, size)
    if options.weights == "imagenet":
        return _official(spec, options)
    if options.weights is not None:
        return _from_weights_file(spec, Path(options.weights), options)
    try:
        return _official(spec, options)
    except WeightsError as error:
        network = _initial(spec, options, size)
        reason = str(error).partition(", expected")[0]
        network.warnings.append(
            f"initial weights (seed {options.seed}), as {reason}: accuracy and SQNR against float say "
            "little, so no threshold is set on them; pass --weights FILE"
        )
        return network


def _from_weights_file(spec: ModelSpec, path: Path, options: ModelOptions) -> _Network:
    from mobiledeploy.models.weights import apply_state_dict, head_classes, load_state_dict

    state = load_state_dict(path)
    asked, classes = options.for_factory(), head_classes(spec, state)
    if classes is not None and asked.setdefault("num_classes", classes) != classes:
        raise WeightsError(
            f"weights file {path} has a head of {classes} classes, expected {options.num_classes} by "
            "--num-classes; leave that out, or pass other weights"
        )
    module = _created(spec, asked)
    apply_state_dict(module, state, str(path))
    return _Network(module, WeightsRecord("file", path.name, file_sha256(path)), spec.preprocessing)


def _official(spec: ModelSpec, options: ModelOptions) -> _Network:
    from mobiledeploy.models.download import OFFICIAL_HOST, default_cache, fetch
    from mobiledeploy.models.weights import apply_state_dict, load_state_dict

    asked = options.for_factory()
    entry = next((e for e in spec.weights if asked.get("num_classes", e.num_classes) == e.num_classes), None)
    if entry is None or asked.get("width_mult", 1) != 1:
        wanted = " and ".join(f"{name} {value:g}" for name, value in asked.items())
        raise WeightsError(
            f"{spec.name} has no official weights"
            + (f" for {wanted}" if wanted else "")
            + ", expected a network that was published with some; pass --weights FILE"
        )
    host = options.weights_host or OFFICIAL_HOST
    path = fetch(entry, host=host, cache=default_cache(), timeout_s=options.weights_timeout_s)
    module = _created(spec, asked)
    apply_state_dict(module, load_state_dict(path), entry.name)
    record = WeightsRecord("imagenet", f"{entry.name} ({entry.file_name})", file_sha256(path))
    return _Network(module, record, entry.preprocessing)


def _initial(spec: ModelSpec, options: ModelOptions, size: tuple[int, int]) -> _Network:
    import torch

    from mobiledeploy.data import open_inputs
    from mobiledeploy.models.settle import settle_batch_norm

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(options.seed)
        module = _created(spec, options.for_factory())
    preprocessing = _scaled(spec.preprocessing, spec.input_size, size)
    images = open_inputs(None, {INPUT_NAME: (1, 3, *size)}, preprocessing, _SETTLING_IMAGES, options.seed)
    settle_batch_norm(module, [torch.from_numpy(sample[INPUT_NAME]) for sample in images.calibration])
    description = f"initial weights, seed {options.seed}, batch norm settled on generated images"
    return _Network(module, WeightsRecord("random", description, _module_sha256(module)), spec.preprocessing)


def _created(spec: ModelSpec, asked: Mapping[str, float]) -> nn.Module:
    try:
        return create(spec.name, asked)
    except (MemoryError, OverflowError, RuntimeError) as error:  # torch's own complaint of memory is the last
        wanted = " and ".join(f"{name} {value:g}" for name, value in asked.items())
        raise InputError(
            f"{spec.name} with {wanted} does not fit into memory; pass smaller numbers"
        ) from error


# The user's own Python file


def _from_python(path: Path, factory: str, options: ModelOptions) -> Source:
    from mobiledeploy.module_checks import input_shape, require_module, require_runnable

    name = f"{path}:{factory}"
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
    )


def _build(path: Path, factory: str, options: ModelOptions) -> object:
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(options.seed)
        return call_factory(path, factory, options.for_factory())


def _users_weights(module: nn.Module, factory: str, options: ModelOptions) -> WeightsRecord:
    """Load the weights file, if one is given."""
    from mobiledeploy.models.weights import apply_state_dict, load_state_dict

    if options.weights is None:
        return WeightsRecord("factory", f"as {factory} made them", _module_sha256(module))
    file = Path(options.weights)
    apply_state_dict(module, load_state_dict(file), str(file))
    return WeightsRecord("file", file.name, file_sha256(file))


# ONNX


def _from_onnx(path: Path, options: ModelOptions) -> Source:
    from mobiledeploy.exporters.onnx_graph import is_quantized, load_onnx, static_inputs

    _refuse_options(path, options)
    model = load_onnx(path)
    quantized = is_quantized(model)
    return Source(
        name=safe_stem(path.stem.removesuffix("_qdq") if quantized else path.stem),
        inputs=static_inputs(model),
        weights=WeightsRecord("onnx", path.name, file_sha256(path)),
        model=model,
        quantized=quantized,
        file=path,
    )


def _refuse_options(path: Path, options: ModelOptions) -> None:
    by_flag: Mapping[str, object] = {
        "--weights": options.weights,
        "--size": options.size,
        "--num-classes": options.num_classes,
        "--width-mult": options.width_mult,
    }
    given = [flag for flag, value in by_flag.items() if value is not None]
    if given:
        raise InputError(
            f"{' and '.join(given)} for {path}, expected none of that, as an ONNX file is exported as it is; "
            "leave it out"
        )


def _module_sha256(module: nn.Module) -> str:
    """Over all parameters and buffers in order."""
    digest = hashlib.sha256()
    for name, value in module.state_dict().items():
        digest.update(name.encode())
        digest.update(np.ascontiguousarray(value.numpy()).tobytes())
    return digest.hexdigest()
